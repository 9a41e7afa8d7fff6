/** OPA itself reads our bundles and agrees on their signature: the format is theirs, not one that resembles it. */

import { execFileSync, spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { packArchive, unpackArchive } from '../src/archive.ts';
import { BUNDLE_BOUNDS, buildBundle } from '../src/bundle.ts';
import { bundleKeys, contentOf, KEY_ID, signer } from './support.ts';

const devTools = fileURLToPath(new URL('../../../scripts/dev-tools', import.meta.url));
const opa = join(execFileSync('bash', [devTools, '--print-path'], { encoding: 'utf8' }).trim(), 'opa');

describe.skipIf(!existsSync(opa))('opa build, which verifies what it reads', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'sallyport-interop-'));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  /** What opa says; empty when it is content. */
  function read(bundle: Uint8Array, key: KeyObject | undefined): string {
    const [file, pem] = [join(folder, 'bundle.tar.gz'), join(folder, 'key.pem')];
    writeFileSync(file, bundle);
    writeFileSync(pem, key?.export({ type: 'spki', format: 'pem' }) ?? '');
    const options = ['--verification-key', pem, '--verification-key-id', KEY_ID, '--signing-alg', 'EdDSA'];
    const args = ['build', '--bundle', file, ...options, '-o', join(folder, 'out.tar.gz')];
    const { status, stdout, stderr } = spawnSync(opa, args, {
      cwd: folder,
      encoding: 'utf8',
      timeout: 20_000,
    });
    return status === 0 ? '' : `exit ${String(status)}: ${stdout}${stderr}`;
  }

  test('accepts ours', async () => {
    expect(read(await buildBundle(contentOf(), signer), bundleKeys.get(KEY_ID))).toBe('');
  });

  test('refuses another key', async () => {
    const bundle = await buildBundle(contentOf(), signer);
    expect(read(bundle, generateKeyPairSync('ed25519').publicKey)).toContain('invalid EdDSA signature');
  });

  test.each(['.manifest', 'bindings.json', 'data.json', 'policy.wasm'])(
    'refuses a changed %s',
    async (name) => {
      const unpacked = await unpackArchive(await buildBundle(contentOf(), signer), BUNDLE_BOUNDS);
      if (!unpacked.ok) throw new Error(unpacked.problem);
      const other = contentOf({ revision: 2, bindings: [], roles: {}, wasm: new Uint8Array(8) });
      const changed = await unpackArchive(await buildBundle(other, signer), BUNDLE_BOUNDS);
      if (!changed.ok) throw new Error(changed.problem);
      const files = new Map(unpacked.files).set(name, changed.files.get(name) ?? new Uint8Array());
      const bundle = await packArchive(files);
      expect(read(bundle, bundleKeys.get(KEY_ID))).toContain('digest mismatch');
    },
  );
});
