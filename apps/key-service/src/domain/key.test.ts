import { describe, expect, it } from 'vitest';
import {
  DEFAULT_TENANT,
  domainKey,
  parseKeyId,
  parseTenantId,
  refText,
  signingKey,
  type KeyId,
} from './key.ts';
import { isRenewable, leaseEnd, type LiveSessionKey } from './session-key.ts';

describe('names of keys', () => {
  it.each(['auth/psk', 'a/b', 'channel/session', 'audit/archive/y2026/m1'])(
    'takes %s as a domain key',
    (name) => {
      expect(domainKey(DEFAULT_TENANT, name)).toEqual({ tenant: 'default', kind: 'domain', name });
    },
  );

  it.each([
    ['nothing', ''],
    ['no slash', 'auth'],
    ['an empty part', 'auth/'],
    ['an empty first part', '/psk'],
    ['a path upwards', 'auth/../policy'],
    ['capitals', 'auth/PSK'],
    ['a space', 'auth/p sk'],
    ['a line break at the end', 'auth/psk\n'],
    ['five parts', 'a/b/c/d/e'],
    ['a part of 33 characters', `auth/${'a'.repeat(33)}`],
    ['a leading digit', 'auth/1'],
  ])('refuses %s as a domain key', (_, name) => {
    expect(domainKey(DEFAULT_TENANT, name)).toBeUndefined();
  });

  it('keeps signing keys and domain keys apart', () => {
    expect(signingKey('session-binding')?.tenant).toBe('system');
    expect(signingKey('auth/psk')).toBeUndefined();
  });

  it.each(['', '-a', 'A', 'a b', 'a'.repeat(64), 'default\n'])('refuses tenant %j', (text) => {
    expect(parseTenantId(text)).toBeUndefined();
  });

  it.each(['', '00', 'g'.repeat(32), 'A'.repeat(32), '0'.repeat(33)])('refuses key id %j', (text) => {
    expect(parseKeyId(text)).toBeUndefined();
  });

  it('gives each key one text', () => {
    const texts = [signingKey('auth'), domainKey(DEFAULT_TENANT, 'auth/psk')].map(
      (ref) => ref && refText(ref),
    );
    expect(texts).toEqual(['system signing auth', 'default domain auth/psk']);
  });
});

describe('leases', () => {
  const key: LiveSessionKey = {
    kind: 'live',
    sessionId: new Uint8Array(16),
    tenant: DEFAULT_TENANT,
    parent: '0'.repeat(32) as KeyId,
    wrapped: new Uint8Array(1),
    createdAt: 0,
    leaseNotAfter: 1000,
    notAfter: 5000,
  };

  it('end with the binding at the latest', () => {
    expect(leaseEnd(1000, 3600, 10_000)).toBe(4600);
    expect(leaseEnd(9000, 3600, 10_000)).toBe(10_000);
  });

  it.each([
    ['before its end', 999, true],
    ['in its last millisecond', 1000, true],
    ['after its end', 1001, false],
  ])('can be renewed %s: %s', (_, now, expected) => {
    expect(isRenewable(key, now)).toBe(expected);
  });

  it('of destroyed keys cannot be renewed', () => {
    const destroyed = {
      kind: 'destroyed',
      sessionId: key.sessionId,
      destroyedAt: 0,
      notAfter: 5000,
    } as const;
    expect(isRenewable(destroyed, 0)).toBe(false);
  });
});
