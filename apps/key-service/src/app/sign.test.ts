import { ED25519, utf8 } from '@sallyport/crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { reasonOf, testApp, type TestApp } from '../../test/support.ts';
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

  it('lists nothing for a purpose without keys', async () => {
    expect(await app.keys.listPublicKeys('unknown')).toEqual([]);
  });
});
