/** What the use cases of audit-service need. Each takes the few of these that it uses. */
import type { AuditEvent } from '@sallyport/audit-log';
import type { CommitPlan, Head } from '../domain/plan-commit.ts';
import type { Fence, Promised, Succession, Writer } from '../domain/fence.ts';
import type { FoundRecord, Leaf, Position, RecordFilter, StoredRecord } from '../domain/leaf.ts';

export interface LeafWriter {
  /**
   * One transaction, one writer at a time: reads size and positions, asks `plan`, stores its leaves with their rows.
   * When this resolves they are on disk. Throws `LogShrunk` when the table ends before the checkpoint does.
   */
  commit<P extends CommitPlan>(producers: readonly string[], plan: (head: Head) => P): Promise<P>;
}

/** Leaves that a checkpoint covers are gone from the table: adding to it would bury the evidence. */
export class LogShrunk extends Error {
  override readonly name = 'LogShrunk';
}

export interface LeafReader {
  /** Leaves stored. */
  size(): Promise<number>;
  /** In order, from `from` up to `to` (exclusive), as many as `maxBytes` of bodies allow and at least one, at most `limit`. */
  leaves(range: LeafRange): Promise<readonly Leaf[]>;
  /** Hashes with their indices, in order. */
  hashes(from: number, limit: number): Promise<readonly Pick<Leaf, 'index' | 'leafHash'>[]>;
  /** The last sequence of each producer that has a leaf from `fromLeaf` up to `toLeaf` (exclusive). */
  progress(fromLeaf: number, toLeaf: number): Promise<ReadonlyMap<string, bigint>>;
  /** The last sequence of a producer among the leaves below `belowLeaf`; 0 when it has none there. */
  position(producer: string, belowLeaf: number): Promise<bigint>;
  /** Leaf hashes of a producer's events from `fromSeq` to `toSeq`, both included, by sequence, as far as there are any. */
  hashesOf(producer: string, fromSeq: bigint, toSeq: bigint): Promise<ReadonlyMap<bigint, Uint8Array>>;
}

/** What a log entry is made of, and the leaf hash that was stored with it. */
export type SealedLeaf = Omit<Leaf, 'body'> & { readonly bodyDigest: Uint8Array };

export interface SealReader {
  /** In order, from `from` on, at most `limit`. Bodies stay where they are, however large. */
  sealed(from: number, limit: number): Promise<readonly SealedLeaf[]>;
}

export type LeafRange = {
  readonly from: number;
  readonly to: number;
  readonly limit: number;
  readonly maxBytes: number;
};

export interface RecordReader {
  /**
   * Records after `after`, in the order of the log. A row without its leaf is none. Stops with the signal's reason when
   * it is aborted.
   */
  query(
    filter: RecordFilter,
    after: Position,
    limit: number,
    signal?: AbortSignal,
  ): Promise<readonly FoundRecord[]>;
  /** All rows of these leaves, in order. */
  ofLeaves(indices: readonly number[]): Promise<ReadonlyMap<number, readonly StoredRecord[]>>;
  /** Bytes of the bodies. Leaves that are not there are left out. */
  bodySizes(indices: readonly number[]): Promise<ReadonlyMap<number, number>>;
  bodies(indices: readonly number[]): Promise<ReadonlyMap<number, Uint8Array>>;
}

/** The last checkpoint, kept where the folder's owner does not write. */
export type SavedCheckpoint = {
  readonly size: number;
  /** The signed note. */
  readonly note: Uint8Array;
  /** C2SP signed-note verifier key of who signed it. */
  readonly verifierKey: string;
};

/** Of one moment. */
export type LogState = {
  /** Stored. */
  readonly leaves: number;
  readonly saved?: SavedCheckpoint;
  /** None before the first writer. */
  readonly fence?: Fence;
};

export interface CheckpointReader {
  saved(): Promise<SavedCheckpoint | undefined>;
  state(): Promise<LogState>;
}

/**
 * The writing side of checkpoints: each method is one atomic step that is done, or refused because another replica is the
 * writer now (docs/adr/0045, domain/fence.ts). None leaves anything open while the process is paused.
 */
export interface CheckpointFence {
  /** Makes `holder` the writer, unless anything happened since `seen`; undefined then, else the new term. */
  take(holder: string, seen: Fence | undefined): Promise<bigint | undefined>;
  beat(writer: Writer): Promise<boolean>;
  /** Before signing. False also when a larger checkpoint is saved. */
  promise(writer: Writer, succession: Succession): Promise<boolean>;
  /** Saves the note of what this writer promised last. */
  save(writer: Writer, promised: Promised, checkpoint: SavedCheckpoint): Promise<boolean>;
  /** The writer gives up: anyone may take over at once. */
  release(writer: Writer): Promise<void>;
}

/** How far the log folder of each replica is, kept where the folder's owner does not write. */
export interface FolderStore {
  /** Leaves under the last checkpoint that the replica's folder had; 0 while it is being built, undefined before. */
  folderSize(replica: string): Promise<number | undefined>;
  noteFolder(replica: string, size: number): Promise<void>;
}

/** The log's signing key as it is now, and those that signed before it. */
export type SigningKeys = {
  /** Raw Ed25519. */
  readonly active: Uint8Array;
  readonly earlier: readonly Uint8Array[];
  /** 64 bytes. Throws `SallyportError` when another key has become active. */
  sign(message: Uint8Array): Promise<Uint8Array>;
};

/** Asks key-service. Throws `SallyportError`. */
export type ReadSigningKeys = () => Promise<SigningKeys>;

/** Resolves when the event is on disk in this service's own spool. */
export type Record = (event: AuditEvent) => Promise<void>;

/** Tells a producer that all through `throughSeq` is committed and under a signed checkpoint. */
export type Acknowledge = (producer: string, throughSeq: bigint, checkpointSize: number) => Promise<void>;

/** Resolves after `ms`, or at once when aborted. Never rejects. */
export type Sleep = (ms: number, signal: AbortSignal) => Promise<void>;
