/** Ports of the log. */

/**
 * Where tiles and the checkpoint are kept, by their C2SP tlog-tiles path ("tile/0/x001/234.p/5", "checkpoint").
 * Every write is atomic and durable when it resolves: a reader sees the old bytes or the new ones.
 */
export interface TileStore {
  read(path: string): Promise<Uint8Array | undefined>;
  /** Writes what never changes. The same bytes again are fine; other bytes throw AuditLogError `tile_conflict`. */
  create(path: string, bytes: Uint8Array): Promise<void>;
  /** Writes the checkpoint, or repairs a tile. */
  replace(path: string, bytes: Uint8Array): Promise<void>;
  /** Removes a partial tile that a wider one replaced. Nothing there is fine. */
  remove(path: string): Promise<void>;
}

/** Signs notes as `name`; key-service holds the key. */
export interface NoteSigner {
  /** Without spaces and plus signs. */
  readonly name: string;
  /** Raw Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** Ed25519 over the bytes: 64 bytes. */
  sign(message: Uint8Array): Promise<Uint8Array>;
}

export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
}
