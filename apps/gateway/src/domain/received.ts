import type { SequenceRange } from '@sallyport/channel';

/** What an acknowledgement tells the client about what has arrived. */
export type ReceivedState = {
  /** The highest sequence accepted. */
  readonly highest: number;
  /** Sequences that can no longer arrive. */
  readonly lost: number;
  /** Below `highest` and not yet here, ascending, at most 32 ranges. */
  readonly missing: readonly SequenceRange[];
};
