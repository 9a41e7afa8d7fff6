// What a user of packages/client gets from the registry: built JavaScript, with declarations, that Node loads from
// node_modules, where it strips no types; and manifests that name all they import.
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
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run } from '../verify/run.ts';

const root = join(import.meta.dirname, '..', '..');
const bin = join(root, 'node_modules', '.bin');
/** packages/client and everything of this workspace that it depends on. */
const PACKAGES = ['crypto', 'proto', 'channel', 'client'];

interface Manifest {
  readonly version: string;
  readonly exports: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly dependencies: Readonly<Record<string, string>>;
}

let folder: string;

async function succeed(command: string, args: readonly string[], cwd: string): Promise<string> {
  const { code, output, stdout } = await run(command, args, { cwd, bin });
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${String(code)}:\n${output}`);
  return stdout;
}

const installed = (name: string): string => join(folder, 'node_modules', '@sallyport', name);

function manifest(name: string): Manifest {
  return JSON.parse(readFileSync(join(installed(name), 'package.json'), 'utf8')) as Manifest;
}

/** An empty folder with the packed packages unpacked and, from outside, exactly what their manifests name. */
beforeAll(async () => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'sallyport-packed-')));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n');
  await succeed(
    join(bin, 'turbo'),
    ['run', 'build', '--filter=@sallyport/client...', '--output-logs=errors-only'],
    root,
  );
  for (const name of PACKAGES) {
    const source = join(root, 'packages', name);
    const tarball = join(folder, `${name}.tgz`);
    await succeed(join(bin, 'pnpm'), ['pack', '--out', tarball], source);
    mkdirSync(installed(name), { recursive: true });
    await succeed('tar', ['-xzf', tarball, '--strip-components=1'], installed(name));
    for (const dependency of Object.keys(manifest(name).dependencies)) {
      if (dependency.startsWith('@sallyport/')) continue;
      const link = join(installed(name), 'node_modules', dependency);
      mkdirSync(join(link, '..'), { recursive: true });
      symlinkSync(realpathSync(join(source, 'node_modules', dependency)), link, 'dir');
    }
  }
}, 120_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('packed', () => {
  for (const name of PACKAGES) {
    test(`@sallyport/${name} can be imported in an empty folder`, async () => {
      const program = `console.log(Object.keys(await import('@sallyport/${name}')).length)`;
      const output = await succeed(join(bin, 'node'), ['--input-type=module', '--eval', program], folder);
      expect(Number(output)).toBeGreaterThan(0);
    });

    test(`@sallyport/${name} exports built files and names real versions`, () => {
      const { exports, dependencies } = manifest(name);
      for (const target of Object.values(exports).flatMap((conditions) => Object.values(conditions)))
        expect(readFileSync(join(installed(name), target), 'utf8').length).toBeGreaterThan(0);
      for (const [dependency, range] of Object.entries(dependencies))
        expect([dependency, range]).toEqual([dependency, expect.stringMatching(/^[\^~]?\d+\.\d+\.\d+$/)]);
    });
  }

  test('@sallyport/client type-checks for its user', async () => {
    writeFileSync(join(folder, 'user.ts'), "export * from '@sallyport/client';\n");
    const args = [
      '--noEmit',
      '--strict',
      '--module',
      'nodenext',
      '--target',
      'es2024',
      '--types',
      '',
      'user.ts',
    ];
    await succeed(join(bin, 'tsc'), [...args, '--skipLibCheck', '--ignoreConfig'], folder);
  });
});
