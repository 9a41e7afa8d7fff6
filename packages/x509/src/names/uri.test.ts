import { describe, expect, test } from 'vitest';
import { comparableUri, isUriWithin, uriHost, uriSubtree } from './uri.ts';

describe('hosts of URIs', () => {
  test.each([
    ['https://example.com', 'example.com'],
    ['https://EXAMPLE.com/', 'example.com'],
    ['https://user:secret@example.com:8443/a?b#c', 'example.com'],
    ['spiffe://example.com/svc/a', 'example.com'],
    ['ldap://example.com?x', 'example.com'],
    ['https://example.com#@evil.example', 'example.com'],
    ['https://example.com:/', 'example.com'],
  ])('%s', (text, expected) => {
    expect(uriHost(text)).toBe(expected);
  });

  test.each([
    [''],
    ['example.com'],
    ['/a'],
    ['//example.com'],
    ['mailto:a@example.com'],
    ['urn:uuid:1'],
    ['https:///a'],
    ['https://'],
    ['https://192.0.2.1/'],
    ['https://[::1]/'],
    ['https://a@b@example.com/'],
    ['https://example.com:8x/'],
    ['https://exa%6dple.com/'],
    ['https://example.com\\@evil.example/'],
    ['https://exa mple.com/'],
    ['https://bücher.example/'],
    ['https://.example.com/'],
    ['https://example.com./'],
    ['https://*.example.com/'],
    ['1https://example.com'],
    ['https://@/'],
    ['https://:80/'],
    ['https://example.com/%zz'],
  ])('%j has none', (text) => {
    expect(uriHost(text)).toBeUndefined();
  });
});

describe('URI subtrees (RFC 5280 section 4.2.1.10)', () => {
  test.each([
    ['host.example.com', 'host.example.com', true],
    ['HOST.example.com', 'host.example.com', true],
    ['host.example.com', 'a.host.example.com', false],
    ['.example.com', 'host.example.com', true],
    ['.example.com', 'my.host.example.com', true],
    ['.example.com', 'example.com', false],
    ['.example.com', 'hostexample.com', false],
    ['', 'example.com', true],
  ])('%s and %s: %s', (base, host, expected) => {
    const subtree = uriSubtree(base);
    expect(subtree !== undefined && isUriWithin(host, subtree)).toBe(expected);
  });

  test.each([
    ['https://example.com'],
    ['192.0.2.1'],
    ['.'],
    ['*.example.com'],
    ['example.com.'],
    ['example.com:80'],
    ['a@example.com'],
  ])('%j is none', (base) => {
    expect(uriSubtree(base)).toBeUndefined();
  });
});

describe('URIs compared (RFC 5280 section 7.4)', () => {
  test.each([
    ['HTTPS://EXAMPLE.com/A', 'https://example.com/A', true],
    ['https://example.com/A', 'https://example.com/a', false],
    ['https://User@example.com/', 'https://user@example.com/', false],
    ['https://example.com', 'https://example.com/', false],
    ['URN:a:B', 'urn:a:B', true],
    ['urn:a:B', 'urn:a:b', false],
  ])('%s and %s: %s', (a, b, expected) => {
    expect(comparableUri(a) === comparableUri(b)).toBe(expected);
  });
  test.each([['no scheme'], ['a b:c'], [''], ['https://a b/']])('%j is none', (text) => {
    expect(comparableUri(text)).toBeUndefined();
  });
});
