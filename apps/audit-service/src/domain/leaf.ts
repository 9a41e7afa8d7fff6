/** What is stored of an event: a leaf of the log and the rows it is found by. */
import type { AuditRecord } from '@sallyport/audit-log';

/** One leaf as the database has it. Its entry follows from producer, sequence and body (`entryOf`). */
export type Leaf = {
  readonly index: number;
  readonly producer: string;
  readonly seq: bigint;
  readonly body: Uint8Array;
  readonly leafHash: Uint8Array;
};

export type NewLeaf = Leaf & { readonly records: readonly AuditRecord[] };

/** A row as the database has it: after somebody changed it there, `phase` and the rest may be anything. */
export type StoredRecord = Omit<AuditRecord, 'phase' | 'decision' | 'outcome'> & {
  readonly phase: string;
  readonly decision: string;
  readonly outcome: string;
};

export type FoundRecord = StoredRecord & {
  readonly leafIndex: number;
  readonly producer: string;
  readonly producerSeq: bigint;
  /** In a query that joins: the leaf with the outcome of this decision. */
  readonly outcomeLeafIndex?: number;
};

/** Where a reader is: the record it saw last. Order is by leaf and item, the order of the log. */
export type Position = { readonly leafIndex: number; readonly item: number };

/** Before every record. */
export const START: Position = { leafIndex: 0, item: -1 };

export type RecordFilter = {
  /** Inclusive. */
  readonly sinceMs?: number;
  /** Exclusive. */
  readonly untilMs?: number;
  readonly principal?: string;
  readonly action?: string;
  readonly outcome?: string;
  readonly destination?: string;
  /** As it is in the log: `boundedTarget` of packages/audit-log. */
  readonly target?: string;
  readonly decision?: string;
  /** Hex. */
  readonly sessionId?: string;
  /** Hex. */
  readonly correlation?: string;
  /** Decisions carry their outcome, `outcome` asks for that one, and outcomes are not listed on their own. */
  readonly joinOutcomes: boolean;
  /**
   * In a query that joins, for `outcome` "unknown": allowed decisions before this that have no outcome count too. Their
   * gateway was killed, or could not record one; nobody knows what became of the message.
   */
  readonly overdueBeforeMs?: number;
};
