/**
 * One compiled policy and an instance of it, with the SDK's sharp edges taken off:
 *
 * - The SDK wires `opa_println` to the console and builtins to JavaScript. The module is instantiated here instead,
 *   with imports that print nothing and call nothing, and handed to the SDK's `LoadedPolicy` for evaluation.
 * - The SDK treats a falsy input as no input; an input here is JSON text of an object, always.
 * - Memory grows and never shrinks, and a trap may leave the heap half written: `mustReplace` says when an instance is
 *   to be thrown away. A new one from the same module takes about a millisecond.
 */

import { createRequire } from 'node:module';
import { utf8 } from '@sallyport/crypto';
import { POLICY_ENTRYPOINT } from './bundle.ts';
import type { RoleTable } from './roles.ts';
import { webAssembly } from './webassembly.ts';
import type { WasmInstance, WasmMemory, WasmModule } from './webassembly.ts';

type Sdk = typeof import('@open-policy-agent/opa-wasm');

// The SDK's types promise a named export that its ESM entry does not have; its CommonJS entry has it.
const { LoadedPolicy } = createRequire(import.meta.url)('@open-policy-agent/opa-wasm') as Sdk;

const PAGE_BYTES = 64 * 1024;
const ABI_VERSION = 1; // OPA documentation, "Wasm", ABI versions; 1.2 brought the one-call opa_eval
const ABI_MINOR_VERSION = 2;
const BUILTIN_IMPORTS = ['opa_builtin0', 'opa_builtin1', 'opa_builtin2', 'opa_builtin3', 'opa_builtin4'];

export type MemoryLimits = {
  readonly initialBytes: number;
  /** Allocation beyond fails the evaluation. */
  readonly maxBytes: number;
  /** Growth past what loading took, after which the instance is replaced. */
  readonly growthBytes: number;
};

export const DEFAULT_MEMORY_LIMITS: MemoryLimits = {
  initialBytes: 1024 * 1024,
  maxBytes: 64 * 1024 * 1024,
  growthBytes: 4 * 1024 * 1024,
};

/** Why a module cannot be used as a policy. */
export class PolicyModuleError extends Error {
  override readonly name = 'PolicyModuleError';
}

export class WasmPolicy {
  readonly #module: WasmModule;
  readonly #data: { readonly roles: RoleTable };
  readonly #limits: MemoryLimits;

  private constructor(module: WasmModule, data: { readonly roles: RoleTable }, limits: MemoryLimits) {
    this.#module = module;
    this.#data = data;
    this.#limits = limits;
  }

  /** Compiles off the main thread. Throws PolicyModuleError or the platform's CompileError. */
  static async compile(wasm: Uint8Array, roles: RoleTable, limits: MemoryLimits): Promise<WasmPolicy> {
    const module = await webAssembly.compile(wasm);
    const stranger = webAssembly.Module.imports(module).find(({ module: from }) => from !== 'env');
    if (stranger !== undefined)
      throw new PolicyModuleError(`the module imports ${stranger.module}.${stranger.name}`);
    return new WasmPolicy(module, { roles }, limits);
  }

  /** A fresh instance with the roles, or others for a trial, loaded. Throws PolicyModuleError, or what the module's start throws. */
  instantiate(data: { readonly roles: RoleTable } = this.#data): WasmPolicyInstance {
    const memory = new webAssembly.Memory({
      initial: Math.ceil(this.#limits.initialBytes / PAGE_BYTES),
      maximum: Math.floor(this.#limits.maxBytes / PAGE_BYTES),
    });
    const instance = new webAssembly.Instance(this.#module, { env: imports(memory) });
    const minor = checkAbi(instance);
    const builtins = readJson(instance, memory, call(instance, 'builtins'));
    if (typeof builtins !== 'object' || builtins === null || Object.keys(builtins).length > 0) {
      throw new PolicyModuleError('the module calls builtins outside of itself');
    }
    const loaded = new LoadedPolicy(instance, memory, minor);
    const entrypoint = (loaded.entrypoints as Readonly<Record<string, number>>)[POLICY_ENTRYPOINT];
    if (typeof entrypoint !== 'number')
      throw new PolicyModuleError(`the module has no entrypoint ${POLICY_ENTRYPOINT}`);
    loaded.setData(data);
    return new WasmPolicyInstance(loaded, memory, entrypoint, this.#limits.growthBytes);
  }
}

export class WasmPolicyInstance {
  readonly #loaded: InstanceType<Sdk['LoadedPolicy']>;
  readonly #memory: WasmMemory;
  readonly #entrypoint: number;
  readonly #ceilingBytes: number;
  #trapped = false;

  constructor(
    loaded: InstanceType<Sdk['LoadedPolicy']>,
    memory: WasmMemory,
    entrypoint: number,
    growthBytes: number,
  ) {
    this.#loaded = loaded;
    this.#memory = memory;
    this.#entrypoint = entrypoint;
    this.#ceilingBytes = memory.buffer.byteLength + growthBytes;
  }

  /** True once an evaluation threw or memory grew past its ceiling. */
  get mustReplace(): boolean {
    return this.#trapped || this.#memory.buffer.byteLength > this.#ceilingBytes;
  }

  get memoryBytes(): number {
    return this.#memory.buffer.byteLength;
  }

  /**
   * The value of the decision for the JSON text of an input object; undefined when the policy leaves it undefined.
   * Throws whatever the module or the SDK throws, strings included; then `mustReplace` is true.
   */
  evaluate(inputJson: string): unknown {
    let results: unknown;
    try {
      const bytes = utf8(inputJson);
      const exact = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
      results = this.#loaded.evaluate(exact, this.#entrypoint);
    } catch (error) {
      this.#trapped = true;
      throw error;
    }
    if (!Array.isArray(results) || results.length !== 1) return undefined;
    const only: unknown = results[0];
    return typeof only === 'object' && only !== null ? (only as { result?: unknown }).result : undefined;
  }
}

function imports(memory: WasmMemory): Record<string, unknown> {
  const refuse = (): never => {
    throw new PolicyModuleError('the module called a builtin outside of itself');
  };
  return {
    memory,
    opa_abort: (address: number): never => {
      throw new PolicyModuleError(`the module aborted: ${readText(memory, address)}`);
    },
    opa_println: (): void => undefined,
    ...Object.fromEntries(BUILTIN_IMPORTS.map((name) => [name, refuse])),
  };
}

/** The SDK reports a missing version on the console and goes on; here it is an error. Returns the minor version. */
function checkAbi(instance: WasmInstance): number {
  const read = (name: string): unknown => (instance.exports[name] as { value?: unknown } | undefined)?.value;
  const version = read('opa_wasm_abi_version');
  const minor = read('opa_wasm_abi_minor_version');
  if (version !== ABI_VERSION || typeof minor !== 'number' || minor < ABI_MINOR_VERSION) {
    throw new PolicyModuleError(
      `the module has ABI ${String(version)}.${String(minor)}, 1.2 or later is needed`,
    );
  }
  return minor;
}

function call(instance: WasmInstance, name: string, ...args: number[]): number {
  const target = instance.exports[name];
  if (typeof target !== 'function') throw new PolicyModuleError(`the module does not export ${name}`);
  return (target as (...values: number[]) => number)(...args);
}

function readJson(instance: WasmInstance, memory: WasmMemory, address: number): unknown {
  return JSON.parse(readText(memory, call(instance, 'opa_json_dump', address)));
}

function readText(memory: WasmMemory, address: number): string {
  const bytes = new Uint8Array(memory.buffer);
  const end = bytes.indexOf(0, address);
  return new TextDecoder().decode(bytes.subarray(address, end === -1 ? address : end));
}
