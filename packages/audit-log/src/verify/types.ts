/** What the verifier reads and what it says. */
import type { AuditRecord } from '../event/record.ts';
import type { Checkpoint } from '../log/types.ts';

/** One leaf as a store has it. Nothing in it is trusted. */
export interface LogLeaf {
  readonly index: number;
  readonly producer: string;
  readonly seq: bigint;
  readonly body: Uint8Array;
  /** The leaf hash as the database has it, where it has one. */
  readonly leafHash?: Uint8Array;
  /** The query rows as the database has them, by `item`; absent when the source has no rows (an archive). */
  readonly records?: readonly AuditRecord[];
}

/** Where the log is read from: gRPC, a folder, a database. */
export interface LogSource {
  /** The signed note; undefined when there is none. */
  checkpoint(): Promise<Uint8Array | undefined>;
  /** A hash tile or entry bundle by its C2SP path; undefined when there is none. */
  tile(path: string): Promise<Uint8Array | undefined>;
  /** Leaves from `from` on, in order, until the store ends. May end early; the verifier asks for no more than it needs. */
  leaves(from: number): AsyncIterable<LogLeaf>;
}

export type FindingKind =
  'checkpoint' | 'consistency' | 'leaf' | 'body' | 'row' | 'entry_bundle' | 'hash_tile' | 'sequence';

export interface VerifyFinding {
  readonly kind: FindingKind;
  /** The place: "leaf 17 (spiffe://…/svc/gateway#1, seq 12), item 3, column decision"; "tile/0/000 byte 544 (hash 17)". */
  readonly where: string;
  /** What does not fit with what. */
  readonly what: string;
  /** What it means and what to do. */
  readonly next: string;
  readonly leafIndex?: number;
  readonly producer?: string;
  readonly seq?: bigint;
  readonly item?: number;
  readonly column?: string;
  readonly tile?: string;
  /** Byte offset in the tile. */
  readonly offset?: number;
  /** Hash or entry number in the tile. */
  readonly position?: number;
  /** Line of the checkpoint, from 1. */
  readonly line?: number;
  /** The other checkpoint, as it was given, that this one contradicts. */
  readonly contradicts?: Checkpoint;
}

export interface ProducerRange {
  readonly producer: string;
  readonly firstSeq: bigint;
  readonly lastSeq: bigint;
}

export interface VerifyReport {
  /** No findings. */
  readonly ok: boolean;
  /** Of the checkpoint, when its signature holds: remember it and pass it as `previous` next time. */
  readonly checkpoint?: Checkpoint;
  /** Leaves read and checked. */
  readonly leaves: number;
  /** Leaves stored after the checkpoint: not covered yet, which is normal for a moment. */
  readonly pending: number;
  readonly producers: readonly ProducerRange[];
  /** Lost ranges that the log itself records. */
  readonly recordedGaps: readonly ProducerRange[];
  /** At most `maxFindings`. */
  readonly findings: readonly VerifyFinding[];
  /** All that were found. */
  readonly findingCount: number;
}
