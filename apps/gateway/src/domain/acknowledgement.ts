/**
 * What may be called final (docs/protocol.md section 8.3): every sequence up to `receivedThrough` is, but for the ranges
 * named as missing. Pure.
 */
import { MAX_ACK_RANGES, type SequenceRange } from '@sallyport/channel';
import type { ReceivedState } from './received.ts';

export type Final = { readonly receivedThrough: number; readonly missing: readonly SequenceRange[] };

/** `oldestUnfinished`: the lowest sequence that was accepted and is not final yet. */
export function finalThrough(received: ReceivedState, oldestUnfinished: number | undefined): Final {
  const { highest, missing } = received;
  let through = Math.min(highest, (oldestUnfinished ?? Infinity) - 1);
  // A full list may have been cut off: nothing above its end can be vouched for.
  const last = missing.at(-1);
  if (last !== undefined && missing.length >= MAX_ACK_RANGES) {
    through = Math.min(through, last.first + last.count);
  }
  const named: SequenceRange[] = [];
  for (const range of missing) {
    const end = range.first + range.count;
    if (end <= through) named.push(range);
    // A bound that falls into a hole, or right before its end, goes back to where the hole begins.
    else if (range.first <= through) through = range.first - 1;
  }
  return { receivedThrough: through, missing: named };
}
