/**
 * The requests of a session that have no answer yet: each settles once, by its answer, its time or the end of the session.
 * Over a resume they stay, and those that had left are asked for again under the same correlation.
 */
import type { OpenedMessage, OutgoingMessage } from '@sallyport/channel';
import { toHex } from '@sallyport/crypto';
import { ChannelError } from './errors.ts';
import { askAgainAfterMs, refusalError } from './refusals.ts';
import { DEFAULT_TIMEOUT_MS, type RequestOptions, type Response } from './request.ts';
import type { Sender } from './sender.ts';
import type { Sendable } from './waiting.ts';

type Pending = Sendable & {
  readonly resolve: (response: Response) => void;
  readonly reject: (error: ChannelError) => void;
  readonly cleanUp: () => void;
  /** How often it was asked for again since the gateway last changed. */
  asked: number;
  askTimer: NodeJS.Timeout | undefined;
};

export class Requests {
  readonly #sender: Pick<Sender, 'add' | 'again' | 'withdraw' | 'answered' | 'isWaiting'>;
  readonly #pending = new Map<string, Pending>();
  /**
   * Correlation to sequence of requests that were given up after they left. They fill the gateway's window until it
   * answers or acknowledges them, so there are never more than the window has places.
   */
  readonly #abandoned = new Map<string, number>();

  constructor(sender: Pick<Sender, 'add' | 'again' | 'withdraw' | 'answered' | 'isWaiting'>) {
    this.#sender = sender;
  }

  /** Queues a request that may be sent. */
  open(message: OutgoingMessage, options: RequestOptions): Promise<Response> {
    return new Promise((resolve, reject) => {
      const { timeoutMs = DEFAULT_TIMEOUT_MS, signal } = options;
      const id = toHex(message.correlation);
      const timer = setTimeout(() => {
        const text = `no answer from "${message.destination}" within ${timeoutMs} ms`;
        this.giveUp(id, new ChannelError('timeout', 'timeout', text));
      }, timeoutMs);
      const onAbort = (): void =>
        this.giveUp(id, new ChannelError('closed', 'closed', 'the request was given up'));
      signal?.addEventListener('abort', onAbort, { once: true });
      const pending: Pending = {
        message,
        resolve,
        reject,
        cleanUp: () => {
          clearTimeout(timer);
          clearTimeout(pending.askTimer);
          signal?.removeEventListener('abort', onAbort);
        },
        sequence: undefined,
        firstSentAtMs: undefined,
        asked: 0,
        askTimer: undefined,
      };
      this.#pending.set(id, pending);
      this.#sender.add(pending);
    });
  }

  /** A response or refusal came. */
  onAnswer(message: OpenedMessage): void {
    const id = toHex(message.correlation);
    const pending = this.#pending.get(id);
    const sequence = pending?.sequence ?? this.#abandoned.get(id);
    // An answer to what never left is no answer. To what left in an earlier epoch it may come before we ask again.
    if (sequence === undefined && pending?.firstSentAtMs === undefined) return;
    const isRefusal = message.kind === 'refusal';
    if (isRefusal && pending !== undefined && this.#isAskedAgain(pending, message.payload)) return;
    const error = isRefusal ? refusalError(message.payload, pending?.isResend === true) : undefined;
    if (isRefusal && error === undefined) return;
    this.#pending.delete(id);
    this.#abandoned.delete(id);
    if (sequence !== undefined) this.#sender.answered(sequence);
    if (pending !== undefined) this.#sender.withdraw(pending);
    pending?.cleanUp();
    if (error !== undefined) pending?.reject(error);
    // The payload has memory of its own; the frame does not outlive this call.
    else pending?.resolve({ contentType: message.contentType, body: message.payload, correlation: id });
  }

  /** These sequences are final. */
  acknowledged(sequences: readonly number[]): void {
    const settled = new Set(sequences);
    for (const [id, sequence] of this.#abandoned) if (settled.has(sequence)) this.#abandoned.delete(id);
  }

  giveUp(id: string, error: ChannelError): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#pending.delete(id);
    pending.cleanUp();
    this.#sender.withdraw(pending);
    if (pending.sequence !== undefined) this.#abandoned.set(id, pending.sequence);
    reject(pending, error);
  }

  /** The epoch is over: its sequences mean nothing any more. */
  leaveEpoch(): void {
    this.#abandoned.clear();
    for (const pending of this.#pending.values()) {
      clearTimeout(pending.askTimer);
      pending.askTimer = undefined;
      pending.asked = 0;
      pending.sequence = undefined;
    }
  }

  /** In the next epoch: all that is not waiting for its first turn anyway, in the order in which it was asked. */
  sendAgain(): void {
    for (const pending of this.#pending.values())
      if (!this.#sender.isWaiting(pending)) this.#sender.again(pending);
  }

  /** The session is over. */
  end(error: ChannelError): void {
    const all = [...this.#pending.values()];
    this.#pending.clear();
    this.#abandoned.clear();
    for (const pending of all) {
      pending.cleanUp();
      reject(pending, error);
    }
  }

  /** Of what we sent again ourselves, what became of the first is worth another question. */
  #isAskedAgain(pending: Pending, refusal: Uint8Array): boolean {
    const { sequence } = pending;
    if (!pending.isResend || sequence === undefined) return false;
    const pauseMs = askAgainAfterMs(refusal, pending.asked);
    if (pauseMs === undefined) return false;
    pending.asked += 1;
    pending.sequence = undefined;
    this.#sender.answered(sequence);
    clearTimeout(pending.askTimer);
    pending.askTimer = setTimeout(() => this.#sender.again(pending), pauseMs);
    return true;
  }
}

function reject(pending: Pending, error: ChannelError): void {
  pending.reject(pending.firstSentAtMs === undefined ? error : error.whileUnderWay());
}
