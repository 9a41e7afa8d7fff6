/** Bounds of a server. Every one is enforced; none can be switched off. */
export interface GrpcLimits {
  /** Largest message received or sent, in bytes of protobuf. Default 4 MiB. */
  readonly maxMessageBytes: number;
  /** For a unary call that names no deadline. Default 5 s. */
  readonly defaultDeadlineMs: number;
  /** A unary call that asks for more is cut to this. Default 30 s. */
  readonly maxDeadlineMs: number;
  /** A server stream ends after this with `deadline_exceeded`; whoever follows it asks again. Default 1 h. */
  readonly maxStreamMs: number;
  /** Concurrent calls per connection. Default 256. */
  readonly maxConcurrentStreams: number;
  /** Open connections, those in their handshake included; more are closed at once. Default 512. */
  readonly maxConnections: number;
  /** A TLS handshake that takes longer is cut. Default 5 s. */
  readonly handshakeTimeoutMs: number;
}

export const DEFAULT_LIMITS: GrpcLimits = Object.freeze({
  maxMessageBytes: 4 * 1024 * 1024,
  defaultDeadlineMs: 5_000,
  maxDeadlineMs: 30_000,
  maxStreamMs: 60 * 60 * 1000,
  maxConcurrentStreams: 256,
  maxConnections: 512,
  handshakeTimeoutMs: 5_000,
});

/** The limits in force. Throws `RangeError` for one that is not a positive whole number. */
export function limitsOf(given: Partial<GrpcLimits> = {}): GrpcLimits {
  const limits = { ...DEFAULT_LIMITS, ...given };
  for (const [name, value] of Object.entries(limits)) {
    // setTimeout's bound is 2^31 - 1 ms; beyond it a timer fires at once.
    if (!Number.isSafeInteger(value) || value < 1 || value > 2 ** 31 - 1) {
      throw new RangeError(`limits.${name} is a whole number from 1 to 2147483647, got ${String(value)}`);
    }
  }
  return Object.freeze(limits);
}
