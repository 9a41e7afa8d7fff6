/** What producers see of the spool. */

export interface AppendOptions {
  /**
   * May use the reserve that ordinary appends may not touch: for what must follow something already recorded (the
   * outcome of a decision), so that a full spool refuses new work and not the end of old work.
   */
  readonly useReserve?: boolean;
}

export interface SpoolRange {
  /** Sequence of the first body; of the next append when there is none. */
  readonly firstSeq: bigint;
  readonly bodies: readonly Uint8Array[];
}

export interface Spool {
  /** Names this spool's sequence for ever: SPIFFE id and instance. */
  readonly producer: string;
  /** The lowest sequence that can still be read: acknowledged + 1. */
  readonly floor: bigint;
  /** The highest durable sequence; floor − 1 when there is nothing to send. */
  readonly head: bigint;
  /** Bytes of records not yet acknowledged, those being written included. */
  readonly depthBytes: number;
  /** True when an ordinary append of one byte would be refused with `spool_full`. */
  readonly full: boolean;
  /**
   * Resolves when the record is durable (as after fdatasync), with its sequence. The body is 1 byte to 1 MiB and must not
   * change until then. Rejects with AuditLogError: `spool_full` (nothing written), `spool_write_failed` (not known to
   * be durable: it may or may not be found after a restart), `too_large`, `spool_closed`.
   */
  append(body: Uint8Array, options?: AppendOptions): Promise<{ readonly seq: bigint }>;
  /**
   * Durable records from `from` on (raised to `floor`), at most `maxBytes` of bodies but at least one if there is one.
   * Throws `spool_corrupt` when a record no longer is what was written.
   */
  read(from: bigint, maxBytes: number): Promise<SpoolRange>;
  /** Everything up to and including `throughSeq` is safe elsewhere. Resolves when that is persisted. Idempotent. */
  acknowledge(throughSeq: bigint): Promise<void>;
  /** Called after each group of appends became durable. */
  onAppended(listener: () => void): Disposable;
  /** Waits for appends under way, then closes. Later calls reject with `spool_closed`. */
  close(): Promise<void>;
}

/** The file operations the spool needs; tests put failing ones in. All paths are absolute. */
export interface SpoolFs {
  /** Makes a folder with mode 0700, and its parents; their names are durable when it resolves. */
  makeDirectory(path: string): Promise<void>;
  list(path: string): Promise<readonly string[]>;
  readFile(path: string): Promise<Uint8Array | undefined>;
  /** Creates or empties a file, mode 0600. */
  create(path: string): Promise<SpoolFile>;
  /** Reads `length` bytes at `offset`; fewer at the end of the file. */
  readAt(path: string, offset: number, length: number): Promise<Uint8Array>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** fsync of the folder: makes names durable. */
  syncDirectory(path: string): Promise<void>;
}

export interface SpoolFile {
  /**
   * Writes all bytes at `offset` and resolves when they are durable, and the file's length where they made it longer, as
   * after fdatasync. Rejects otherwise; then any part of them may be there.
   */
  write(bytes: Uint8Array, offset: number): Promise<void>;
  close(): Promise<void>;
}
