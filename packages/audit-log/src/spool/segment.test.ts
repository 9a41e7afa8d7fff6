import { concatBytes, utf8 } from '@sallyport/crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodePosition, parsePosition } from './position.ts';
import { encodeGroup, encodeHeader, parseHeader, parseRecord, scanRecords } from './segment.ts';

const PRODUCER = 'spiffe://sallyport.local/svc/gateway#1';
const header = encodeHeader(PRODUCER, 7n);
const first = encodeGroup(7n, [utf8('one'), utf8('two')]);
const second = encodeGroup(9n, [utf8('three')]);
const segment = concatBytes(header, first, second);

describe('segment header', () => {
  it('comes back as written', () => {
    expect(parseHeader(segment)).toEqual({ producer: PRODUCER, firstSeq: 7n, length: header.length });
  });

  it.each([...header.keys()])('is refused with byte %i changed', (i) => {
    expect(parseHeader(flip(header, i))).toBeUndefined();
  });

  it.each([...header.keys()])('is refused when cut to %i bytes', (length) => {
    expect(parseHeader(header.subarray(0, length))).toBeUndefined();
  });
});

describe('segment records', () => {
  it('are found with their offsets', () => {
    const scan = scanRecords(segment, header.length, 7n);
    expect(scan).toEqual({
      offsets: [header.length, header.length + 19, header.length + 38],
      end: segment.length,
      rest: 'none',
    });
  });

  it.each([...first.keys()])(
    'damage at byte %i of a group is told apart from a torn tail by the group after it',
    (i) => {
      expect(scanRecords(flip(segment, header.length + i), header.length, 7n).rest).toBe('damaged');
    },
  );

  it.each([...second.keys()])('damage at byte %i of the last group is a torn tail', (i) => {
    const scan = scanRecords(flip(segment, header.length + first.length + i), header.length, 7n);
    expect(scan).toMatchObject({ end: header.length + first.length, rest: 'torn' });
  });

  it.each([1, 15, 16, 5_000])('end where %i zeros follow', (zeros) => {
    const scan = scanRecords(concatBytes(segment, new Uint8Array(zeros)), header.length, 7n);
    expect(scan).toMatchObject({ end: segment.length, rest: 'none' });
    expect(scan.offsets).toHaveLength(3);
  });

  it('with a hole of zeros before a later group are damaged', () => {
    const holed = concatBytes(header, new Uint8Array(first.length), second, new Uint8Array(100));
    expect(scanRecords(holed, header.length, 7n)).toEqual({
      offsets: [],
      end: header.length,
      rest: 'damaged',
    });
  });

  it('of a group may be followed by zeros in one write', () => {
    expect(encodeGroup(9n, [utf8('three')], 50)).toEqual(
      concatBytes(second, new Uint8Array(50 - second.length)),
    );
  });

  it('with the wrong sequence are not taken', () => {
    expect(scanRecords(segment, header.length, 8n).offsets).toEqual([]);
  });

  it('property: parsers are total on noise', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => {
        parseHeader(noise);
        expect(parsePosition(noise)).toBeUndefined();
        expect(parseRecord(noise, 0)).toBeUndefined();
        expect(scanRecords(noise, 0, 1n).offsets).toEqual([]);
      }),
    );
  });
});

describe('position', () => {
  const position = { producer: PRODUCER, acknowledged: 5n, head: 9n };

  it('comes back as written', () => {
    expect(parsePosition(encodePosition(position))).toEqual(position);
  });

  it('with more acknowledged than durable is refused', () => {
    expect(parsePosition(encodePosition({ ...position, acknowledged: 10n }))).toBeUndefined();
  });

  it.each([...encodePosition(position).keys()])('is refused with byte %i changed', (i) => {
    expect(parsePosition(flip(encodePosition(position), i))).toBeUndefined();
  });
});

function flip(bytes: Uint8Array, i: number): Uint8Array {
  const copy = bytes.slice();
  copy[i] = (copy[i] ?? 0) ^ 0x41;
  return copy;
}
