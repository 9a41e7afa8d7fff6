/** Ports of the shipper. */

export interface SpoolBatch {
  readonly producer: string;
  /** Sequence of `bodies[0]`. */
  readonly firstSeq: bigint;
  /** The lowest sequence the producer can still send: what lies before it and was never received is lost. */
  readonly floor: bigint;
  readonly bodies: readonly Uint8Array[];
}

/** The way to audit-service. Taking a batch is not durability; only an acknowledgement is. */
export interface AuditTransport {
  /** Resolves when the broker took the batch. */
  send(batch: SpoolBatch): Promise<void>;
  /** `callback` hears that everything through `throughSeq` is committed and under a signed checkpoint. */
  onAcknowledged(producer: string, callback: (throughSeq: bigint) => void): Disposable;
}

/** Monotonic time and timers. */
export interface ShipperClock {
  nowMs(): number;
  /** Calls back once after `delayMs`, unless disposed before. */
  after(delayMs: number, callback: () => void): Disposable;
}
