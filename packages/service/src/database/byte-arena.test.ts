import fc from 'fast-check';
import { expect, test } from 'vitest';
import { packRows, unpackRows } from './byte-arena.ts';

const value = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.string(),
  fc.bigInt(),
  fc.constant(null),
  fc.record({ offset: fc.nat(), length: fc.nat() }),
);

test('rows come back as they were, after a structured clone with transfer', () => {
  fc.assert(
    fc.property(fc.array(fc.array(value, { maxLength: 6 }), { maxLength: 20 }), (rows) => {
      const packed = packRows(rows);
      const moved = structuredClone(packed, { transfer: [packed.arena, packed.places.buffer] });
      expect(unpackRows(moved)).toEqual(rows);
    }),
  );
});

test('a view into a large buffer sends only its own bytes, and the sender keeps them', () => {
  const large = new Uint8Array(8192).fill(7);
  const packed = packRows([[large.subarray(0, 2)]]);
  expect(packed.arena.byteLength).toBe(2);
  structuredClone(packed, { transfer: [packed.arena] });
  expect(large[0]).toBe(7);
});

test('unpacked values share no buffer', () => {
  const [row] = unpackRows(packRows([[Uint8Array.of(1), Uint8Array.of(2)]]));
  const [first, second] = row ?? [];
  expect(first instanceof Uint8Array && second instanceof Uint8Array && first.buffer !== second.buffer).toBe(
    true,
  );
});
