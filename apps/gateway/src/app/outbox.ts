/**
 * What waits to go to one client. Frames are sealed when they can leave, so that a frame holds whatever has gathered
 * (PROTOCOL.md "Batches gather by back-pressure") and a client that does not acknowledge stops its own answers only.
 */
import { controlMessage, type Acknowledgement, type OutgoingMessage, type Session } from '@sallyport/channel';

export type OutboxOptions = {
  readonly session: Pick<Session, 'sealFrame' | 'sendCredit' | 'limits'>;
  /** False asks to wait for `drained`. */
  readonly write: (frame: Uint8Array) => boolean;
  /** Asked right before a frame leaves: an acknowledgement to send along, or nothing new to say. */
  readonly acknowledgement: () => Acknowledgement | undefined;
  /** A message that fits no frame; what it is replaced by. */
  readonly tooLarge: (message: OutgoingMessage) => OutgoingMessage;
  /** The session can send no more: its epoch is used up, or its client lets answers pile up. */
  readonly onExhausted: (cause: 'epoch_exhausted' | 'not_acknowledging') => void;
};

/** Answers that may wait. A client has at most 512 unacknowledged requests, so an honest one never gets near. */
const MAX_WAITING = 2048;
/** Header, lengths and tags of one message, at most. */
const MESSAGE_OVERHEAD_BYTES = 1024;
const FRAME_OVERHEAD_BYTES = 4096;

export class Outbox {
  readonly #options: OutboxOptions;
  #waiting: OutgoingMessage[] = [];
  #isBlocked = false;
  #isOver = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  push(messages: readonly OutgoingMessage[]): void {
    if (this.#isOver) return;
    this.#waiting.push(...messages);
    if (this.#waiting.length > MAX_WAITING) return this.#end('not_acknowledging');
    this.flush();
  }

  /** Says what has arrived even when there is nothing to answer. */
  acknowledge(): void {
    if (this.#isOver || this.#isBlocked) return;
    const acknowledgement = this.#options.acknowledgement();
    if (acknowledgement !== undefined) this.#send([controlMessage(acknowledgement)]);
  }

  drained(): void {
    this.#isBlocked = false;
    this.flush();
  }

  /** Sends what may be sent: up to the client's window, the carrier's buffer and the limits of a frame. */
  flush(): void {
    const { session } = this.#options;
    while (this.#waiting.length > 0 && !this.#isBlocked && !this.#isOver && session.sendCredit > 0) {
      const count = this.#fitting(session.sendCredit);
      const batch = this.#waiting.slice(0, count);
      const acknowledgement =
        count < session.limits.maxMessagesPerFrame ? this.#options.acknowledgement() : undefined;
      if (acknowledgement !== undefined) batch.push(controlMessage(acknowledgement));
      if (!this.#send(batch)) return;
      this.#waiting.splice(0, count);
    }
  }

  close(): void {
    this.#isOver = true;
    this.#waiting = [];
  }

  #send(batch: readonly OutgoingMessage[]): boolean {
    const sealed = this.#options.session.sealFrame(batch);
    if (sealed.ok) {
      this.#isBlocked = !this.#options.write(sealed.bytes);
      return true;
    }
    if (sealed.cause === 'oversized' || sealed.cause === 'bad_field') {
      const [first] = this.#waiting;
      // Only a first message that fits no frame gets here; its replacement does fit.
      if (first === undefined) return false;
      this.#waiting[0] = this.#options.tooLarge(first);
      return this.#send([this.#waiting[0]]);
    }
    if (sealed.cause === 'epoch_exhausted') this.#end('epoch_exhausted');
    return false;
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

  #end(cause: 'epoch_exhausted' | 'not_acknowledging'): void {
    this.close();
    this.#options.onExhausted(cause);
  }
}
