// What a user of packages/client gets from the registry: built JavaScript, with declarations, that Node loads from
// node_modules, where it strips no types; and manifests that name all they import.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { packPackages, type PackedPackages } from '../testing/packed.ts';

/** packages/client and everything of this workspace that it depends on. */
const PACKAGES = ['crypto', 'proto', 'channel', 'client'];

let packed: PackedPackages;

beforeAll(async () => {
  packed = await packPackages('client', PACKAGES);
}, 120_000);

afterAll(() => packed[Symbol.dispose]());

describe('packed', () => {
  for (const name of PACKAGES) {
    test(`@sallyport/${name} can be imported in an empty folder`, async () => {
      const program = `console.log(Object.keys(await import('@sallyport/${name}')).length)`;
      const output = await packed.succeed('node', ['--input-type=module', '--eval', program]);
      expect(Number(output)).toBeGreaterThan(0);
    });

    test(`@sallyport/${name} exports built files and names real versions`, () => {
      const { exports, dependencies } = packed.manifest(name);
      for (const target of Object.values(exports).flatMap((conditions) => Object.values(conditions)))
        expect(readFileSync(join(packed.installed(name), target), 'utf8').length).toBeGreaterThan(0);
      for (const [dependency, range] of Object.entries(dependencies))
        expect([dependency, range]).toEqual([dependency, expect.stringMatching(/^[\^~]?\d+\.\d+\.\d+$/)]);
    });
  }

  test('@sallyport/client type-checks for its user', async () => {
    writeFileSync(join(packed.folder, 'user.ts'), "export * from '@sallyport/client';\n");
    await packed.typeCheck('user.ts', []);
  });
});
