/**
 * What waits to go to one client. Frames are sealed when they can leave, so that a frame holds whatever has gathered
 * (PROTOCOL.md "Batches gather by back-pressure") and a client that does not acknowledge stops its own answers only.
 */
import { controlMessage, type Acknowledgement, type OutgoingMessage, type Session } from '@sallyport/channel';

export type OutboxEnd = 'epoch_exhausted' | 'not_acknowledging' | 'unsealable';

export type OutboxOptions = {
  readonly session: Pick<Session, 'sealFrame' | 'sendCredit' | 'epochCredit' | 'limits'>;
  readonly write: (frame: Uint8Array) => void;
  /** False while the carrier's buffer is full; `flush` is called when it no longer is. */
  readonly isWritable: () => boolean;
  /** Asked right before a frame leaves: an acknowledgement to send along, or nothing new to say. */
  readonly acknowledgement: () => Acknowledgement | undefined;
  /** Whether an acknowledgement is owed even if nothing else leaves. */
  readonly isAcknowledgementDue: () => boolean;
  /** A message that fits no frame; what it is replaced by. */
  readonly tooLarge: (message: OutgoingMessage) => OutgoingMessage;
  /** The session can send no more: its epoch is used up, or its client lets answers pile up. */
  readonly onExhausted: (cause: OutboxEnd) => void;
};

/** Answers that may wait. A client has at most 512 unacknowledged requests, so an honest one never gets near. */
const MAX_WAITING = 2048;
const MAX_WAITING_BYTES = 64 * 1024 * 1024;
/** Header, lengths and tags of one message, at most. */
const MESSAGE_OVERHEAD_BYTES = 1024;
const FRAME_OVERHEAD_BYTES = 4096;
/** Sequences of an epoch kept back: an acknowledgement and the farewell. */
const RESERVED_SEQUENCES = 2;

export class Outbox {
  readonly #options: OutboxOptions;
  #waiting: OutgoingMessage[] = [];
  #waitingBytes = 0;
  #isOver = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  push(messages: readonly OutgoingMessage[]): void {
    if (this.#isOver) return;
    for (const message of messages) {
      this.#waiting.push(message);
      this.#waitingBytes += message.payload.length;
    }
    this.flush();
    if (this.#waiting.length > MAX_WAITING || this.#waitingBytes > MAX_WAITING_BYTES) {
      this.#end('not_acknowledging');
    }
  }

  /** Sends what may be sent: up to the client's window, the carrier's buffer and the limits of a frame. */
  flush(): void {
    while (this.#waiting.length > 0 && this.#canSend()) {
      const left = this.#sequencesLeft();
      if (left < 1) return this.#end('epoch_exhausted');
      const credit = Math.min(this.#options.session.sendCredit, left);
      if (credit < 1) break;
      if (!this.#sendBatch(this.#fitting(credit))) return;
    }
    this.#acknowledge();
  }

  close(): void {
    this.#isOver = true;
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  #canSend(): boolean {
    return !this.#isOver && this.#options.isWritable();
  }

  #sequencesLeft(): number {
    return this.#options.session.epochCredit - RESERVED_SEQUENCES;
  }

  /** Says what has arrived even when there is nothing to answer. */
  #acknowledge(): void {
    if (!this.#options.isAcknowledgementDue() || !this.#canSend() || this.#sequencesLeft() < 1) return;
    const acknowledgement = this.#options.acknowledgement();
    if (acknowledgement !== undefined) this.#seal([controlMessage(acknowledgement)]);
  }

  #sendBatch(count: number): boolean {
    const batch = this.#waiting.slice(0, count);
    const { maxMessagesPerFrame } = this.#options.session.limits;
    const acknowledgement = count < maxMessagesPerFrame ? this.#options.acknowledgement() : undefined;
    if (acknowledgement !== undefined) batch.push(controlMessage(acknowledgement));
    if (this.#seal(batch)) {
      this.#forget(count);
      return true;
    }
    return this.#sendFirstAlone();
  }

  /** One of the batch cannot be sealed: the first goes by itself, or is replaced, and the others get their turn. */
  #sendFirstAlone(): boolean {
    const [first] = this.#waiting;
    if (first === undefined) return false;
    const isSent = this.#seal([first]) || this.#seal([this.#options.tooLarge(first)]);
    if (isSent) this.#forget(1);
    else this.#end('unsealable');
    return isSent;
  }

  #seal(batch: readonly OutgoingMessage[]): boolean {
    const sealed = this.#options.session.sealFrame(batch);
    if (sealed.ok) this.#options.write(sealed.bytes);
    return sealed.ok;
  }

  #forget(count: number): void {
    for (const { payload } of this.#waiting.splice(0, count)) this.#waitingBytes -= payload.length;
  }

  /** How many of the waiting messages make the next frame; at least one. */
  #fitting(credit: number): number {
    const { maxFrameBytes, maxMessagesPerFrame } = this.#options.session.limits;
    const most = Math.min(this.#waiting.length, maxMessagesPerFrame, credit);
    let bytes = FRAME_OVERHEAD_BYTES;
    let count = 0;
    for (; count < most; count += 1) {
      bytes += (this.#waiting[count]?.payload.length ?? 0) + MESSAGE_OVERHEAD_BYTES;
      if (bytes > maxFrameBytes) break;
    }
    return Math.max(1, count);
  }

  #end(cause: OutboxEnd): void {
    if (this.#isOver) return;
    this.close();
    this.#options.onExhausted(cause);
  }
}
