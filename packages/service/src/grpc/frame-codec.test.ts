import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { channelv1, keyv1 } from '@sallyport/proto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeFrame, encodeFrame, isFrameMessage } from './frame-codec.ts';

const { ConnectRequestSchema: schema } = channelv1;

const same = (a: Uint8Array | undefined, b: Uint8Array): boolean =>
  a !== undefined && Buffer.compare(a, b) === 0;

describe('the frame codec agrees with protobuf-es', () => {
  const agrees = (frame: Uint8Array): void => {
    expect(same(fromBinary(schema, encodeFrame(frame)).frame, frame)).toBe(true);
    expect(same(decodeFrame(toBinary(schema, create(schema, { frame })), schema), frame)).toBe(true);
  };

  test.each([0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152])('on a frame of %i bytes', (length) => {
    agrees(new Uint8Array(length).fill(0xa5));
  });

  test('on any frame', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), agrees));
  });

  test('on noise: both read the same or both refuse', () => {
    const general = (bytes: Uint8Array): Uint8Array | undefined => {
      try {
        return fromBinary(schema, bytes).frame;
      } catch {
        return undefined;
      }
    };
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.boolean(), (noise, tagged) => {
        const bytes = tagged ? Uint8Array.of(0x0a, ...noise) : noise;
        expect(decodeFrame(bytes, schema)).toEqual(general(bytes));
      }),
      { numRuns: 2_000 },
    );
  });
});

test.each([
  ['a length beyond the end', [0x0a, 5, 1]],
  ['a length that never ends', [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]],
  ['a tag alone', [0x0a]],
  ['a broken field behind the frame', [0x0a, 1, 7, 0xff]],
])('refuses %s', (_case, bytes) => {
  expect(decodeFrame(Uint8Array.from(bytes), schema)).toBeUndefined();
});

test.each([
  ['nothing: an empty frame', [], []],
  ['a length of more bytes than needed', [0x0a, 0x81, 0x00, 9], [9]],
  ['an unknown field behind the frame', [0x0a, 1, 7, 0x10, 1], [7]],
  ['the frame twice: the last counts', [0x0a, 1, 7, 0x0a, 1, 8], [8]],
])('takes %s', (_case, bytes, frame) => {
  expect(decodeFrame(Uint8Array.from(bytes), schema)).toEqual(Uint8Array.from(frame));
});

test('only messages of one bytes field named frame are frames', () => {
  expect(isFrameMessage(channelv1.ConnectResponseSchema)).toBe(true);
  expect(isFrameMessage(keyv1.SignRequestSchema)).toBe(false);
  expect(isFrameMessage(keyv1.ListKeysRequestSchema)).toBe(false);
});
