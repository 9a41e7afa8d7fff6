import { describe, expect, test } from 'vitest';
import {
  dnsMatches,
  fullHostName,
  hostName,
  internationalHostName,
  isInDomain,
  presentedDns,
} from './dns.ts';

const long = 'a'.repeat(63);

describe('host names', () => {
  test.each([
    ['example.com', 'example.com'],
    ['EXAMPLE.com', 'example.com'],
    ['localhost', 'localhost'],
    ['a_b.example', 'a_b.example'],
    ['_dmarc.example', '_dmarc.example'],
    ['xn--bcher-kva.example', 'xn--bcher-kva.example'],
    [`${long}.example`, `${long}.example`],
    ['1.2.3.4', '1.2.3.4'],
  ])('%s', (text, expected) => {
    expect(hostName(text)).toBe(expected);
  });

  test.each([
    [''],
    ['.'],
    ['.example.com'],
    ['example.com.'],
    ['a..b'],
    ['*.example.com'],
    ['a b'],
    ['-a.example'],
    ['a-.example'],
    ['bücher.example'],
    ['a\0.example'],
    [`${long}a.example`],
    [`${long}.${long}.${long}.${long}`],
    ['a/b'],
    ['[::1]'],
    ['a:1'],
  ])('%j is none', (text) => {
    expect(hostName(text)).toBeUndefined();
  });

  test.each([['1.2.3.4'], ['example.1'], ['0x7f.0x1'], ['127.0.0.0x']])(
    '%s might be read as an address',
    (text) => {
      expect(fullHostName(text)).toBeUndefined();
    },
  );

  test.each([
    ['bücher.example', 'xn--bcher-kva.example'],
    ['Bücher.Example', 'xn--bcher-kva.example'],
    ['example.com', 'example.com'],
    ['\uff0a.example', undefined], // a full-width asterisk
    ['bücher..example', undefined],
  ])('%s with A-labels is %s', (text, expected) => {
    expect(internationalHostName(text)).toBe(expected);
  });
});

describe('what a dNSName covers (RFC 9525 section 6.3)', () => {
  test.each([
    ['example.com', 'example.com', true],
    ['EXAMPLE.com', 'example.com', true],
    ['example.com', 'www.example.com', false],
    ['www.example.com', 'example.com', false],
    ['*.example.com', 'www.example.com', true],
    ['*.example.com', 'xn--bcher-kva.example.com', true],
    ['*.example.com', 'a.www.example.com', false],
    ['*.example.com', 'example.com', false],
    ['*.example.com', 'wwwexample.com', false],
    ['*.localhost', 'localhost', false],
  ])('%s and %s: %s', (value, expected, matches) => {
    const presented = presentedDns(value);
    expect(presented !== undefined && dnsMatches(presented, expected)).toBe(matches);
  });

  test.each([
    ['*'],
    ['*.'],
    ['w*.example.com'],
    ['*w.example.com'],
    ['www.*.com'],
    ['*.*.com'],
    ['xn--*-1b3c148a.example.com'],
    ['.example.com'],
    ['example.com.'],
    [''],
  ])('%j covers nothing', (value) => {
    expect(presentedDns(value)).toBeUndefined();
  });
});

describe('domains (RFC 5280 section 4.2.1.10)', () => {
  test.each([
    ['example.com', 'example.com', true],
    ['www.example.com', 'example.com', true],
    ['notexample.com', 'example.com', false],
    ['com', 'example.com', false],
    ['example.com', '', true],
  ])('%s in %s: %s', (name, base, expected) => {
    expect(isInDomain(name, base)).toBe(expected);
  });
});
