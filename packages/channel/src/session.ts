/**
 * An established session in one epoch, the same object on both sides: seals frames in one direction and opens those of the
 * other. A resume makes another `Session` for the next epoch and ends this one. No I/O; clock and randomness are injected.
 * It does not guard against replay: the gateway's guard and the client's `SequenceWindow` do, after `openFrame`.
 */
import type { KeyObject } from 'node:crypto';
import { randomBytes, signatureInput, type RandomSource } from '@sallyport/crypto';
import type { SessionLease, SessionLimits, SignedBinding } from './accept.ts';
import { bindingHash } from './batch.ts';
import type { SessionBinding } from './binding.ts';
import { failure, type Failure, type MessageCause, type SealCause } from './causes.ts';
import { EPOCH_AGE_MS, NONCE_LENGTH, type Direction } from './constants.ts';
import type { EpochSecrets } from './key-schedule.ts';
import { MessageSeeds } from './message-keys.ts';
import { openFrame, type OpenContext, type OpenedFrame } from './open-frame.ts';
import { sealFrame, type OutgoingMessage, type SealContext } from './seal-frame.ts';
import { SendWindow } from './send-window.ts';
import type { Suite } from './suite.ts';

export interface SessionInput {
  readonly role: 'client' | 'gateway';
  readonly sid: Uint8Array;
  readonly suite: Suite;
  readonly keys: EpochSecrets;
  /** Absent: epoch 0, nothing sent or received yet. */
  readonly start?: EpochStart | undefined;
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

/** Where an epoch begins that came of a resume. */
export interface EpochStart {
  readonly epoch: number;
  /** The highest sequence that this side has sent. */
  readonly lastSent: number;
  /** What each side told the other to have received: the messages of the epoch are counted from there. */
  readonly receivedByPeer: number;
  readonly received: number;
  /** Client: what the gateway may still have in its record, as long as it has not been heard in this epoch; newest first. */
  readonly unconfirmed: readonly ResumptionSecret[];
}

/** RS of an epoch: what the next one is resumed with, together with the signing key and a fresh agreement. */
export interface ResumptionSecret {
  readonly epoch: number;
  readonly secret: KeyObject;
}

/** What both directions of an epoch have; gone when the session leaves it. */
interface Epoch {
  readonly outgoing: SealContext;
  readonly incoming: OpenContext;
}

const FIRST_EPOCH: EpochStart = {
  epoch: 0,
  lastSent: 0,
  receivedByPeer: 0,
  received: 0,
  unconfirmed: [],
};
/** docs/protocol.md section 4.6: binders in a ResumeHello. */
const MAX_RESUMPTION_SECRETS = 4;

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
  /** Of this object; the session's next epoch has another. */
  readonly epoch: number;
  readonly #signingKey: KeyObject;
  readonly #start: EpochStart;
  #keys: Epoch | undefined;
  #resumption: readonly ResumptionSecret[];
  readonly #sendWindow: SendWindow;
  readonly #clock: () => number;
  readonly #random: RandomSource;
  readonly #startedAtMs: number;
  #lastSent: number;
  #highestOpened: number;

  constructor(input: SessionInput) {
    this.role = input.role;
    this.sid = input.sid.slice();
    this.suite = input.suite;
    this.binding = input.binding;
    this.signedBinding = input.signedBinding;
    this.limits = input.limits;
    this.lease = input.lease;
    this.peerKey = input.peerKey;
    const start = input.start ?? FIRST_EPOCH;
    this.#start = start;
    this.epoch = start.epoch;
    this.#lastSent = start.lastSent;
    this.#highestOpened = start.received;
    this.#signingKey = input.signingKey;
    this.#resumption = [{ epoch: start.epoch, secret: input.keys.resumption }, ...start.unconfirmed];
    const common = {
      sid: this.sid,
      epoch: start.epoch,
      aead: input.suite.aead,
      signature: input.suite.signature,
      bindingHash: bindingHash(input.signedBinding.bytes),
      limits: input.limits,
    };
    const [out, back]: readonly [Direction, Direction] =
      input.role === 'client' ? ['c2s', 's2c'] : ['s2c', 'c2s'];
    const outgoing = {
      ...common,
      direction: out,
      signingKey: input.signingKey,
      seeds: new MessageSeeds(input.keys[out]),
    };
    const incoming = {
      ...common,
      direction: back,
      peerKey: input.peerKey,
      seeds: new MessageSeeds(input.keys[back]),
      closedThrough: start.received,
    };
    this.#keys = { outgoing, incoming };
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

  /** How many messages, control included, may still be sent in this epoch. */
  get epochCredit(): number {
    return this.limits.maxEpochMessages - (this.#lastSent - this.#start.receivedByPeer);
  }

  /**
   * Seals 1 to 256 messages as one frame and takes as many sequences. On failure nothing is consumed: `window_full`
   * passes with an acknowledgement, `epoch_exhausted` and `epoch_left` only with another epoch.
   */
  sealFrame(messages: readonly OutgoingMessage[]): SealedFrame | Failure<SealCause> {
    if (this.#keys === undefined) return failure('epoch_left');
    const firstSequence = this.#lastSent + 1;
    if (messages.length > this.epochCredit) return failure('epoch_exhausted');
    let counted = 0;
    for (const message of messages) if (message.kind !== 'control') counted += 1;
    if (counted > this.#sendWindow.free) return failure('window_full');
    const stamp = {
      firstSequence,
      sentAtMs: this.#clock(),
      nonces: this.#random(NONCE_LENGTH * messages.length),
    };
    const sealed = sealFrame(this.#keys.outgoing, messages, stamp);
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
    if (this.#keys === undefined) return failure('wrong_epoch');
    const opened = openFrame(this.#keys.incoming, bytes, this.#clock());
    if (opened.ok) {
      // A gateway speaks in an epoch only once it has taken it on: what came before is of no use to anybody now.
      if (this.#resumption.length > 1) this.#resumption = this.#resumption.slice(0, 1);
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
   * anybody who has the frame. Throws once the epoch was left.
   */
  seedOfReceived(sequence: number): Uint8Array {
    if (this.#keys === undefined) throw new Error('the epoch was left, and its keys with it');
    return this.#keys.incoming.seeds.rawOf(sequence).slice();
  }

  /**
   * Client: RS of this epoch, and those of the epochs before it that the gateway may still be at, newest first; at most 4.
   * One after the gateway was heard in this epoch.
   */
  get resumptionSecrets(): readonly ResumptionSecret[] {
    if (this.#resumption.length <= MAX_RESUMPTION_SECRETS) return this.#resumption;
    // The last is the one the gateway certainly had; of those between, the newer are the likelier.
    return [...this.#resumption.slice(0, MAX_RESUMPTION_SECRETS - 1), ...this.#resumption.slice(-1)];
  }

  /** sig_c of a ResumeHello: `th` = TH(sig_c). */
  signResumption(th: Uint8Array): Uint8Array {
    return this.suite.signature.sign(this.#signingKey, signatureInput('client resume', th));
  }

  /** The session in its next epoch: the same but for keys, peer and counts. Leaves this epoch. */
  resumed(change: Pick<SessionInput, 'keys' | 'start' | 'peerKey' | 'lease' | 'clock' | 'random'>): Session {
    this.leaveEpoch();
    const { role, sid, suite, binding, signedBinding, limits } = this;
    const signingKey = this.#signingKey;
    return new Session({ role, sid, suite, binding, signedBinding, limits, signingKey, ...change });
  }

  /** Drops the traffic keys: nothing is sealed or opened any more. What resumes the session stays. Idempotent. */
  leaveEpoch(): void {
    this.#keys = undefined;
  }

  /** True at 7/8 of the messages of an epoch in either direction, or at 15 minutes: time for another epoch or session. */
  isRenewalDue(): boolean {
    const { received, receivedByPeer } = this.#start;
    const used = Math.max(this.#lastSent - receivedByPeer, this.#highestOpened - received);
    return (
      used >= (this.limits.maxEpochMessages * 7) / 8 || this.#clock() - this.#startedAtMs >= EPOCH_AGE_MS
    );
  }
}
