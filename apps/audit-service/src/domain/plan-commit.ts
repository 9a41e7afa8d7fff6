/**
 * Which events of which batches become which leaves. Pure: the store runs it inside its transaction, on what it read
 * there.
 *
 * Invariants: leaf indices have no gaps; a producer's sequence is strictly contiguous but for what `lostThrough` says;
 * what was committed before is dropped, whoever sends it again.
 */
import { entryOf, recordsOfBody } from '@sallyport/audit-log';
import { leafHash } from '@sallyport/crypto';
import type { Batch } from './batch.ts';
import type { NewLeaf } from './leaf.ts';

/** What the log has, in the transaction that extends it. */
export type Head = {
  readonly size: number;
  /** Last committed sequence by producer; none for one that was never heard. */
  readonly positions: ReadonlyMap<string, bigint>;
};

export type Offer = {
  readonly batch: Batch;
  /** The log itself says that what is missing up to here is lost. */
  readonly lostThrough?: bigint;
};

export type Taken =
  /** All of it from `fromSeq` on; what is before that was there already. */
  | { readonly kind: 'committed'; readonly fromSeq: bigint; readonly throughSeq: bigint }
  /** All of it was there already. */
  | { readonly kind: 'duplicate'; readonly throughSeq: bigint }
  /** What is between `from` and `to` was never received; nothing was taken. */
  | { readonly kind: 'ahead'; readonly from: bigint; readonly to: bigint };

export type CommitPlan = {
  readonly leaves: readonly NewLeaf[];
  /** One for each offer, in its place. */
  readonly taken: readonly Taken[];
};

export function planCommit(head: Head, offers: readonly Offer[]): CommitPlan {
  const positions = new Map(head.positions);
  const leaves: NewLeaf[] = [];
  const taken: Taken[] = offers.map(() => NOTHING);
  // Batches of a producer that overtook each other on the way are put in order first.
  const order = offers.map((offer, at) => ({ ...offer, at }));
  order.sort((a, b) => Number(a.batch.firstSeq - b.batch.firstSeq) || a.at - b.at);
  for (const { batch, lostThrough = 0n, at } of order) {
    const { producer, firstSeq, lastSeq } = batch;
    const through = positions.get(producer) ?? 0n;
    if (lastSeq <= through) {
      taken[at] = { kind: 'duplicate', throughSeq: through };
      continue;
    }
    const next = through + 1n;
    if (firstSeq > next && lostThrough < firstSeq - 1n) {
      taken[at] = { kind: 'ahead', from: next, to: firstSeq - 1n };
      continue;
    }
    const fromSeq = firstSeq > next ? firstSeq : next;
    for (let seq = fromSeq; seq <= lastSeq; seq++) {
      const body = batch.bodies[Number(seq - firstSeq)];
      if (body !== undefined) leaves.push(newLeaf(head.size + leaves.length, producer, seq, body));
    }
    positions.set(producer, lastSeq);
    taken[at] = { kind: 'committed', fromSeq, throughSeq: lastSeq };
  }
  return { leaves, taken };
}

const NOTHING: Taken = { kind: 'duplicate', throughSeq: 0n };

function newLeaf(index: number, producer: string, seq: bigint, body: Uint8Array): NewLeaf {
  return {
    index,
    producer,
    seq,
    body,
    leafHash: leafHash(entryOf({ producer, seq, body })),
    records: recordsOfBody(body),
  };
}
