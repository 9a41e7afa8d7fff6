import { describe, expect, test } from 'vitest';
import { parseSpiffeId } from './spiffe-id.ts';

describe('SPIFFE ids', () => {
  test.each([
    ['spiffe://example.com', { trustDomain: 'example.com', path: '' }],
    ['spiffe://example.com/svc/a', { trustDomain: 'example.com', path: '/svc/a' }],
    ['spiffe://a_b-1/A.b', { trustDomain: 'a_b-1', path: '/A.b' }],
  ])('%s', (text, expected) => {
    expect(parseSpiffeId(text)).toEqual(expected);
  });

  test.each([
    [''],
    ['spiffe://'],
    ['spiffe:///a'],
    ['SPIFFE://example.com/a'],
    ['spiffe://Example.com/a'],
    ['https://example.com/a'],
    ['spiffe://example.com/'],
    ['spiffe://example.com/a/'],
    ['spiffe://example.com//a'],
    ['spiffe://example.com/./a'],
    ['spiffe://example.com/../a'],
    ['spiffe://example.com:443/a'],
    ['spiffe://user@example.com/a'],
    ['spiffe://example.com/a?b'],
    ['spiffe://example.com/a#b'],
    ['spiffe://example.com/%61'],
    ['spiffe://example.com/ä'],
    ['spiffe://example.com/a b'],
    [`spiffe://example.com/${'a'.repeat(2048)}`],
    ['spiffe://example.com/a\n'],
  ])('%j is none', (text) => {
    expect(parseSpiffeId(text)).toBeUndefined();
  });
});
