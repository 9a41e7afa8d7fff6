/**
 * The way out: messages gather into frames by back-pressure, within the gateway's window and the carrier's buffer.
 *
 * A frame leaves at once while fewer than two are outstanding; else when a frame is full, an answer comes, or the oldest
 * has waited `GATHER_MS`, so that two slow requests do not hold back the rest. What the peer sent is acknowledged along
 * with requests, or alone when none is on its way (docs/protocol.md section 8.3).
 */
import type { Acknowledgement, OutgoingMessage, SealCause, Session } from '@sallyport/channel';
import { OutstandingFrames } from './outstanding.ts';
import { Waiting, type Sendable } from './waiting.ts';

/** The session in one epoch, and the carrier it is attached on. */
export type Line = {
  readonly session: Pick<Session, 'sealFrame' | 'sendCredit' | 'limits' | 'acknowledge'>;
  readonly write: (frame: Uint8Array) => void;
  /** False while the carrier is full; `drained` is called when it no longer is. */
  readonly isWritable: () => boolean;
};

export type SenderOptions = {
  /** Gateway time. */
  readonly now: () => number;
  /** Messages per frame. */
  readonly batch: number;
  readonly maxWaiting: number;
  /** The acknowledgement that is due now, as a control message. */
  readonly acknowledgement: () => OutgoingMessage;
  /** Can never be sent in this session, or (`epoch_exhausted`) in this epoch. */
  readonly onUnsendable: (sendable: Sendable, cause: SealCause) => void;
  /** There is room in the queue again. */
  readonly onRoom: () => void;
};

const MAX_OUTSTANDING_FRAMES = 2;
const GATHER_MS = 10;
/** Acknowledge this many messages at the latest, or after this long: well below 128 and 250 ms. */
const ACKNOWLEDGE_AFTER = 64;
const ACKNOWLEDGE_WITHIN_MS = 25;
/** docs/protocol.md section 7.1: the header without its three texts, with the extension of a resend. */
const HEADER_BYTES = 113 + 12;
// Two lengths, the AEAD tag.
const RECORD_BYTES = 4 + 4 + 16;
// Frame header, sequence, count, signature with its length, and an acknowledgement with 32 ranges.
const FRAME_BYTES = 18 + 10 + 68 + (RECORD_BYTES + HEADER_BYTES + 26 + 32 * 10);

/** What a message takes in a frame of its own, acknowledgement included. */
export function sizesOf(message: OutgoingMessage): {
  readonly headerBytes: number;
  readonly frameBytes: number;
} {
  const headerBytes =
    HEADER_BYTES + message.destination.length + message.contentType.length + message.trace.length;
  return { headerBytes, frameBytes: FRAME_BYTES + recordBytes(message) };
}

function recordBytes({ destination, contentType, trace, payload }: OutgoingMessage): number {
  return (
    RECORD_BYTES + HEADER_BYTES + destination.length + contentType.length + trace.length + payload.length
  );
}

export class Sender {
  readonly #options: SenderOptions;
  readonly #waiting: Waiting;
  /** What goes out before anything that waits: it was taken before. Those who have asked hold it in memory anyway. */
  readonly #again = new Waiting(Infinity);
  #line: Line | undefined;
  #outstanding = new OutstandingFrames();
  #isPumpDue = false;
  #isStopped = false;
  #owed = 0;
  #sent = 0;
  #frames = 0;
  #acknowledgeTimer: NodeJS.Timeout | undefined;
  #gatherTimer: NodeJS.Timeout | undefined;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#waiting = new Waiting(options.maxWaiting);
  }

  /** Messages that left. */
  get sent(): number {
    return this.#sent;
  }

  /** Frames that carried them. */
  get frames(): number {
    return this.#frames;
  }

  get isFull(): boolean {
    return this.#waiting.isFull;
  }

  /** Requests made in one turn of the loop share a frame. */
  add(sendable: Sendable): void {
    this.#waiting.add(sendable);
    this.#pumpSoon();
  }

  /** Sends it once more, or what was taken and could not leave; before all that waits. */
  again(sendable: Sendable): void {
    this.#again.add(sendable);
    this.#pumpSoon();
  }

  isWaiting(sendable: Sendable): boolean {
    return this.#waiting.has(sendable);
  }

  /** Takes back what has not left; does nothing to what has. */
  withdraw(sendable: Sendable): void {
    this.#again.remove(sendable);
    this.#waiting.remove(sendable);
    if (!this.isFull) this.#options.onRoom();
  }

  /** Its response or refusal came. */
  answered(sequence: number): void {
    this.#line?.session.acknowledge(sequence);
    if (this.#outstanding.settle(sequence)) this.#pumpSoon();
  }

  /** Gives the sequences that became final. What the gateway has not seen stays open. */
  acknowledged({ receivedThrough, missing }: Acknowledgement): readonly number[] {
    const settled = this.#outstanding.settleThrough(receivedThrough, missing);
    for (const sequence of settled) this.#line?.session.acknowledge(sequence);
    if (settled.length > 0) this.#pumpSoon();
    return settled;
  }

  /** A message came that wants an acknowledgement. */
  owe(): void {
    this.#owed += 1;
    if (this.#owed >= ACKNOWLEDGE_AFTER) this.#pumpSoon();
    this.#acknowledgeTimer ??= setTimeout(() => this.#acknowledge(), ACKNOWLEDGE_WITHIN_MS);
  }

  drained(): void {
    this.#pump(false);
    // One that fell due while nothing could be written.
    if (this.#owed > 0 && this.#acknowledgeTimer === undefined) this.#acknowledge();
  }

  /** From now on things leave here. */
  attach(line: Line): void {
    this.#line = line;
    this.#pumpSoon();
  }

  /** Nothing leaves until the next `attach`; what waits waits on. What is owed is told by the resume. */
  detach(): void {
    this.#line = undefined;
    this.#outstanding = new OutstandingFrames();
    this.#again.clear();
    this.#paid();
    clearTimeout(this.#gatherTimer);
    this.#gatherTimer = undefined;
  }

  /** A last message, whatever the window. */
  last(message: OutgoingMessage): void {
    const sealed = this.#line?.session.sealFrame([message]);
    if (sealed?.ok === true) this.#line?.write(sealed.bytes);
  }

  /** Nothing leaves any more. */
  stop(): void {
    this.#isStopped = true;
    this.detach();
    this.#waiting.clear();
  }

  get #queued(): number {
    return this.#again.size + this.#waiting.size;
  }

  #pumpSoon(): void {
    if (this.#isPumpDue) return;
    this.#isPumpDue = true;
    queueMicrotask(() => {
      this.#isPumpDue = false;
      this.#pump(false);
    });
  }

  #pump(isGathered: boolean): void {
    let mustGather = !isGathered;
    while (this.#queued > 0 && this.#line?.isWritable() === true && !this.#isStopped) {
      const { sendCredit } = this.#line.session;
      if (sendCredit < 1) break;
      const isFrameFull = this.#queued >= this.#options.batch;
      if (mustGather && this.#outstanding.count >= MAX_OUTSTANDING_FRAMES && !isFrameFull) {
        this.#gatherTimer ??= setTimeout(() => {
          this.#gatherTimer = undefined;
          this.#pump(true);
        }, GATHER_MS);
        break;
      }
      mustGather = true;
      this.#send(this.#line, sendCredit);
    }
    if (this.#queued === 0) {
      clearTimeout(this.#gatherTimer);
      this.#gatherTimer = undefined;
    }
    if (this.#owed >= ACKNOWLEDGE_AFTER) this.#acknowledge();
    if (!this.isFull && !this.#isStopped) this.#options.onRoom();
  }

  #send({ session, write }: Line, credit: number): void {
    const { batch, now, onUnsendable } = this.#options;
    const nowMs = now();
    let room = session.limits.maxFrameBytes - FRAME_BYTES;
    const queue = this.#again.size > 0 ? this.#again : this.#waiting;
    const taken = queue.take(Math.min(batch, credit), ({ message }) => {
      room -= recordBytes(message);
      return room >= 0;
    });
    const messages = taken.map((sendable) => asSent(sendable, nowMs));
    const isAcknowledging = this.#owed > 0 && messages.length < session.limits.maxMessagesPerFrame;
    if (isAcknowledging) messages.push(this.#options.acknowledgement());
    const sealed = session.sealFrame(messages);
    if (!sealed.ok) {
      for (const sendable of taken) onUnsendable(sendable, sealed.cause);
      return;
    }
    for (const [index, sendable] of taken.entries()) {
      sendable.sequence = sealed.firstSequence + index;
      sendable.isResend = sendable.firstSentAtMs !== undefined;
      sendable.firstSentAtMs ??= nowMs;
    }
    this.#outstanding.add(sealed.firstSequence, taken.length);
    this.#sent += taken.length;
    if (taken.length > 0) this.#frames += 1;
    if (isAcknowledging) this.#paid();
    write(sealed.bytes);
  }

  #acknowledge(): void {
    clearTimeout(this.#acknowledgeTimer);
    this.#acknowledgeTimer = undefined;
    const line = this.#line;
    if (this.#owed === 0 || this.#isStopped || line?.isWritable() !== true) return;
    const sealed = line.session.sealFrame([this.#options.acknowledgement()]);
    // At the end of an epoch nothing can be said any more; the gateway's answers still come, up to its window.
    this.#paid();
    if (sealed.ok) line.write(sealed.bytes);
  }

  #paid(): void {
    clearTimeout(this.#acknowledgeTimer);
    this.#acknowledgeTimer = undefined;
    this.#owed = 0;
  }
}

/** Gateway time may have gone back a little with another gateway; nothing was first sent later than now. */
function asSent({ message, firstSentAtMs }: Sendable, nowMs: number): OutgoingMessage {
  return firstSentAtMs === undefined
    ? message
    : { ...message, firstSentAtMs: Math.min(firstSentAtMs, nowMs) };
}
