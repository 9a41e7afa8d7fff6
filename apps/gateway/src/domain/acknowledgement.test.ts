import { MAX_ACK_RANGES, parseControl, encodeControl, SequenceWindow } from '@sallyport/channel';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { finalThrough } from './acknowledgement.ts';

const isNamed = (ranges: readonly { first: number; count: number }[], sequence: number): boolean =>
  ranges.some(({ first, count }) => sequence >= first && sequence < first + count);

test('nothing is called final that is not, whatever came in whatever order', () => {
  const arrivals = fc.uniqueArray(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(arrivals, fc.array(fc.nat(199), { maxLength: 20 }), (sequences, open) => {
      const window = new SequenceWindow();
      for (const sequence of sequences) if (window.verdict(sequence) === 'fresh') window.accept(sequence);
      const unfinished = open.flatMap((index) => sequences[index] ?? []);
      const received = {
        highest: window.highest,
        lost: window.lost,
        missing: window.missing(MAX_ACK_RANGES),
      };
      const oldest = unfinished.length === 0 ? undefined : Math.min(...unfinished);
      const ack = finalThrough(received, oldest);
      for (let sequence = 1; sequence <= ack.receivedThrough; sequence += 1) {
        const isFinal = sequences.includes(sequence) && !unfinished.includes(sequence);
        expect(isFinal).toBe(!isNamed(ack.missing, sequence));
      }
      // And the other side can read it.
      const control = { kind: 'ack', ...ack, lost: 0, gatewayTimeMs: 1 } as const;
      expect(parseControl(encodeControl(control))).toEqual({ ok: true, control });
    }),
  );
});

test('everything is final when everything came and is done', () => {
  const received = { highest: 9, lost: 0, missing: [{ first: 3, count: 2 }] };
  expect(finalThrough(received, undefined)).toEqual({ receivedThrough: 9, missing: received.missing });
});

test('a bound inside a hole goes back to before the hole', () => {
  const received = { highest: 10, lost: 0, missing: [{ first: 5, count: 3 }] };
  expect(finalThrough(received, 8)).toEqual({ receivedThrough: 4, missing: [] });
});
