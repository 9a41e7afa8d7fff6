import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isResource, normalisedRequest } from './scopes.ts';

const ISSUER = 'https://gw.example.org:8443';

test('a resource is the door or one route of it, to the letter', () => {
  expect(isResource(ISSUER, `${ISSUER}/mcp`)).toBe(true);
  fc.assert(
    fc.property(fc.string(), (tail) => {
      const route = /^\/[a-z0-9][a-z0-9_-]{0,62}$/u;
      expect(isResource(ISSUER, `${ISSUER}/mcp${tail}`)).toBe(tail === '' || route.test(tail));
      expect(isResource(ISSUER, `${tail}${ISSUER}/mcp`)).toBe(tail === '');
    }),
  );
});

describe('a request is read as', () => {
  const rows: readonly (readonly [string, string, string | null])[] = [
    ['', 'context:read context:call', null],
    ['scope=openid+profile+email', 'context:read context:call', null],
    ['scope=context:read', 'context:read', null],
    ['scope=context:call+context:read+admin', 'context:read context:call', null],
    ['scope=offline_access', 'context:read context:call offline_access', 'consent'],
    ['scope=context:read+offline_access&prompt=login', 'context:read offline_access', 'login consent'],
    ['scope=context:read+offline_access&prompt=consent', 'context:read offline_access', 'consent'],
    ['scope=context:read+offline_access&prompt=none', 'context:read offline_access', 'none'],
  ];
  test.each(rows)('%s: %s, prompt %s', (query, scope, prompt) => {
    const read = normalisedRequest(new URLSearchParams(query));
    expect([read?.get('scope'), read?.get('prompt')]).toEqual([scope, prompt]);
  });

  test.each(['scope=a&scope=b', 'prompt=none&prompt=login'])(
    '%s: left for the provider to refuse',
    (query) => {
      expect(normalisedRequest(new URLSearchParams(query))).toBeUndefined();
    },
  );

  test('nothing else is touched', () => {
    const others = fc.dictionary(
      fc.string().filter((name) => !['scope', 'prompt', '__proto__'].includes(name)),
      fc.string(),
    );
    fc.assert(
      fc.property(others, (parameters) => {
        const read = normalisedRequest(new URLSearchParams(parameters));
        for (const [name, value] of Object.entries(parameters)) expect(read?.get(name)).toBe(value);
      }),
    );
  });
});
