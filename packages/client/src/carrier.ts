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
  /** The handshake or resume has become a session. */
  opened(): void;
  /** The session goes on elsewhere, if at all: it takes no more frames from here. Idempotent. */
  leave(): void;
  /** The session is over and takes no more frames. Idempotent. */
  close(): void;
  /** Resolves when what `close` ends is gone. */
  readonly closed: Promise<void>;
};

/** What a carrier's frames are for: a session, or one on its way. */
export type Tenant = {
  /** True when the answer to its first frame can be told by nothing but the order (a ClientHello has no session id). */
  readonly isGreeting: boolean;
  /** True when no frame means anything to it any more. */
  readonly isOver: boolean;
  /** Says hello; false when it did not, and is over. */
  start(exporter: Uint8Array | undefined): boolean;
  /** Never throws. */
  onFrame(frame: Uint8Array): void;
  onDrain(): void;
  /** The carrier is gone, by no wish of ours. */
  lost(error: ChannelError): void;
  /** Ends it for good. */
  end(error: ChannelError): void;
  /** Tells the gateway that the session ends, where there is one. */
  sayGoodbye(): void;
};
