import { describe, expect, test } from 'vitest';
import { parseInstanceName, parsePrincipalId, parseRoleName } from './names.ts';

describe('role names', () => {
  test.each(['a', 'admin', 'orders-eu', 'r2', 'a'.repeat(63)])('%j is one', (name) => {
    expect(parseRoleName(name, 'role.name')).toEqual({ ok: true, value: name });
  });

  test.each([
    '',
    'A',
    'Admin',
    '2r',
    '-a',
    'a-',
    'a_b',
    'a.b',
    'a b',
    'a\n',
    'ä',
    'а', // Cyrillic
    '*',
    '__proto__',
    'a'.repeat(64),
  ])('%j is none', (name) => {
    const result = parseRoleName(name, 'role.name');
    expect(result).toMatchObject({ ok: false, refusal: { kind: 'malformed', field: 'role.name' } });
  });
});

describe('principals', () => {
  test.each(['user:alice', 'workload:batch.2', 'device:door-3_a', `user:${'a'.repeat(64)}`])(
    '%j is one',
    (id) => {
      expect(parsePrincipalId(id, 'binding.principal').ok).toBe(true);
    },
  );

  test.each([
    '',
    'alice',
    'user:',
    'svc:gateway',
    'user:Alice',
    'user:a b',
    'user:a:b',
    'user:*',
    'user:alice\n',
    ' user:alice',
    `user:${'a'.repeat(65)}`,
  ])('%j is none', (id) => {
    expect(parsePrincipalId(id, 'binding.principal')).toMatchObject({
      ok: false,
      refusal: { kind: 'malformed' },
    });
  });

  test('a refusal quotes little of a long name', () => {
    const result = parsePrincipalId('x'.repeat(100_000), 'p');
    expect(result.ok ? '' : result.refusal.message.length).toBeLessThan(400);
  });
});

describe('instances', () => {
  test.each(['gateway-0', 'spiffe://sallyport.local/svc/gateway#3f9c'])('%j is one', (name) => {
    expect(parseInstanceName(name, 'instance').ok).toBe(true);
  });

  test.each(['', '#a', 'a b', 'a\u0007', 'a'.repeat(201)])('%j is none', (name) => {
    expect(parseInstanceName(name, 'instance').ok).toBe(false);
  });
});
