/**
 * What the database keeps so that one replica at a time writes checkpoints, and none of them contradicts another
 * (docs/adr/0045). Pure: the rules that every store applies in one atomic step.
 *
 * Invariants: a term has one holder; promises grow; whoever promises has seen the promise before it. So all that was
 * ever promised is one chain, and what is signed was promised first.
 */
import { constantTimeEqual } from '@sallyport/crypto';

/** A tree that may be signed, whether or not a note of it is stored anywhere. */
export type Promised = { readonly size: number; readonly root: Uint8Array };

export type Fence = {
  /** Counts the writers there have been. */
  readonly term: bigint;
  /** The replica that writes; '' when it gave up. */
  readonly holder: string;
  /** Rises with whatever the holder does: who sees it stand still while there is work sees a holder that is gone. */
  readonly beat: bigint;
  readonly promised?: Promised;
};

/** Who claims to write. */
export type Writer = { readonly term: bigint; readonly holder: string };

export type Succession = {
  /** The last promise, as its successor knows it. */
  readonly after: Promised | undefined;
  readonly next: Promised;
};

/** The fence of the next term, unless anything happened since `seen`. */
export function taken(fence: Fence | undefined, holder: string, seen: Fence | undefined): Fence | undefined {
  if (fence === undefined) return seen === undefined ? { term: 1n, holder, beat: 1n } : undefined;
  if (fence.term !== seen?.term || fence.beat !== seen.beat) return undefined;
  return { ...fence, term: fence.term + 1n, holder, beat: fence.beat + 1n };
}

/** The fence after the holder did something; undefined for who is not, or no longer, the holder. */
export function beaten(fence: Fence | undefined, { term, holder }: Writer): Fence | undefined {
  if (fence?.term !== term || fence.holder !== holder) return undefined;
  return { ...fence, beat: fence.beat + 1n };
}

/** With the next promise, unless it is not the holder's, not made after the last one, or smaller than it. */
export function promisedAfter(
  fence: Fence | undefined,
  writer: Writer,
  { after, next }: Succession,
): Fence | undefined {
  const beat = beaten(fence, writer);
  if (beat === undefined || !isSame(beat.promised, after)) return undefined;
  const isForward = after === undefined || after.size < next.size || isSame(after, next);
  return isForward ? { ...beat, promised: next } : undefined;
}

export function isSame(a: Promised | undefined, b: Promised | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.size === b.size && constantTimeEqual(a.root, b.root);
}
