/**
 * A session: requests go out in frames, responses come back in any order. What the gateway sends is believed only after it
 * opened, verified and was seen for the first time. The session outlives its connection: while it is resumed elsewhere
 * requests wait, and what had left is asked for again under its own correlation.
 */
import {
  controlMessage,
  MAX_ACK_RANGES,
  parseControl,
  parseFrame,
  FRAME_TYPE,
  SequenceWindow,
  type Established,
  type GatewayClock,
  type OpenedMessage,
  type OutgoingMessage,
  type Refusal,
  type ResumedByClient,
  type SealCause,
  type Session,
} from '@sallyport/channel';
import { randomBytes, toHex } from '@sallyport/crypto';
import type { Link } from './carrier.ts';
import { ChannelError } from './errors.ts';
import { isResumable } from './refusals.ts';
import {
  problemWith,
  type ChannelOptions,
  type ChannelCounts,
  type ChannelState,
  type RequestOptions,
  type Response,
} from './request.ts';
import { Requests } from './requests.ts';
import { notResumed, type Resumable, type Resumer } from './resumable.ts';
import { Sender } from './sender.ts';
import { inSpan, type ClientTracer } from './tracing.ts';
import type { Sendable } from './waiting.ts';

/** docs/protocol.md section 8.1. */
const MAX_BAD_FRAMES = 16;

export class Channel implements AsyncDisposable, Resumable {
  /** Hex; names the session in the audit log. The same over all resumes. */
  readonly sessionId: string;
  /** Who we are to the gateway. */
  readonly principal: string;
  readonly #resumer: Resumer | undefined;
  readonly #onState: ((state: ChannelState) => void) | undefined;
  readonly #tracer: ClientTracer | undefined;
  readonly #sender: Sender;
  readonly #requests: Requests;
  readonly #received = new SequenceWindow();
  readonly #ended = new AbortController();
  #session: Session;
  #gatewayClock: GatewayClock;
  #link: Link;
  #state: ChannelState = 'open';
  #onRoom: (() => void)[] = [];
  #over: ChannelError | undefined;
  #counts = { received: 0, rejected: 0, resumes: 0 };
  #badFramesInARow = 0;

  /** Made by `connect` and `Connection.open`. Without a resumer it ends with its carrier. */
  constructor(established: Established, link: Link, options: ChannelOptions, resumer?: Resumer) {
    const { session, binding, gatewayClock } = established;
    this.#session = session;
    this.#gatewayClock = gatewayClock;
    this.#link = link;
    this.#resumer = resumer;
    this.#onState = options.onState;
    this.#tracer = options.tracer;
    this.#sender = new Sender({
      now: () => this.#gatewayClock.now(),
      batch: Math.min(options.batch, session.limits.maxMessagesPerFrame),
      maxWaiting: options.maxWaiting,
      acknowledgement: () => this.#acknowledgement(),
      onUnsendable: (sendable, cause) => this.#onUnsendable(sendable, cause),
      onRoom: () => this.#releaseRoom(),
    });
    this.#requests = new Requests(this.#sender);
    this.sessionId = toHex(session.sid);
    this.principal = binding.principal;
    this.#sender.attach(this.#line());
  }

  /** `resuming`: requests are taken and wait. */
  get state(): ChannelState {
    return this.#state;
  }

  get counts(): ChannelCounts {
    return { sent: this.#sender.sent, frames: this.#sender.frames, ...this.#counts };
  }

  /** Why the session is over; undefined while it is not. */
  get closedBy(): ChannelError | undefined {
    return this.#over;
  }

  /** True when it is time to open a new session: this one nears the end of what its epoch may send, or has become old. */
  get isRenewalDue(): boolean {
    return this.#session.isRenewalDue();
  }

  /** Resolves when a request would be taken (or the session is over): back-pressure for callers that outrun the gateway. */
  ready(): Promise<void> {
    if (!this.#sender.isFull || this.#over !== undefined) return Promise.resolve();
    return new Promise((resolve) => this.#onRoom.push(resolve));
  }

  /**
   * Sends `body` to `destination` and resolves with its response. Rejects with `ChannelError`, whose `mayHaveTakenEffect`
   * tells whether it is safe to send again; `usage`/`busy` when too much waits already (see `ready`). Takes effect at most
   * once. `body` is not copied and must not change until it has settled.
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
    const message: OutgoingMessage = {
      kind: 'request',
      correlation: randomBytes(16),
      destination,
      contentType: options.contentType ?? 'application/octet-stream',
      trace: options.traceparent ?? '',
      payload: body,
    };
    const problem = this.#problemWith(message, options);
    return problem === undefined ? this.#requests.open(message, options) : Promise.reject(problem);
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

  /** For the carrier: a frame came. `onHeard` is called for the first good one after a resume. Never throws. */
  onFrame(frame: Uint8Array, onHeard?: () => void): void {
    // Between two attachments only the one that resumes has anything to say.
    if (this.#over !== undefined || (this.#state === 'resuming') !== (onHeard !== undefined)) return;
    const outer = parseFrame(frame);
    // Nobody vouches for an alert (docs/protocol.md section 9.3): it ends nothing, and an answer to it costs nothing.
    if (outer.ok && outer.type === FRAME_TYPE.alert) return;
    const opened = this.#session.openFrame(frame);
    if (!opened.ok) {
      this.#counts.rejected += 1;
      this.#countBadFrame();
      return;
    }
    const fresh = opened.messages.filter(({ sequence }) => this.#isFirst(sequence));
    // A frame that came before is as bad as one that does not open: both cost us the opening.
    if (fresh.length === 0) this.#countBadFrame();
    else this.#badFramesInARow = 0;
    if (onHeard !== undefined) {
      this.#goOn();
      onHeard();
    }
    for (const message of fresh) if (this.#state === 'open') this.#onMessage(message);
  }

  /** For the carrier: it takes frames again. */
  onDrain(): void {
    this.#sender.drained();
  }

  /** For the carrier: it is gone, or the gateway wants the session resumed. It goes on elsewhere if it can. */
  lost(reason: ChannelError, isGatewayGoing = false): void {
    if (this.#state !== 'open') return;
    if (this.#resumer === undefined) return this.end(reason);
    this.#link.leave();
    // One that is going away would only say so again.
    if (isGatewayGoing) this.#resumer.leaveGateway();
    this.#sender.detach();
    this.#requests.leaveEpoch();
    this.#setState('resuming');
    void this.#resume(this.#resumer, reason);
  }

  /** For a resume: what it begins with. The epoch is left as it starts. */
  forResume(): { readonly session: Session; readonly receivedThrough: number } {
    this.#received.closeThrough(this.#received.highest);
    return { session: this.#session, receivedThrough: this.#received.highest };
  }

  /** For a resume: says the first word in the new epoch. Nothing else leaves before the gateway is heard in it. */
  attach({ session, gatewayClock, finished }: ResumedByClient, link: Link): void {
    this.#session = session;
    this.#gatewayClock = gatewayClock;
    this.#link = link;
    this.#badFramesInARow = 0;
    const sealed = session.sealFrame([finished]);
    if (sealed.ok) link.write(sealed.bytes);
  }

  /** For the carrier, and for whatever else ends the session. Idempotent. */
  end(error: ChannelError): void {
    if (this.#over !== undefined) return;
    this.#over = error;
    this.#sender.stop();
    this.#ended.abort();
    this.#releaseRoom();
    this.#requests.end(error);
    this.#link.close();
    this.#resumer?.ended();
    this.#setState('closed');
  }

  async #resume(resumer: Resumer, reason: ChannelError): Promise<void> {
    const problem = await resumer.run(this, this.#ended.signal);
    if (problem !== undefined) this.end(notResumed(reason, problem));
  }

  /** The gateway was heard in the new epoch. */
  #goOn(): void {
    this.#counts.resumes += 1;
    this.#setState('open');
    this.#requests.sendAgain();
    this.#sender.attach(this.#line());
  }

  #line() {
    const [session, link] = [this.#session, this.#link];
    return {
      session,
      write: (frame: Uint8Array) => link.write(frame),
      isWritable: () => link.isWritable(),
    };
  }

  #setState(state: ChannelState): void {
    this.#state = state;
    this.#onState?.(state);
  }

  #problemWith(message: OutgoingMessage, options: RequestOptions): ChannelError | undefined {
    if (this.#over !== undefined) return this.#over;
    const problem = problemWith(message, options, this.#session.limits);
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
    if (message.kind === 'response' || message.kind === 'refusal') this.#requests.onAnswer(message);
  }

  #onControl(payload: Uint8Array): void {
    const parsed = parseControl(payload);
    if (!parsed.ok) return;
    const { control } = parsed;
    if (control.kind === 'close') return this.#onClose(control);
    if (control.kind !== 'ack') return;
    this.#gatewayClock.adjust(control.gatewayTimeMs);
    this.#requests.acknowledged(this.#sender.acknowledged(control));
  }

  #onClose({ code, retryAfterMs, detail }: Refusal): void {
    const text = `the gateway ended the session (${code})${detail === '' ? '' : `: ${detail}`}`;
    const error = new ChannelError('closed', code, text, { retryAfterMs });
    if (!isResumable(code)) return this.end(error);
    this.lost(error, code === 'unavailable');
  }

  #onUnsendable({ message }: Sendable, cause: SealCause): void {
    if (cause === 'epoch_exhausted') {
      const text = 'the session has sent all it may in its epoch';
      const error = new ChannelError('closed', 'epoch_required', text);
      if (this.#resumer !== undefined) return this.lost(error);
      return this.#requests.giveUp(toHex(message.correlation), error);
    }
    const error = new ChannelError('usage', 'invalid_request', `the request cannot be sent: ${cause}`);
    this.#requests.giveUp(toHex(message.correlation), error);
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
      gatewayTimeMs: this.#gatewayClock.now(),
      missing: this.#received.missing(MAX_ACK_RANGES),
    });
  }
}
