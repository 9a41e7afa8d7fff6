import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { UsageError } from './exit.ts';
import { enumLabel, parseHex, parseInteger, parseTime, timeText } from './format.ts';

const now = Date.UTC(2026, 0, 31, 12);

describe('parseTime', () => {
  const accepted: readonly [string, string][] = [
    ['0s', '2026-01-31T12:00:00.000Z'],
    ['30s', '2026-01-31T11:59:30.000Z'],
    ['5m', '2026-01-31T11:55:00.000Z'],
    ['2h', '2026-01-31T10:00:00.000Z'],
    ['1d', '2026-01-30T12:00:00.000Z'],
    ['2026-01-02', '2026-01-02T00:00:00.000Z'],
    ['2026-01-02T03:04:05Z', '2026-01-02T03:04:05.000Z'],
    ['2026-01-02T03:04:05.678+02:00', '2026-01-02T01:04:05.678Z'],
  ];
  test.each(accepted)('%s', (text, expected) => expect(parseTime(text, now).toISOString()).toBe(expected));

  const refused = [
    '',
    '5',
    'm',
    '-5m',
    '5 m',
    '5w',
    '1.5h',
    'yesterday',
    '1234567s',
    '01/02/2026',
    '2026-13-01',
    '2026-1-2',
    '5m ',
  ];
  test.each(refused)('"%s" is refused, with forms that work', (text) => {
    expect(() => parseTime(text, now)).toThrow(UsageError);
    expect(() => parseTime(text, now)).toThrow(/5m.*2026/);
  });
});

describe('parseHex', () => {
  test('reads either case', () => expect(parseHex('00fFAb', 3, 'id')).toEqual(Uint8Array.of(0, 255, 171)));
  const refused = ['', '00ff', '00ffab00', '00ffag', '0x00ff', '00 ffa', 'zz00ff'];
  test.each(refused)('"%s" is refused by name and length', (text) => {
    expect(() => parseHex(text, 3, 'session id')).toThrow(UsageError);
    expect(() => parseHex(text, 3, 'session id')).toThrow(/session id.*6 hexadecimal/);
  });

  test('any bytes come back from their hex', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 32 }), (bytes) => {
        expect(parseHex(Buffer.from(bytes).toString('hex'), bytes.length, 'id')).toEqual(bytes);
      }),
    );
  });
});

describe('parseInteger', () => {
  test.each([
    ['1', 1],
    ['10', 10],
    ['007', 7],
  ])('%s', (text, value) => expect(parseInteger(text, 1, 10, '--limit')).toBe(value));
  test.each(['', '0', '11', '-1', '1.5', '1e1', '0x1', ' 1', 'NaN', 'Infinity', '٣'])(
    '"%s" is refused with the range',
    (text) => {
      expect(() => parseInteger(text, 1, 10, '--limit')).toThrow(UsageError);
      expect(() => parseInteger(text, 1, 10, '--limit')).toThrow(/--limit.*from 1 to 10/);
    },
  );
});

test('timeText is RFC 3339 in UTC, or nothing', () => {
  expect(timeText(timestampFromMs(now))).toBe('2026-01-31T12:00:00.000Z');
  expect(timeText(undefined)).toBeUndefined();
});

describe('enumLabel', () => {
  const names = { PRE_ACTIVE: 1, ACTIVE: 2 };
  test.each([
    [1, 'pre active'],
    [2, 'active'],
    [9, 'unknown 9'],
  ])('%i', (value, label) => expect(enumLabel(names, value)).toBe(label));
});
