/** What a session needs of a connection: whole frames, in order. */
import type { ChannelError } from './errors.ts';

export type Carrier = {
  /** Takes the frame in any case; false asks to wait for `onDrain`. */
  write(frame: Uint8Array): boolean;
  /** Ends it: what was written may still leave, nothing comes in any more. `onClose` follows. Idempotent. */
  close(): void;
  /** Resolves when all of it is gone, soon after `close` whatever the other end does. */
  readonly closed: Promise<void>;
};

/** None of these may throw. */
export type CarrierEvents = {
  /** Once, first: frames may be written. With the TLS exporter (docs/protocol.md section 6.1) where it can be had. */
  readonly onOpen: (exporter: Uint8Array | undefined) => void;
  readonly onFrame: (frame: Uint8Array) => void;
  readonly onDrain: () => void;
  /** Once, last. */
  readonly onClose: (error: ChannelError) => void;
};
