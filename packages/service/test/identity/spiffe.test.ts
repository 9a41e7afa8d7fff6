import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  formatSpiffeId,
  parsePrincipalId,
  parseSpiffeId,
  principalSpiffeId,
  serviceSpiffeId,
} from '../../src/identity/index.ts';

describe('parseSpiffeId', () => {
  test.each([
    [
      'spiffe://sallyport.local/svc/gateway',
      { trustDomain: 'sallyport.local', kind: 'svc', name: 'gateway' },
    ],
    ['spiffe://a/user/x', { trustDomain: 'a', kind: 'user', name: 'x' }],
    ['spiffe://td/workload/batch_1.2-3', { trustDomain: 'td', kind: 'workload', name: 'batch_1.2-3' }],
    [`spiffe://td/device/${'a'.repeat(64)}`, { trustDomain: 'td', kind: 'device', name: 'a'.repeat(64) }],
  ])('takes %s', (text, parts) => {
    expect(parseSpiffeId(text)).toEqual(parts);
  });

  test.each([
    ['nothing', ''],
    ['another scheme', 'https://td/svc/gateway'],
    ['an upper-case scheme', 'SPIFFE://td/svc/gateway'],
    ['no trust domain', 'spiffe:///svc/gateway'],
    ['an upper-case trust domain', 'spiffe://TD/svc/gateway'],
    ['a port', 'spiffe://td:1/svc/gateway'],
    ['user information', 'spiffe://a@td/svc/gateway'],
    ['no path', 'spiffe://td'],
    ['an empty path', 'spiffe://td/'],
    ['no name', 'spiffe://td/svc/'],
    ['an unknown kind', 'spiffe://td/admin/gateway'],
    ['an upper-case kind', 'spiffe://td/SVC/gateway'],
    ['a further segment', 'spiffe://td/svc/gateway/x'],
    ['a slash at the end', 'spiffe://td/svc/gateway/'],
    ['an empty segment', 'spiffe://td//svc/gateway'],
    ['a dot segment', 'spiffe://td/svc/.'],
    ['a double dot segment', 'spiffe://td/svc/..'],
    ['an upper-case name', 'spiffe://td/svc/Gateway'],
    ['a percent-encoded name', 'spiffe://td/svc/%67ateway'],
    ['a query', 'spiffe://td/svc/gateway?x'],
    ['a fragment', 'spiffe://td/svc/gateway#x'],
    ['a space at the end', 'spiffe://td/svc/gateway '],
    ['a line end', 'spiffe://td/svc/gateway\n'],
    ['a null character', 'spiffe://td/svc/gateway\0'],
    ['a look-alike letter', 'spiffe://td/svc/g\u0430teway'],
    ['a name of 65 characters', `spiffe://td/user/${'a'.repeat(65)}`],
    ['a trust domain of 256 characters', `spiffe://${'a'.repeat(256)}/user/a`],
    ['a very long text', `spiffe://td/user/${'a'.repeat(100_000)}`],
  ])('refuses %s', (_case, text) => {
    expect(parseSpiffeId(text)).toBeUndefined();
  });

  test('whatever it takes is formatted to the same text', () => {
    const name = fc.stringMatching(/^[a-z0-9._-]{1,64}$/u);
    fc.assert(
      fc.property(
        name,
        fc.constantFrom('svc', 'user', 'workload', 'device'),
        name,
        (trustDomain, kind, leaf) => {
          const text = `spiffe://${trustDomain}/${kind}/${leaf}`;
          const parsed = parseSpiffeId(text);
          if (parsed === undefined)
            expect(['.', '..'].some((dots) => dots === trustDomain || dots === leaf)).toBe(true);
          else expect(formatSpiffeId(parsed)).toBe(text);
        },
      ),
    );
  });

  test('is total on noise', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.boolean(), (noise, prefixed) => {
        const text = prefixed ? `spiffe://${noise}` : noise;
        const parsed = parseSpiffeId(text);
        if (parsed !== undefined) expect(formatSpiffeId(parsed)).toBe(text);
      }),
    );
  });
});

describe('building', () => {
  test('a service id is of a service that exists', () => {
    expect(serviceSpiffeId('td', 'gateway')).toBe('spiffe://td/svc/gateway');
    expect(() => serviceSpiffeId('td', 'gatway')).toThrow(/the services are gateway/);
  });

  test('a principal id maps to its SPIFFE id', () => {
    expect(principalSpiffeId('td', 'user:alice')).toBe('spiffe://td/user/alice');
  });

  test.each(['alice', 'svc:gateway', 'user:', ':alice', 'user:a:b', 'user:Alice', 'user:..'])(
    'refuses %j as a principal',
    (text) => {
      expect(parsePrincipalId(text)).toBeUndefined();
      expect(() => principalSpiffeId('td', text)).toThrow(TypeError);
    },
  );

  test('refuses parts that would not parse', () => {
    expect(() => formatSpiffeId({ trustDomain: 'td', kind: 'user', name: 'a/b' })).toThrow(TypeError);
    expect(() => formatSpiffeId({ trustDomain: '', kind: 'user', name: 'a' })).toThrow(TypeError);
  });
});
