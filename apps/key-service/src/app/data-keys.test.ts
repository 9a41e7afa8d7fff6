import { fromHex, randomBytes, utf8 } from '@sallyport/crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { keyRef, reasonOf, testApp, type TestApp } from '../../test/support.ts';
import { destroyDataKey } from './data-keys.ts';

const aad = utf8('day 2026-01-01');

describe('data keys', () => {
  let app: TestApp;
  beforeEach(() => {
    app = testApp();
  });
  const make = () => app.keys.generateDataKey('audit-service', 'audit/archive', aad);
  const open = (wrapped: Uint8Array, changes: { aad?: Uint8Array; key?: string } = {}) =>
    app.keys.decrypt('audit-service', changes.key ?? 'audit/archive', [
      { ciphertext: wrapped, aad: changes.aad ?? aad },
    ]);
  const destroy = (id: string, caller = 'audit-service', key = 'audit/archive') => {
    const { store, clock } = app;
    const ports = {
      dataKeys: store.dataKeys,
      now: () => clock.now(),
      random: randomBytes,
      tell: async () => {},
    };
    return destroyDataKey(ports, caller, key, id);
  };

  it('are 32 random bytes that Decrypt gives back for the wrapped form', async () => {
    const [one, other] = [await make(), await make()];
    expect(one.plaintext).toHaveLength(32);
    expect(one.plaintext).not.toEqual(other.plaintext);
    expect(await open(one.wrapped)).toEqual([one.plaintext]);
    expect(fromHex(one.dataKeyId)).toEqual(one.wrapped.slice(4, 20));
  });

  it('outlive a rotation of their domain key', async () => {
    const key = await make();
    await app.keys.rotateKey(keyRef('audit/archive'), { kind: 'principal', id: 'user:admin' });
    expect(await open(key.wrapped)).toEqual([key.plaintext]);
  });

  it('are gone for good once destroyed, whoever kept the wrapped form', async () => {
    const key = await make();
    expect(await destroy(key.dataKeyId)).toBe(true);
    expect(await reasonOf(open(key.wrapped))).toBe('key_unusable');
    expect(await app.store.dataKeys.find(key.dataKeyId)).toMatchObject({ wrapped: undefined });
    expect(await destroy(key.dataKeyId)).toBe(false);
  });

  it('can be destroyed by their owner only', async () => {
    const key = await make();
    expect(await reasonOf(destroy(key.dataKeyId, 'auth-service'))).toBe('caller_not_allowed');
    expect(await destroy(key.dataKeyId, 'auth-service', 'auth/psk')).toBe(false);
    expect(await open(key.wrapped)).toEqual([key.plaintext]);
  });

  it('do not open with a flipped bit, wherever it is', async () => {
    const { wrapped } = await make();
    for (let at = 0; at < wrapped.length; at += 1) {
      const tampered = Uint8Array.from(wrapped);
      tampered[at] = (tampered[at] ?? 0) ^ 1;
      expect(await reasonOf(open(tampered)), `byte ${at}`).toBe('decryption_failed');
    }
  });

  it('do not open with other associated data, under another key, or as another data key', async () => {
    const [one, other] = [await make(), await make()];
    expect(await reasonOf(open(one.wrapped, { aad: utf8('day 2026-01-02') }))).toBe('decryption_failed');
    expect(await reasonOf(open(one.wrapped, { key: 'audit/other' }))).toBe('decryption_failed');
    const crossed = Uint8Array.from(one.wrapped);
    crossed.set(other.wrapped.subarray(4, 20), 4);
    expect(await reasonOf(open(crossed))).toBe('decryption_failed');
  });

  it('are recorded when made, and refused to those who own no such key', async () => {
    const key = await make();
    expect(app.recorded).toContainEqual(
      expect.objectContaining({
        change: 'created',
        subject: { type: 'data-key', tenant: 'default', name: 'audit/archive', dataKeyId: key.dataKeyId },
      }),
    );
    const stolen = app.keys.generateDataKey('auth-service', 'audit/archive', aad);
    expect(await reasonOf(stolen)).toBe('caller_not_allowed');
    expect(
      await reasonOf(app.keys.generateDataKey('audit-service', 'audit/archive', new Uint8Array(0))),
    ).toBe('invalid_argument');
  });
});
