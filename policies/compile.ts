/**
 * From Rego to the committed module, and the proof that the two still belong together.
 *
 * The module's bytes are a function of the sources, their order and paths, the capabilities and the version of `opa`
 * alone; all of them go into one digest, which the manifest records. So staleness shows even where `opa` is absent.
 */

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { policyEntrypoint } from './index.ts';

/** dist/manifest.json. Digests are SHA-256 in hex. */
export type Manifest = {
  readonly entrypoint: string;
  readonly opaVersion: string;
  readonly sourcesDigest: string;
  readonly wasmDigest: string;
};

export type Opa = { readonly path: string; readonly version: string };

const sha256Hex = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Rego files of `folder`/src, relative to it, in the order in which they are compiled. */
export function regoFiles(folder: string, kind: 'sources' | 'all'): string[] {
  return readdirSync(join(folder, 'src'))
    .filter((name) => name.endsWith('.rego') && (kind === 'all' || !name.endsWith('_test.rego')))
    .sort()
    .map((name) => `src/${name}`);
}

/**
 * What a policy may use: the builtins the wasm SDK lists less those it implements in JavaScript. Those would be calls
 * out of the module on attacker-influenced values (regular expressions with backtracking among them); leaving them out
 * makes using one a compile error, and the engine refuses a module that imports any.
 */
export function nativeCapabilities(): string {
  const require = createRequire(import.meta.url);
  const sdk = dirname(require.resolve('@open-policy-agent/opa-wasm'));
  const listed = JSON.parse(readFileSync(join(sdk, '../capabilities.json'), 'utf8')) as {
    builtins: { name: string }[];
  };
  const inJavaScript = new Set(Object.keys(require(join(sdk, 'builtins/index.js')) as object));
  return JSON.stringify({
    ...listed,
    builtins: listed.builtins.filter((builtin) => !inJavaScript.has(builtin.name)),
    features: ['rego_v1'],
  });
}

/** One digest over everything the module's bytes depend on. */
export function sourcesDigest(folder: string, opaVersion: string): string {
  const hash = createHash('sha256');
  const add = (label: string, content: Uint8Array | string): void => {
    const bytes = Buffer.from(content);
    hash.update(`${label}\n${String(bytes.length)}\n`).update(bytes);
  };
  add('opa', opaVersion);
  add('entrypoint', policyEntrypoint);
  add('capabilities', nativeCapabilities());
  for (const file of regoFiles(folder, 'sources')) add(file, readFileSync(join(folder, file)));
  return hash.digest('hex');
}

/** The `opa` of scripts/dev-tools, else the first on PATH; undefined when there is none that runs. */
export function findOpa(toolFolder: string, path: string): Opa | undefined {
  for (const folder of [toolFolder, ...path.split(delimiter)]) {
    const candidate = join(folder, 'opa');
    if (folder === '' || !existsSync(candidate)) continue;
    const version = /^Version: (\S+)$/m.exec(run(candidate, ['version'], folder))?.[1];
    if (version !== undefined) return { path: candidate, version };
  }
  return undefined;
}

/** Compiles `folder`/src. Throws with opa's own words when a source is wrong or uses a builtin that is not native. */
export function compileWasm(folder: string, opa: Opa): Uint8Array {
  const scratch = mkdtempSync(join(tmpdir(), 'sallyport-policy-'));
  try {
    const capabilities = join(scratch, 'capabilities.json');
    const bundle = join(scratch, 'bundle.tar.gz');
    writeFileSync(capabilities, nativeCapabilities());
    // Relative paths and a fixed working directory: both end up in the module.
    const files = regoFiles(folder, 'sources');
    const options = ['-t', 'wasm', '-e', policyEntrypoint, '--prune-unused', '--capabilities', capabilities];
    run(opa.path, ['build', ...options, '-o', bundle, ...files], folder);
    run('tar', ['-xzf', bundle, '-C', scratch, '/policy.wasm'], scratch);
    return new Uint8Array(readFileSync(join(scratch, 'policy.wasm')));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Compiles and writes `folder`/dist. */
export function writeDist(folder: string, opa: Opa): Manifest {
  const wasm = compileWasm(folder, opa);
  const manifest: Manifest = {
    entrypoint: policyEntrypoint,
    opaVersion: opa.version,
    sourcesDigest: sourcesDigest(folder, opa.version),
    wasmDigest: sha256Hex(wasm),
  };
  mkdirSync(join(folder, 'dist'), { recursive: true });
  writeFileSync(join(folder, 'dist/policy.wasm'), wasm);
  writeFileSync(join(folder, 'dist/manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  return manifest;
}

/** What no longer fits, judged by digests alone: needs no tool. Empty = fresh. */
export function digestProblems(folder: string): string[] {
  const manifest = readManifest(folder);
  if (manifest === undefined) return ['dist/manifest.json is missing or damaged'];
  const problems: string[] = [];
  if (manifest.sourcesDigest !== sourcesDigest(folder, manifest.opaVersion)) {
    problems.push('src/*.rego (or the SDK of the module) changed after dist/policy.wasm was compiled');
  }
  const wasmFile = join(folder, 'dist/policy.wasm');
  if (!existsSync(wasmFile) || manifest.wasmDigest !== sha256Hex(readFileSync(wasmFile))) {
    problems.push('dist/policy.wasm is not the module that dist/manifest.json describes');
  }
  return problems;
}

/** What `opa` finds: strict check, format, unit tests, and whether the sources still compile to the committed bytes. */
export function toolProblems(folder: string, opa: Opa): string[] {
  const problems: string[] = [];
  const all = regoFiles(folder, 'all');
  const attempt = (what: string, args: string[]): void => {
    try {
      run(opa.path, args, folder);
    } catch (error) {
      problems.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  attempt('opa check', ['check', '--strict', ...all]);
  attempt('opa fmt', ['fmt', '--diff', '--fail', ...all]);
  // Without --fail-on-empty a folder that lost its tests would pass.
  attempt('opa test', ['test', '--fail-on-empty', ...all]);
  try {
    if (Buffer.compare(compileWasm(folder, opa), readFileSync(join(folder, 'dist/policy.wasm'))) !== 0) {
      problems.push('dist/policy.wasm differs from what src/*.rego compiles to');
    }
  } catch (error) {
    problems.push(`opa build: ${error instanceof Error ? error.message : String(error)}`);
  }
  return problems;
}

export function readManifest(folder: string): Manifest | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(join(folder, 'dist/manifest.json'), 'utf8'));
    const fields = value as Record<keyof Manifest, unknown>;
    const names: (keyof Manifest)[] = ['entrypoint', 'opaVersion', 'sourcesDigest', 'wasmDigest'];
    return names.every((name) => typeof fields[name] === 'string') ? (value as Manifest) : undefined;
  } catch {
    return undefined;
  }
}

function run(command: string, args: string[], cwd: string): string {
  try {
    return execFileSync(command, args, {
      cwd,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 120_000,
    });
  } catch (error) {
    const failed = error as { stdout?: string; stderr?: string; message: string };
    throw new Error([failed.stdout, failed.stderr].filter(Boolean).join('\n').trim() || failed.message, {
      cause: error,
    });
  }
}
