import { ECDSA_P256, ED25519, utf8 } from '@sallyport/crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { HOUR, keyRef, reasonOf, testApp, type TestApp } from '../../test/support.ts';
import { MAX_SIGN_BYTES } from '../domain/limits.ts';

describe('Sign', () => {
  let app: TestApp;
  beforeEach(async () => {
    app = testApp();
    await app.keys.createSigningKeys();
  });

  it.each([
    ['auth-service', 'session-binding'],
    ['policy-service', 'policy-bundle'],
    ['audit-service', 'audit-checkpoint'],
  ])('by %s for %s verifies with the key of the directory', async (caller, purpose) => {
    const { keyId, signature } = await app.keys.sign(caller, purpose, utf8('message'));
    const [listed] = await app.keys.listPublicKeys(purpose);
    expect(listed).toMatchObject({ keyId, purpose, algorithm: 'Ed25519', state: 'active' });
    const publicKey = ED25519.publicKeyFromRaw(listed?.publicKey ?? new Uint8Array(0));
    if (publicKey === undefined) throw new Error('not a public key');
    expect(ED25519.verify(publicKey, utf8('message'), signature)).toBe(true);
    expect(ED25519.verify(publicKey, utf8('massage'), signature)).toBe(false);
  });

  it.each([
    ['gateway', 'session-binding', 'caller_not_allowed'],
    ['policy-service', 'session-binding', 'caller_not_allowed'],
    ['audit-service', 'session-binding', 'caller_not_allowed'],
    ['auth-service', 'policy-bundle', 'caller_not_allowed'],
    ['audit-service', 'policy-bundle', 'caller_not_allowed'],
    ['auth-service', 'audit-checkpoint', 'caller_not_allowed'],
    ['policy-service', 'audit-checkpoint', 'caller_not_allowed'],
    ['auth-service', 'auth/psk', 'invalid_argument'],
    ['auth-service', 'unknown', 'invalid_argument'],
    ['auth-service', '', 'invalid_argument'],
    ['auth-service', 'toString', 'invalid_argument'],
  ])('refuses %s for %j: %s', async (caller, purpose, reason) => {
    expect(await reasonOf(app.keys.sign(caller, purpose, utf8('message')))).toBe(reason);
  });

  it('takes a message of 1 MiB and not a byte more', async () => {
    const sign = (bytes: number) => app.keys.sign('policy-service', 'policy-bundle', new Uint8Array(bytes));
    expect((await sign(MAX_SIGN_BYTES)).signature).toHaveLength(64);
    expect(await reasonOf(sign(MAX_SIGN_BYTES + 1))).toBe('too_large');
  });

  describe('for access tokens', () => {
    const signed = (algorithm: string) =>
      app.keys.sign('auth-service', 'access-token', utf8('token'), algorithm);
    const listed = () => app.keys.listPublicKeys('access-token');

    it.each([
      ['Ed25519', ED25519],
      ['P-256', ECDSA_P256],
    ])('%s verifies with the key of the directory, and with no other', async (algorithm, row) => {
      const { keyId, signature } = await signed(algorithm);
      expect(signature).toHaveLength(64);
      const keys = await listed();
      expect(keys).toHaveLength(2);
      for (const key of keys) {
        const publicKey = row.publicKeyFromRaw(key.publicKey);
        const isGood = publicKey !== undefined && row.verify(publicKey, utf8('token'), signature);
        expect(isGood).toBe(key.keyId === keyId);
        if (isGood) expect(key).toMatchObject({ purpose: 'access-token', algorithm, state: 'active' });
      }
    });

    it.each([
      ['gateway', 'access-token', '', 'caller_not_allowed'],
      ['gateway', 'access-token', 'P-256', 'caller_not_allowed'],
      ['policy-service', 'access-token', 'P-256', 'caller_not_allowed'],
      ['auth-service', 'access-token', 'ES256', 'invalid_argument'],
      ['auth-service', 'access-token', 'none', 'invalid_argument'],
      ['auth-service', 'session-binding', 'P-256', 'invalid_argument'],
      ['auth-service', 'access-token-es256', '', 'invalid_argument'],
    ])('refuses %s for %s by %j: %s', async (caller, purpose, algorithm, reason) => {
      expect(await reasonOf(app.keys.sign(caller, purpose, utf8('token'), algorithm))).toBe(reason);
    });

    it('a key that gave way is listed for an hour, and the other algorithm is not touched', async () => {
      const before = await signed('P-256');
      const other = await signed('Ed25519');
      await app.keys.rotateKey(keyRef('access-token-es256'), { kind: 'principal', id: 'user:admin' });
      const after = await signed('P-256');
      expect(after.keyId).not.toBe(before.keyId);
      expect((await signed('Ed25519')).keyId).toBe(other.keyId);
      const ids = async () => (await listed()).map(({ keyId }) => keyId).sort();
      app.clock.advance(HOUR);
      expect(await ids()).toEqual([before.keyId, other.keyId, after.keyId].sort());
      app.clock.advance(1);
      expect(await ids()).toEqual([other.keyId, after.keyId].sort());
      // The keys of other purposes stay as long as they may verify.
      await app.keys.rotateKey(keyRef('session-binding'), { kind: 'principal', id: 'user:admin' });
      app.clock.advance(1000 * HOUR);
      expect(await app.keys.listPublicKeys('session-binding')).toHaveLength(2);
    });
  });

  it('lists nothing for a purpose without keys', async () => {
    expect(await app.keys.listPublicKeys('unknown')).toEqual([]);
  });
});
