import { randomBytes } from '@sallyport/crypto';
import { describe, expect, it } from 'vitest';
import { keyRef, memoryRootKey, reasonOf } from '../../test/support.ts';
import type { KeyVersion } from '../domain/key.ts';
import { keyMaterial } from './key-material.ts';
import { newVersion } from './new-version.ts';
import type { RootKey } from './ports.ts';

/** A root key that counts what it opens. */
function counting(root: RootKey) {
  const opened: string[] = [];
  const counted: RootKey = {
    wrap: root.wrap,
    unwrap: (wrapped, context) => {
      opened.push('one');
      return root.unwrap(wrapped, context);
    },
  };
  return { opened, root: counted };
}

const make = (root: RootKey, name: string, version = 1) =>
  newVersion({ root, now: () => 0, random: randomBytes }, keyRef(name), version);

describe('key material', () => {
  it('is opened once, also for calls at the same time', async () => {
    const { root, opened } = counting(memoryRootKey());
    const key = await make(root, 'auth/psk');
    const material = keyMaterial(root);
    const [one, other] = await Promise.all([
      material.domain(key, 'protect'),
      material.domain(key, 'process'),
    ]);
    expect(one).toBe(other);
    expect(opened).toHaveLength(1);
  });

  it('is kept for a bounded number of versions, the last used ones', async () => {
    const { root, opened } = counting(memoryRootKey());
    const keys = await Promise.all([1, 2, 3].map((version) => make(root, 'auth/psk', version)));
    const [first, second, third] = keys as [KeyVersion, KeyVersion, KeyVersion];
    const material = keyMaterial(root, 2);
    for (const key of [first, second, first, third]) await material.domain(key, 'protect');
    expect(opened).toHaveLength(3);
    await material.domain(first, 'protect');
    expect(opened).toHaveLength(3);
    await material.domain(second, 'protect');
    expect(opened).toHaveLength(4);
  });

  it('is asked for again after a failure', async () => {
    const root = memoryRootKey();
    const key = await make(root, 'auth/psk');
    let broken = true;
    const material = keyMaterial({
      wrap: root.wrap,
      unwrap: (wrapped, context) =>
        broken ? Promise.reject(new Error('the module is away')) : root.unwrap(wrapped, context),
    });
    await expect(material.domain(key, 'protect')).rejects.toThrow('the module is away');
    broken = false;
    expect((await material.domain(key, 'protect')).symmetricKeySize).toBe(32);
  });

  it('that is cached is still refused when its state changed', async () => {
    const root = memoryRootKey();
    const key = await make(root, 'auth/psk');
    const material = keyMaterial(root);
    await material.domain(key, 'protect');
    const deactivated: KeyVersion = { ...key, state: 'deactivated' };
    expect(await reasonOf(material.domain(deactivated, 'protect'))).toBe('key_unusable');
    expect((await material.domain(deactivated, 'process')).type).toBe('secret');
  });

  it.each([
    ['another name', (key: KeyVersion) => ({ ...key, ...keyRef('auth/other') })],
    ['another tenant', (key: KeyVersion) => ({ ...key, tenant: keyRef('session-binding').tenant })],
    ['another version', (key: KeyVersion) => ({ ...key, version: 2 })],
    ['another id', (key: KeyVersion) => ({ ...key, keyId: 'f'.repeat(32) as KeyVersion['keyId'] })],
  ])('does not open in a row that claims %s', async (_, change) => {
    const root = memoryRootKey();
    const key = await make(root, 'auth/psk');
    await expect(keyMaterial(root).domain(change(key), 'process')).rejects.toThrow('does not open');
  });

  it('of one kind is not used as another', async () => {
    const root = memoryRootKey();
    const [domain, signing] = [await make(root, 'auth/psk'), await make(root, 'policy-bundle')];
    await expect(keyMaterial(root).signing(domain, 'protect')).rejects.toThrow('not a signing key');
    await expect(keyMaterial(root).domain(signing, 'protect')).rejects.toThrow('not a domain key');
  });
});
