import { describe, expect, test } from 'vitest';
import { UsageError } from '../exit.ts';
import { beginningAnywhere, parseGateways } from './gateways.ts';

test('several addresses, with or without blanks', () => {
  expect(parseGateways('localhost:8444, 127.0.0.1:1,[::1]:65535')).toEqual([
    'localhost:8444',
    '127.0.0.1:1',
    '[::1]:65535',
  ]);
});

describe('refused', () => {
  test.each([
    '',
    'localhost',
    'localhost:0',
    'localhost:65536',
    'a:1,',
    'https://a:1',
    'a b:1',
    '::1:5',
    'a:1;b:2',
  ])('"%s"', (text) => {
    expect(() => parseGateways(text)).toThrow(UsageError);
  });
});

test('every address stays, whichever comes first', () => {
  expect(beginningAnywhere(['a', 'b', 'c'], 1)).toEqual(['b', 'c', 'a']);
  for (let round = 0; round < 20; round += 1)
    expect(beginningAnywhere(['a', 'b', 'c']).toSorted()).toEqual(['a', 'b', 'c']);
});
