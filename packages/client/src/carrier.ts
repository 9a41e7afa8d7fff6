/** What sessions need of a connection: whole frames, in order; and what one session sees of it. */
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

/** One session's part of a carrier that others may share. */
export type Link = {
  /** Takes the frame in any case. */
  write(frame: Uint8Array): void;
  /** False while the carrier is full; the session is told when its turn has come. */
  isWritable(): boolean;
  /** The handshake has become a session. */
  opened(): void;
  /** The session is over and takes no more frames. Idempotent. */
  close(): void;
  /** Resolves when what `close` ends is gone. */
  readonly closed: Promise<void>;
};
