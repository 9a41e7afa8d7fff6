/** Packages of this workspace as their users get them: built, packed, unpacked in an empty folder outside of the tree. */
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../verify/run.ts';

export const root = join(import.meta.dirname, '..', '..');
const bin = join(root, 'node_modules', '.bin');

export interface Manifest {
  readonly version: string;
  readonly exports: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly dependencies: Readonly<Record<string, string>>;
}

export interface PackedPackages extends Disposable {
  /** The user's project: an ES module without anything of its own. */
  readonly folder: string;
  /** Where `@sallyport/<name>` is unpacked. */
  installed(name: string): string;
  manifest(name: string): Manifest;
  /** Runs a tool of this workspace, or of the machine, in the folder: its stdout. Throws when it does not end with 0. */
  succeed(command: string, args: readonly string[]): Promise<string>;
  /** Type-checks a file of the folder as strict as tsc can be told to. */
  typeCheck(file: string, types: readonly string[]): Promise<string>;
}

/** `last` is the one to pack, `names` are it and everything of this workspace that it depends on. */
export async function packPackages(last: string, names: readonly string[]): Promise<PackedPackages> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'sallyport-packed-')));
  const installed = (name: string): string => join(folder, 'node_modules', '@sallyport', name);
  const manifest = (name: string): Manifest =>
    JSON.parse(readFileSync(join(installed(name), 'package.json'), 'utf8')) as Manifest;

  async function succeed(command: string, args: readonly string[], cwd = folder): Promise<string> {
    const { code, output, stdout } = await run(command, args, { cwd, bin });
    if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${String(code)}:\n${output}`);
    return stdout;
  }

  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n');
  const filter = `--filter=@sallyport/${last}...`;
  await succeed('turbo', ['run', 'build', filter, '--output-logs=errors-only'], root);
  for (const name of names) {
    const source = join(root, 'packages', name);
    const tarball = join(folder, `${name}.tgz`);
    await succeed('pnpm', ['pack', '--out', tarball], source);
    mkdirSync(installed(name), { recursive: true });
    await succeed('tar', ['-xzf', tarball, '--strip-components=1'], installed(name));
    for (const dependency of Object.keys(manifest(name).dependencies)) {
      if (dependency.startsWith('@sallyport/')) continue;
      const link = join(installed(name), 'node_modules', dependency);
      mkdirSync(join(link, '..'), { recursive: true });
      symlinkSync(realpathSync(join(source, 'node_modules', dependency)), link, 'dir');
    }
  }

  return {
    folder,
    installed,
    manifest,
    succeed: (command, args) => succeed(command, args),
    typeCheck: (file, types) =>
      succeed('tsc', [...STRICT, '--types', types.join(','), '--skipLibCheck', '--ignoreConfig', file]),
    [Symbol.dispose]() {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const STRICT = [
  '--noEmit',
  '--strict',
  '--noUncheckedIndexedAccess',
  '--exactOptionalPropertyTypes',
  ...['--module', 'nodenext'],
  ...['--target', 'es2024'],
];
