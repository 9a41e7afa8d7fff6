/**
 * An established session, the same object on both sides: seals frames in one direction and opens those of the other.
 * No I/O; clock and randomness are injected. It does not guard against replay: the gateway's guard and the client's
 * `SequenceWindow` do, after `openFrame`.
 */
import type { KeyObject } from 'node:crypto';
import { randomBytes, type RandomSource } from '@sallyport/crypto';
import type { SessionLease, SessionLimits, SignedBinding } from './accept.ts';
import { bindingHash } from './batch.ts';
import type { SessionBinding } from './binding.ts';
import { failure, type Failure, type MessageCause, type SealCause } from './causes.ts';
import { EPOCH_AGE_MS, NONCE_LENGTH, type Direction } from './constants.ts';
import type { EpochKeys } from './key-schedule.ts';
import { MessageSeeds } from './message-keys.ts';
import { openFrame, type OpenContext, type OpenedFrame } from './open-frame.ts';
import { sealFrame, type OutgoingMessage, type SealContext } from './seal-frame.ts';
import { SendWindow } from './send-window.ts';
import type { Suite } from './suite.ts';

export interface SessionInput {
  readonly role: 'client' | 'gateway';
  readonly sid: Uint8Array;
  readonly suite: Suite;
  readonly keys: EpochKeys;
  readonly signingKey: KeyObject;
  readonly peerKey: KeyObject;
  readonly binding: SessionBinding;
  readonly signedBinding: SignedBinding;
  readonly limits: SessionLimits;
  readonly lease: SessionLease;
  /** Gateway time, milliseconds since the Unix epoch. */
  readonly clock: () => number;
  readonly random?: RandomSource | undefined;
}

export interface SealedFrame {
  readonly ok: true;
  readonly bytes: Uint8Array;
  /** Message i of the frame has sequence `firstSequence` + i. */
  readonly firstSequence: number;
}

export class Session {
  readonly role: 'client' | 'gateway';
  /** 16 bytes. */
  readonly sid: Uint8Array;
  readonly suite: Suite;
  readonly binding: SessionBinding;
  readonly signedBinding: SignedBinding;
  readonly limits: SessionLimits;
  readonly lease: SessionLease;
  /** The peer's signing key. */
  readonly peerKey: KeyObject;
  readonly #outgoing: SealContext;
  readonly #incoming: OpenContext;
  readonly #sendWindow: SendWindow;
  readonly #clock: () => number;
  readonly #random: RandomSource;
  readonly #startedAtMs: number;
  #lastSent = 0;
  #highestOpened = 0;

  constructor(input: SessionInput) {
    this.role = input.role;
    this.sid = input.sid.slice();
    this.suite = input.suite;
    this.binding = input.binding;
    this.signedBinding = input.signedBinding;
    this.limits = input.limits;
    this.lease = input.lease;
    this.peerKey = input.peerKey;
    const common = {
      sid: this.sid,
      epoch: 0,
      aead: input.suite.aead,
      signature: input.suite.signature,
      bindingHash: bindingHash(input.signedBinding.bytes),
      limits: input.limits,
    };
    const [out, back]: readonly [Direction, Direction] =
      input.role === 'client' ? ['c2s', 's2c'] : ['s2c', 'c2s'];
    this.#outgoing = {
      ...common,
      direction: out,
      signingKey: input.signingKey,
      seeds: new MessageSeeds(input.keys[out]),
    };
    this.#incoming = {
      ...common,
      direction: back,
      peerKey: input.peerKey,
      seeds: new MessageSeeds(input.keys[back]),
    };
    this.#sendWindow = new SendWindow(input.limits.maxUnacknowledged);
    this.#clock = input.clock;
    this.#random = input.random ?? randomBytes;
    this.#startedAtMs = input.clock();
  }

  /** The highest sequence sent so far; 0 = none. The next message gets one more. */
  get lastSent(): number {
    return this.#lastSent;
  }

  /** Messages sent (control aside) that nothing has acknowledged yet. */
  get unacknowledged(): number {
    return this.#sendWindow.unacknowledged;
  }

  /** How many messages (control aside) may be sent before an acknowledgement comes. */
  get sendCredit(): number {
    return this.#sendWindow.free;
  }

  /**
   * Seals 1 to 256 messages as one frame and takes as many sequences. On failure nothing is consumed: `window_full`
   * passes with an acknowledgement, `epoch_exhausted` only with a new session.
   */
  sealFrame(messages: readonly OutgoingMessage[]): SealedFrame | Failure<SealCause> {
    const firstSequence = this.#lastSent + 1;
    if (this.#lastSent + messages.length > this.limits.maxEpochMessages) return failure('epoch_exhausted');
    let counted = 0;
    for (const message of messages) if (message.kind !== 'control') counted += 1;
    if (counted > this.#sendWindow.free) return failure('window_full');
    const stamp = {
      firstSequence,
      sentAtMs: this.#clock(),
      nonces: this.#random(NONCE_LENGTH * messages.length),
    };
    const sealed = sealFrame(this.#outgoing, messages, stamp);
    if (!(sealed instanceof Uint8Array)) return sealed;
    this.#lastSent += messages.length;
    messages.forEach((message, index) => {
      if (message.kind !== 'control') this.#sendWindow.add(firstSequence + index);
    });
    return { ok: true, bytes: sealed, firstSequence };
  }

  /**
   * Opens a frame of the peer: shape, session and epoch, time, every record, signature. Any bad record refuses the
   * whole frame. The cause is for audit; the wire hears `invalid_message`. The caller then asks its replay guard.
   */
  openFrame(bytes: Uint8Array): OpenedFrame | Failure<MessageCause> {
    const opened = openFrame(this.#incoming, bytes, this.#clock());
    if (opened.ok) {
      const last = opened.firstSequence + opened.messages.length - 1;
      this.#highestOpened = Math.max(this.#highestOpened, last);
    }
    return opened;
  }

  /** Message `sequence` has its response or refusal. */
  acknowledge(sequence: number): void {
    this.#sendWindow.acknowledge(sequence);
  }

  /** An ack says that everything up to `sequence` is final. */
  acknowledgeThrough(sequence: number): void {
    this.#sendWindow.acknowledgeThrough(sequence);
  }

  /**
   * The seed of a message received: with its plaintext it is the opening of evidence. It opens that message alone, to
   * anybody who has the frame.
   */
  seedOfReceived(sequence: number): Uint8Array {
    return this.#incoming.seeds.rawOf(sequence).slice();
  }

  /** True at 7/8 of the messages of an epoch in either direction, or at 15 minutes: time for a new session. */
  isRenewalDue(): boolean {
    const used = Math.max(this.#lastSent, this.#highestOpened);
    return (
      used >= (this.limits.maxEpochMessages * 7) / 8 || this.#clock() - this.#startedAtMs >= EPOCH_AGE_MS
    );
  }
}
