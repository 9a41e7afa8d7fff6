import { describe, expect, it } from 'vitest';
import { ownerOf } from './ownership.ts';
import { SIGNING_KEY_NAMES, signingKeyName } from './signing.ts';

describe('whose key it is', () => {
  it.each([
    ['signing', 'session-binding', 'auth-service'],
    ['signing', 'policy-bundle', 'policy-service'],
    ['signing', 'access-token-eddsa', 'auth-service'],
    ['signing', 'access-token-es256', 'auth-service'],
    ['signing', 'access-token', undefined],
    ['domain', 'auth/password', 'auth-service'],
    ['signing', 'audit-checkpoint', 'audit-service'],
    ['domain', 'auth/psk', 'auth-service'],
    ['domain', 'policy/store', 'policy-service'],
    ['domain', 'audit/archive', 'audit-service'],
    ['domain', 'channel/session', 'key-service'],
    ['domain', 'gateway/session-record', 'gateway'],
    ['domain', 'elsewhere/anything', undefined],
    ['domain', 'session-binding', undefined],
    ['signing', 'auth', undefined],
    ['domain', 'constructor/x', undefined],
    ['domain', '__proto__/x', undefined],
    ['signing', 'toString', undefined],
  ] as const)('%s %s: %s', (kind, name, owner) => {
    expect(ownerOf(kind, name)).toBe(owner);
  });

  it('knows the signing keys', () => {
    expect([...SIGNING_KEY_NAMES].sort()).toEqual([
      'access-token-eddsa',
      'access-token-es256',
      'audit-checkpoint',
      'policy-bundle',
      'session-binding',
    ]);
  });

  it.each([
    ['access-token', '', 'access-token-eddsa'],
    ['access-token', 'Ed25519', 'access-token-eddsa'],
    ['access-token', 'P-256', 'access-token-es256'],
    ['access-token', 'p-256', undefined],
    ['access-token', 'ES256', undefined],
    ['access-token', 'none', undefined],
    ['access-token-eddsa', '', undefined],
    ['session-binding', '', 'session-binding'],
    ['session-binding', 'P-256', undefined],
    ['policy-bundle', 'P-256', undefined],
    ['toString', '', undefined],
  ])('for %s by %j signs %s', (purpose, algorithm, name) => {
    expect(signingKeyName(purpose, algorithm)).toBe(name);
  });
});
