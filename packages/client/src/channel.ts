/**
 * An open session: requests go out in frames, responses come back in any order. What the gateway sends is believed only
 * after it opened, verified and was seen for the first time.
 */
import {
  controlMessage,
  MAX_ACK_RANGES,
  parseControl,
  parseFrame,
  FRAME_TYPE,
  SequenceWindow,
  type Established,
  type OpenedMessage,
  type OutgoingMessage,
  type SealCause,
} from '@sallyport/channel';
import { randomBytes, toHex } from '@sallyport/crypto';
import type { Link } from './carrier.ts';
import { ChannelError } from './errors.ts';
import { refusalError } from './refusals.ts';
import {
  DEFAULT_TIMEOUT_MS,
  problemWith,
  type ChannelOptions,
  type ChannelCounts,
  type RequestOptions,
  type Response,
} from './request.ts';
import { Sender } from './sender.ts';
import { inSpan, type ClientTracer } from './tracing.ts';
import type { Sendable } from './waiting.ts';

/** docs/protocol.md section 8.1. */
const MAX_BAD_FRAMES = 16;

type Pending = Sendable & {
  readonly resolve: (response: Response) => void;
  readonly reject: (error: ChannelError) => void;
  readonly cleanUp: () => void;
};

export class Channel implements AsyncDisposable {
  /** Hex; names the session in the audit log. */
  readonly sessionId: string;
  /** Who we are to the gateway. */
  readonly principal: string;
  readonly #established: Established;
  readonly #link: Link;
  readonly #sender: Sender;
  readonly #tracer: ClientTracer | undefined;
  readonly #received = new SequenceWindow();
  readonly #pending = new Map<string, Pending>();
  /**
   * Correlation to sequence of requests that were given up after they left. They fill the gateway's window until it
   * answers or acknowledges them, so there are never more than the window has places.
   */
  readonly #abandoned = new Map<string, number>();
  #onRoom: (() => void)[] = [];
  #over: ChannelError | undefined;
  #counts = { received: 0, rejected: 0 };
  #badFramesInARow = 0;

  /** Made by `connect` and `Connection.open`. */
  constructor(established: Established, link: Link, options: ChannelOptions) {
    const { session, binding } = established;
    this.#established = established;
    this.#link = link;
    this.#tracer = options.tracer;
    this.#sender = new Sender({
      session,
      write: (frame) => link.write(frame),
      isWritable: () => link.isWritable(),
      batch: Math.min(options.batch, session.limits.maxMessagesPerFrame),
      maxWaiting: options.maxWaiting,
      acknowledgement: () => this.#acknowledgement(),
      onUnsendable: (sendable, cause) => this.#onUnsendable(sendable, cause),
      onRoom: () => this.#releaseRoom(),
    });
    this.sessionId = toHex(session.sid);
    this.principal = binding.principal;
  }

  get counts(): ChannelCounts {
    return { sent: this.#sender.sent, frames: this.#sender.frames, ...this.#counts };
  }

  /** Why the session is over; undefined while it is open. */
  get closedBy(): ChannelError | undefined {
    return this.#over;
  }

  /** True when it is time to open a new session: this one nears the end of what it may send, or has become old. */
  get isRenewalDue(): boolean {
    return this.#established.session.isRenewalDue();
  }

  /** Resolves when a request would be taken (or the session is over): back-pressure for callers that outrun the gateway. */
  ready(): Promise<void> {
    if (!this.#sender.isFull || this.#over !== undefined) return Promise.resolve();
    return new Promise((resolve) => this.#onRoom.push(resolve));
  }

  /**
   * Sends `body` to `destination` and resolves with its response. Rejects with `ChannelError`, whose `mayHaveTakenEffect`
   * tells whether it is safe to send again; `usage`/`busy` when too much waits already (see `ready`). Never sends twice.
   * `body` is not copied and must not change until it has settled.
   */
  request(destination: string, body: Uint8Array, options: RequestOptions = {}): Promise<Response> {
    const { traceparent } = options;
    const span = this.#tracer?.startRequest({ destination, sessionId: this.sessionId, traceparent });
    if (span === undefined) return this.#request(destination, body, options);
    return inSpan(span, () =>
      this.#request(destination, body, { ...options, traceparent: span.traceparent }),
    );
  }

  #request(destination: string, body: Uint8Array, options: RequestOptions): Promise<Response> {
    return new Promise((resolve, reject) => {
      const correlation = randomBytes(16);
      const message: OutgoingMessage = {
        kind: 'request',
        correlation,
        destination,
        contentType: options.contentType ?? 'application/octet-stream',
        trace: options.traceparent ?? '',
        payload: body,
      };
      const { timeoutMs = DEFAULT_TIMEOUT_MS, signal } = options;
      const problem = this.#problemWith(message, options);
      if (problem !== undefined) {
        reject(problem);
        return;
      }
      const id = toHex(correlation);
      const timer = setTimeout(() => {
        const text = `no answer from "${destination}" within ${timeoutMs} ms`;
        this.#giveUp(id, new ChannelError('timeout', 'timeout', text));
      }, timeoutMs);
      const onAbort = (): void =>
        this.#giveUp(id, new ChannelError('closed', 'closed', 'the request was given up'));
      signal?.addEventListener('abort', onAbort, { once: true });
      const cleanUp = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
      };
      const pending: Pending = { message, resolve, reject, cleanUp, sequence: undefined };
      this.#pending.set(id, pending);
      this.#sender.add(pending);
    });
  }

  /** Ends it, by message, and a connection of its own too: what is under way fails with `closed`. Idempotent. */
  async close(): Promise<void> {
    if (this.#over !== undefined) return;
    this.sayGoodbye();
    this.end(new ChannelError('closed', 'closed', 'the session was closed'));
    await this.#link.closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** For the connection: tells the gateway that the session ends here. */
  sayGoodbye(): void {
    if (this.#over !== undefined) return;
    this.#sender.last(controlMessage({ kind: 'close', code: 'unavailable', retryAfterMs: 0, detail: '' }));
  }

  /** For the carrier: a frame came. Never throws. */
  onFrame(frame: Uint8Array): void {
    if (this.#over !== undefined) return;
    const outer = parseFrame(frame);
    // Nobody vouches for an alert (docs/protocol.md section 9.3): it ends nothing, and an answer to it costs nothing.
    if (outer.ok && outer.type === FRAME_TYPE.alert) return;
    const opened = this.#established.session.openFrame(frame);
    if (!opened.ok) {
      this.#counts.rejected += 1;
      this.#countBadFrame();
      return;
    }
    const fresh = opened.messages.filter(({ sequence }) => this.#isFirst(sequence));
    // A frame that came before is as bad as one that does not open: both cost us the opening.
    if (fresh.length === 0) this.#countBadFrame();
    else this.#badFramesInARow = 0;
    for (const message of fresh) if (this.#over === undefined) this.#onMessage(message);
  }

  /** For the carrier: it takes frames again. */
  onDrain(): void {
    this.#sender.drained();
  }

  /** For the carrier, and for whatever else ends the session. Idempotent. */
  end(error: ChannelError): void {
    if (this.#over !== undefined) return;
    this.#over = error;
    this.#sender.stop();
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    this.#abandoned.clear();
    this.#releaseRoom();
    for (const { cleanUp, reject, sequence } of pending) {
      cleanUp();
      reject(sequence === undefined ? error : error.whileUnderWay());
    }
    this.#link.close();
  }

  #problemWith(message: OutgoingMessage, options: RequestOptions): ChannelError | undefined {
    if (this.#over !== undefined) return this.#over;
    const problem = problemWith(message, options, this.#established.session.limits);
    if (problem !== undefined) return problem;
    return this.#sender.isFull
      ? new ChannelError('usage', 'busy', 'too many requests wait to be sent; wait for ready()')
      : undefined;
  }

  #isFirst(sequence: number): boolean {
    if (this.#received.verdict(sequence) !== 'fresh') {
      this.#counts.rejected += 1;
      return false;
    }
    this.#received.accept(sequence);
    this.#counts.received += 1;
    return true;
  }

  #countBadFrame(): void {
    this.#badFramesInARow += 1;
    if (this.#badFramesInARow < MAX_BAD_FRAMES) return;
    const text = 'the gateway sends frames that do not verify';
    // On a connection that lives on it would keep the session.
    this.sayGoodbye();
    this.end(new ChannelError('connection', 'connection_lost', text));
  }

  #onMessage(message: OpenedMessage): void {
    if (message.kind === 'control') {
      this.#onControl(message.payload);
      return;
    }
    this.#sender.owe();
    if (message.kind !== 'response' && message.kind !== 'refusal') return;
    const id = toHex(message.correlation);
    const error = message.kind === 'refusal' ? refusalError(message.payload) : undefined;
    if (message.kind === 'refusal' && error === undefined) return;
    const pending = this.#pending.get(id);
    const sequence = pending?.sequence ?? this.#abandoned.get(id);
    // An answer to what never left is no answer.
    if (sequence === undefined) return;
    this.#pending.delete(id);
    this.#abandoned.delete(id);
    this.#sender.answered(sequence);
    pending?.cleanUp();
    if (error !== undefined) pending?.reject(error);
    // The payload has memory of its own; the frame does not outlive this call.
    else pending?.resolve({ contentType: message.contentType, body: message.payload, correlation: id });
  }

  #onControl(payload: Uint8Array): void {
    const parsed = parseControl(payload);
    if (!parsed.ok) return;
    const { control } = parsed;
    if (control.kind === 'close') {
      const { code, retryAfterMs, detail } = control;
      const text = `the gateway ended the session (${code})${detail === '' ? '' : `: ${detail}`}`;
      this.end(new ChannelError('closed', code, text, { retryAfterMs }));
      return;
    }
    if (control.kind !== 'ack') return;
    this.#established.gatewayClock.adjust(control.gatewayTimeMs);
    const settled = new Set(this.#sender.acknowledged(control));
    for (const [id, sequence] of this.#abandoned) if (settled.has(sequence)) this.#abandoned.delete(id);
  }

  #giveUp(id: string, error: ChannelError): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#pending.delete(id);
    pending.cleanUp();
    const { sequence } = pending;
    if (sequence === undefined) this.#sender.withdraw(pending);
    else this.#abandoned.set(id, sequence);
    pending.reject(sequence === undefined ? error : error.whileUnderWay());
  }

  #onUnsendable({ message }: Sendable, cause: SealCause): void {
    this.#giveUp(
      toHex(message.correlation),
      cause === 'epoch_exhausted'
        ? new ChannelError('closed', 'epoch_required', 'the session has sent all it may; open another')
        : new ChannelError('usage', 'invalid_request', `the request cannot be sent: ${cause}`),
    );
  }

  #releaseRoom(): void {
    const waiting = this.#onRoom;
    this.#onRoom = [];
    for (const resolve of waiting) resolve();
  }

  #acknowledgement(): OutgoingMessage {
    return controlMessage({
      kind: 'ack',
      receivedThrough: this.#received.highest,
      lost: this.#received.lost,
      gatewayTimeMs: this.#established.gatewayClock.now(),
      missing: this.#received.missing(MAX_ACK_RANGES),
    });
  }
}
