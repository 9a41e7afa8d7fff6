/**
 * A WebAssembly module assembled by hand that speaks OPA's ABI and misbehaves as told. Inputs of up to 400 bytes, among
 * them the self-test's, get `short`; longer ones get `long`. So a module can pass its self-test and fail later.
 */

import { POLICY_ENTRYPOINT } from '../bundle.ts';

export type Behaviour =
  | { readonly kind: 'answer'; readonly json: string }
  | { readonly kind: 'trap' }
  | { readonly kind: 'abort' }
  /** Calls a builtin of the host. */
  | { readonly kind: 'builtin' }
  /** Prints through opa_println, then answers. */
  | { readonly kind: 'print'; readonly json: string }
  /** Allocates that many pages of 64 KiB, then answers; traps when there are no more. */
  | { readonly kind: 'grow'; readonly pages: number; readonly json: string };

export type FakeModule = {
  readonly short: Behaviour;
  readonly long?: Behaviour;
  readonly abiVersion?: number;
  readonly abiMinorVersion?: number;
  readonly entrypoint?: string;
  /** JSON of name → id of the builtins it says it needs. */
  readonly builtins?: string;
  readonly importModule?: string;
  /** 400 when absent. */
  readonly shortInputBytes?: number;
};

export const LONG_INPUT = { padding: 'x'.repeat(500) };

export function outputJson(overrides: Record<string, unknown> = {}): string {
  const deny = {
    allow: false,
    reasons: ['fake'],
    requires: [],
    obligations: [],
    roles: [],
    effective_roles: [],
  };
  return JSON.stringify([{ result: { ...deny, cache_ttl_seconds: 60, ...overrides } }]);
}

export const DENY: Behaviour = { kind: 'answer', json: outputJson() };
export const ALLOW: Behaviour = { kind: 'answer', json: outputJson({ allow: true }) };

const I32 = 0x7f;
const SHORT_INPUT_BYTES = 400;
const HEAP = 65536;

export function fakeModule(fake: FakeModule): Uint8Array {
  const texts: number[][] = [];
  let address = 16;
  const store = (text: string): number => {
    const bytes = [...new TextEncoder().encode(text), 0];
    texts.push([0, ...constant(address), 0x0b, ...sized(bytes)]);
    address += bytes.length;
    return address - bytes.length;
  };
  // Imported functions 0, 1, 2.
  const imported = ['opa_abort', 'opa_println', 'opa_builtin0'];
  const behave = (behaviour: Behaviour): number[] => {
    switch (behaviour.kind) {
      case 'answer':
        return constant(store(behaviour.json));
      case 'trap':
        return [0x00];
      case 'abort':
        return [...constant(store('gone wrong')), 0x10, 0, 0x00];
      case 'builtin':
        return [...constant(0), ...constant(0), 0x10, 2];
      case 'print':
        return [...constant(store('printed by the policy')), 0x10, 1, ...constant(store(behaviour.json))];
      case 'grow':
        // memory.grow answers -1 when there is no more: trap, as a policy's own allocator would.
        return [
          ...[...constant(behaviour.pages), 0x40, 0, ...constant(-1), 0x46, 0x04, 0x40, 0x00, 0x0b],
          ...constant(store(behaviour.json)),
        ];
    }
  };
  const isLong = [0x20, 4, ...constant(fake.shortInputBytes ?? SHORT_INPUT_BYTES), 0x4b];
  const evaluate = [
    ...isLong,
    0x04,
    I32,
    ...behave(fake.long ?? fake.short),
    0x05,
    ...behave(fake.short),
    0x0b,
  ];

  // Types: 0 () → i32, 1 i32 → i32, 2 (i32, i32) → i32, 3 i32 → (), 4 seven i32 → i32.
  const types = [signature(0, 1), signature(1, 1), signature(2, 1), signature(1, 0), signature(7, 1)];
  const functions: [name: string, type: number, body: number[]][] = [
    ['builtins', 0, constant(store(fake.builtins ?? '{}'))],
    ['entrypoints', 0, constant(store(JSON.stringify({ [fake.entrypoint ?? POLICY_ENTRYPOINT]: 0 })))],
    ['opa_heap_ptr_get', 0, constant(HEAP)],
    ['opa_malloc', 1, constant(HEAP)],
    ['opa_json_dump', 1, [0x20, 0]],
    ['opa_json_parse', 2, [0x20, 0]],
    ['opa_heap_ptr_set', 3, []],
    ['opa_eval', 4, evaluate],
  ];
  const from = fake.importModule ?? 'env';
  const importTypes = [3, 3, 2];
  const globals = [fake.abiVersion ?? 1, fake.abiMinorVersion ?? 3];
  const globalNames = ['opa_wasm_abi_version', 'opa_wasm_abi_minor_version'];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, types),
    ...section(2, [
      [...label('env'), ...label('memory'), 0x02, 0, 1],
      ...imported.map((name, index) => [...label(from), ...label(name), 0x00, importTypes[index] ?? 0]),
    ]),
    ...section(
      3,
      functions.map(([, type]) => [type]),
    ),
    ...section(
      6,
      globals.map((value) => [I32, 0, ...constant(value), 0x0b]),
    ),
    ...section(7, [
      ...functions.map(([name], index) => [...label(name), 0x00, imported.length + index]),
      ...globalNames.map((name, index) => [...label(name), 0x03, index]),
    ]),
    ...section(
      10,
      functions.map(([, , body]) => sized([0, ...body, 0x0b])),
    ),
    ...section(11, texts),
  ]);
}

function section(id: number, items: readonly (readonly number[])[]): number[] {
  return [id, ...sized([...unsigned(items.length), ...items.flat()])];
}

function signature(parameters: number, results: number): number[] {
  return [0x60, ...sized(Array<number>(parameters).fill(I32)), ...sized(Array<number>(results).fill(I32))];
}

function label(text: string): number[] {
  return sized([...new TextEncoder().encode(text)]);
}

function sized(bytes: readonly number[]): number[] {
  return [...unsigned(bytes.length), ...bytes];
}

/** i32.const, signed LEB128. */
function constant(value: number): number[] {
  const bytes: number[] = [0x41];
  for (let rest = value; ; rest >>= 7) {
    const low = rest & 0x7f;
    const isLast = (rest >> 7 === 0 && (low & 0x40) === 0) || (rest >> 7 === -1 && (low & 0x40) !== 0);
    bytes.push(isLast ? low : low | 0x80);
    if (isLast) return bytes;
  }
}

function unsigned(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    bytes.push(rest > 0x7f ? (rest & 0x7f) | 0x80 : rest);
    if (rest <= 0x7f) return bytes;
  }
}
