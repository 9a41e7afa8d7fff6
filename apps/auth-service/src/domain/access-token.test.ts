import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isResource, isThumbprint, parseAudience, parseScopes } from './access-token.ts';
import { MAX_AUDIENCES } from './limits.ts';

const ORIGIN = 'https://gw.example.org:8443';

describe('resources', () => {
  it.each([`${ORIGIN}/mcp`, `${ORIGIN}/mcp/everything`, `${ORIGIN}/mcp/a`, `${ORIGIN}/mcp/0_x-y`])(
    '%s is one',
    (text) => {
      expect(isResource(ORIGIN, text)).toBe(true);
    },
  );

  it.each([
    '',
    ORIGIN,
    `${ORIGIN}/`,
    `${ORIGIN}/mcp/`,
    `${ORIGIN}/mcp//a`,
    `${ORIGIN}/mcp/a/`,
    `${ORIGIN}/mcp/a/b`,
    `${ORIGIN}/mcp/A`,
    `${ORIGIN}/mcp/..`,
    `${ORIGIN}/mcp/%61`,
    `${ORIGIN}/mcp?x`,
    `${ORIGIN}/mcp#x`,
    `${ORIGIN}/mcpx`,
    `${ORIGIN}/mcp/${'a'.repeat(64)}`,
    'https://gw.example.org/mcp',
    'http://gw.example.org:8443/mcp',
    'https://gw.example.org:8443.evil.test/mcp',
    'https://evil.test/mcp',
    'HTTPS://gw.example.org:8443/mcp',
    ` ${ORIGIN}/mcp`,
    `${ORIGIN}/mcp\n`,
    '*',
  ])('%j is none', (text) => {
    expect(isResource(ORIGIN, text)).toBe(false);
  });

  it('are taken together only, each once, in the order given', () => {
    const [door, a] = [`${ORIGIN}/mcp`, `${ORIGIN}/mcp/a`];
    expect(parseAudience(ORIGIN, [a, door, a])).toEqual([a, door]);
    expect(parseAudience(ORIGIN, [a, 'https://evil.test/mcp'])).toBeUndefined();
    expect(parseAudience(ORIGIN, [])).toBeUndefined();
    const many = Array.from({ length: MAX_AUDIENCES }, (_, at) => `${a}${at}`);
    expect(parseAudience(ORIGIN, many)).toHaveLength(MAX_AUDIENCES);
    expect(parseAudience(ORIGIN, [...many, a])).toBeUndefined();
  });
});

describe('scopes', () => {
  it.each([
    [[], ['context:read', 'context:call']],
    [['context:call'], ['context:call']],
    [
      ['context:call', 'context:read', 'context:call'],
      ['context:read', 'context:call'],
    ],
  ])('%j are %j', (given, parsed) => {
    expect(parseScopes(given)).toEqual(parsed);
  });

  it.each([
    [['']],
    [['context:*']],
    [['context:read', 'admin']],
    [['context:read context:call']],
    [['openid']],
  ])('%j are none', (given) => {
    expect(parseScopes(given)).toBeUndefined();
  });
});

describe('thumbprints', () => {
  it('are 32 bytes in base64url and nothing else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 0, maxLength: 40 }), (bytes) => {
        expect(isThumbprint(Buffer.from(bytes).toString('base64url'))).toBe(bytes.length === 32);
      }),
    );
  });

  it.each(['', 'A'.repeat(42), `${'A'.repeat(42)}=`, `${'A'.repeat(42)}B`, `${'A'.repeat(43)}=`])(
    'not %j',
    (text) => {
      expect(isThumbprint(text)).toBe(false);
    },
  );
});
