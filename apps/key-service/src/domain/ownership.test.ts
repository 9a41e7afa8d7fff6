import { describe, expect, it } from 'vitest';
import { SIGNING_PURPOSES, ownerOf } from './ownership.ts';

describe('whose key it is', () => {
  it.each([
    ['signing', 'session-binding', 'auth-service'],
    ['signing', 'policy-bundle', 'policy-service'],
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

  it('knows the three purposes of signing keys', () => {
    expect([...SIGNING_PURPOSES].sort()).toEqual(['audit-checkpoint', 'policy-bundle', 'session-binding']);
  });
});
