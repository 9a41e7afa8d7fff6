/**
 * An open session: requests go out in frames, responses come back in any order. What the gateway sends is believed only
 * after it opened, verified and was seen for the first time.
 */
import {
  controlMessage,
  parseControl,
  parseRefusal,
  SequenceWindow,
  type Established,
  type OpenedMessage,
  type OutgoingMessage,
  type RefusalCode,
} from '@sallyport/channel';
import { randomBytes, toHex } from '@sallyport/crypto';
import { ChannelError } from './errors.ts';
import type { Carrier } from './grpc-carrier.ts';
import { OutstandingFrames } from './outstanding.ts';

export type RequestOptions = {
  /** Default `application/octet-stream`. */
  readonly contentType?: string;
  /** Default 30,000. */
  readonly timeoutMs?: number;
  /** W3C traceparent, handed through. */
  readonly traceparent?: string;
  readonly signal?: AbortSignal;
};

export type Response = {
  readonly contentType: string;
  readonly body: Uint8Array;
  /** Hex: names the message in the audit log. */
  readonly correlation: string;
};

export type ChannelCounts = {
  readonly sent: number;
  /** Frames that carried them. */
  readonly frames: number;
  readonly received: number;
  /** Frames of the gateway that did not open or verify, and messages that came twice: none in an honest session. */
  readonly rejected: number;
};

export type ChannelOptions = {
  /** Messages per frame once frames queue up; 1 to 256. Default 32. */
  readonly batch: number;
};

const DEFAULT_TIMEOUT_MS = 30_000;
const MAX_OUTSTANDING_FRAMES = 2;
const MAX_BAD_FRAMES = 16;
/** Acknowledge this many messages of the gateway at the latest, or after this long. */
const ACKNOWLEDGE_AFTER = 64;
const ACKNOWLEDGE_WITHIN_MS = 25;
const MESSAGE_OVERHEAD_BYTES = 1024;
const MAX_MISSING_RANGES = 32;
/** These say that an earlier message under the same correlation is or will be answered: not the end of the request. */
const WAIT_FOR_FIRST: ReadonlySet<RefusalCode> = new Set(['duplicate', 'running']);

type Pending = {
  readonly resolve: (response: Response) => void;
  readonly reject: (error: ChannelError) => void;
  readonly cleanUp: () => void;
  sequence: number | undefined;
};

type Waiting = { readonly message: OutgoingMessage; readonly pending: Pending };

export class Channel implements AsyncDisposable {
  /** Hex; names the session in the audit log. */
  readonly sessionId: string;
  /** Who we are to the gateway. */
  readonly principal: string;
  readonly #established: Established;
  readonly #carrier: Carrier;
  readonly #batch: number;
  readonly #received = new SequenceWindow();
  readonly #outstanding = new OutstandingFrames();
  readonly #pending = new Map<string, Pending>();
  #waiting: Waiting[] = [];
  #isPumpDue = false;
  #isBlocked = false;
  #unacknowledged = 0;
  #acknowledgeTimer: NodeJS.Timeout | undefined;
  #over: ChannelError | undefined;
  #counts = { sent: 0, frames: 0, received: 0, rejected: 0 };
  #badFrames = 0;

  /** Made by `connect`. */
  constructor(established: Established, carrier: Carrier, options: ChannelOptions) {
    this.#established = established;
    this.#carrier = carrier;
    this.#batch = Math.min(options.batch, established.session.limits.maxMessagesPerFrame);
    this.sessionId = toHex(established.session.sid);
    this.principal = established.binding.principal;
  }

  get counts(): ChannelCounts {
    return { ...this.#counts };
  }

  /** Why the session is over; undefined while it is open. */
  get closedBy(): ChannelError | undefined {
    return this.#over;
  }

  /** True when it is time to open a new session: this one nears the end of what it may send, or has become old. */
  get isRenewalDue(): boolean {
    return this.#established.session.isRenewalDue();
  }

  /**
   * Sends `body` to `destination` and resolves with its response. Rejects with `ChannelError`; only `usage` and those
   * refusals that come before the decision mean for certain that nothing happened. `body` must not change until then.
   */
  request(destination: string, body: Uint8Array, options: RequestOptions = {}): Promise<Response> {
    return new Promise((resolve, reject) => {
      const problem = this.#problemWith(destination, body);
      if (problem !== undefined) return reject(problem);
      const correlation = randomBytes(16);
      const id = toHex(correlation);
      const fail = (error: ChannelError): void => {
        if (this.#settle(id)) reject(error);
      };
      const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
      const timer = setTimeout(
        () =>
          fail(
            new ChannelError('timeout', 'timeout', `no answer from "${destination}" within ${timeoutMs} ms`),
          ),
        timeoutMs,
      );
      const onAbort = (): void => fail(new ChannelError('closed', 'closed', 'the request was given up'));
      options.signal?.addEventListener('abort', onAbort, { once: true });
      const pending: Pending = {
        resolve,
        reject,
        sequence: undefined,
        cleanUp: () => {
          clearTimeout(timer);
          options.signal?.removeEventListener('abort', onAbort);
        },
      };
      this.#pending.set(id, pending);
      const message: OutgoingMessage = {
        kind: 'request',
        correlation,
        destination,
        contentType: options.contentType ?? 'application/octet-stream',
        trace: options.traceparent ?? '',
        payload: body,
      };
      this.#waiting.push({ message, pending });
      this.#pumpSoon();
      if (options.signal?.aborted === true) onAbort();
    });
  }

  /** Ends the session: what is under way fails with `closed`. Idempotent. */
  async close(): Promise<void> {
    if (this.#over !== undefined) return;
    const closing = controlMessage({ kind: 'close', code: 'unavailable', retryAfterMs: 0, detail: '' });
    const sealed = this.#established.session.sealFrame([closing]);
    if (sealed.ok) this.#carrier.write(sealed.bytes);
    // One turn of the loop, so that the frame is on its way before the stream is cancelled.
    await new Promise((resolve) => setTimeout(resolve, 10));
    this.end(new ChannelError('closed', 'closed', 'the session was closed'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** For the carrier: a frame for this session came. */
  onFrame(frame: Uint8Array): void {
    if (this.#over !== undefined) return;
    const opened = this.#established.session.openFrame(frame);
    if (!opened.ok) {
      this.#counts.rejected += 1;
      this.#badFrames += 1;
      if (this.#badFrames >= MAX_BAD_FRAMES) {
        this.end(
          new ChannelError('connection', 'connection_lost', 'the gateway sends frames that do not verify'),
        );
      }
      return;
    }
    for (const message of opened.messages) this.#onMessage(message);
    this.#pumpSoon();
  }

  /** For the carrier: it takes frames again. */
  onDrain(): void {
    this.#isBlocked = false;
    this.#pumpSoon();
  }

  /** For the carrier, and for whatever else ends the session. */
  end(error: ChannelError): void {
    if (this.#over !== undefined) return;
    this.#over = error;
    clearTimeout(this.#acknowledgeTimer);
    this.#waiting = [];
    for (const [id, pending] of this.#pending) {
      if (this.#settle(id)) pending.reject(error);
    }
    this.#carrier.close();
  }

  #problemWith(destination: string, body: Uint8Array): ChannelError | undefined {
    if (this.#over !== undefined) return this.#over;
    const { maxFrameBytes } = this.#established.session.limits;
    if (!/^[\x20-\x7e]{1,255}$/u.test(destination)) {
      return new ChannelError(
        'usage',
        'invalid_request',
        'a destination is 1 to 255 printable ASCII characters',
      );
    }
    if (body.length > maxFrameBytes - 2 * MESSAGE_OVERHEAD_BYTES) {
      const most = maxFrameBytes - 2 * MESSAGE_OVERHEAD_BYTES;
      return new ChannelError(
        'usage',
        'too_large',
        `a message has at most ${most} bytes, this one ${body.length}`,
      );
    }
    return undefined;
  }

  #onMessage(message: OpenedMessage): void {
    if (this.#received.verdict(message.sequence) !== 'fresh') {
      this.#counts.rejected += 1;
      return;
    }
    this.#received.accept(message.sequence);
    this.#counts.received += 1;
    if (message.kind === 'control') return this.#onControl(message.payload);
    this.#acknowledgeLater();
    if (message.kind !== 'response' && message.kind !== 'refusal') return;
    const id = toHex(message.correlation);
    const pending = this.#pending.get(id);
    if (message.kind === 'response') {
      if (!this.#settle(id)) return;
      // The payload has memory of its own; the frame does not outlive this call.
      pending?.resolve({ contentType: message.contentType, body: message.payload, correlation: id });
      return;
    }
    const refusal = parseRefusal(message.payload);
    const code = refusal.ok ? refusal.code : 'internal';
    if (WAIT_FOR_FIRST.has(code) || !this.#settle(id)) return;
    const detail = refusal.ok && refusal.detail !== '' ? refusal.detail : `the gateway refused: ${code}`;
    const retryAfterMs = refusal.ok ? refusal.retryAfterMs : 0;
    pending?.reject(new ChannelError('refusal', code, detail, { retryAfterMs }));
  }

  #onControl(payload: Uint8Array): void {
    const parsed = parseControl(payload);
    if (!parsed.ok) return;
    const { control } = parsed;
    if (control.kind === 'close') {
      const { code, retryAfterMs } = control;
      this.end(new ChannelError('closed', code, `the gateway ended the session: ${code}`, { retryAfterMs }));
      return;
    }
    this.#established.gatewayClock.adjust(control.gatewayTimeMs);
    this.#established.session.acknowledgeThrough(control.receivedThrough);
    this.#outstanding.settleThrough(control.receivedThrough);
  }

  /** True when the request was still open; it no longer is. */
  #settle(id: string): boolean {
    const pending = this.#pending.get(id);
    if (pending === undefined) return false;
    this.#pending.delete(id);
    pending.cleanUp();
    if (pending.sequence !== undefined) {
      this.#established.session.acknowledge(pending.sequence);
      this.#outstanding.settle(pending.sequence);
    } else {
      this.#waiting = this.#waiting.filter((waiting) => waiting.pending !== pending);
    }
    return true;
  }

  /** Requests made in one turn share a frame. */
  #pumpSoon(): void {
    if (this.#isPumpDue) return;
    this.#isPumpDue = true;
    queueMicrotask(() => {
      this.#isPumpDue = false;
      this.#pump();
    });
  }

  #pump(): void {
    const { session } = this.#established;
    while (this.#waiting.length > 0 && !this.#isBlocked && this.#over === undefined) {
      const isGathering =
        this.#outstanding.count >= MAX_OUTSTANDING_FRAMES && this.#waiting.length < this.#batch;
      if (isGathering || session.sendCredit < 1) break;
      const batch = this.#nextBatch(session.sendCredit);
      if (!this.#send(batch)) return;
    }
    if (this.#unacknowledged >= ACKNOWLEDGE_AFTER) this.#acknowledge();
  }

  #nextBatch(credit: number): Waiting[] {
    const most = Math.min(this.#waiting.length, this.#batch, credit);
    let bytes = 4 * MESSAGE_OVERHEAD_BYTES;
    let count = 0;
    for (; count < most; count += 1) {
      bytes += (this.#waiting[count]?.message.payload.length ?? 0) + MESSAGE_OVERHEAD_BYTES;
      if (bytes > this.#established.session.limits.maxFrameBytes) break;
    }
    return this.#waiting.splice(0, Math.max(1, count));
  }

  #send(batch: readonly Waiting[]): boolean {
    const messages = batch.map(({ message }) => message);
    const isAcknowledging = this.#unacknowledged > 0 && messages.length < this.#batch;
    if (isAcknowledging) messages.push(this.#acknowledgement());
    const sealed = this.#established.session.sealFrame(messages);
    if (!sealed.ok) {
      if (sealed.cause === 'epoch_exhausted') {
        this.end(
          new ChannelError('closed', 'epoch_required', 'the session has sent all it may; connect anew'),
        );
      } else {
        const message = `the request cannot be sent: ${sealed.cause}`;
        for (const { pending } of batch)
          pending.reject(new ChannelError('usage', 'invalid_request', message));
      }
      return false;
    }
    for (const [index, { pending }] of batch.entries()) pending.sequence = sealed.firstSequence + index;
    this.#outstanding.add(sealed.firstSequence, batch.length);
    this.#counts.sent += batch.length;
    this.#counts.frames += 1;
    this.#isBlocked = !this.#carrier.write(sealed.bytes);
    return true;
  }

  #acknowledgeLater(): void {
    this.#unacknowledged += 1;
    this.#acknowledgeTimer ??= setTimeout(() => this.#acknowledge(), ACKNOWLEDGE_WITHIN_MS);
  }

  #acknowledge(): void {
    if (this.#unacknowledged === 0 || this.#over !== undefined || this.#isBlocked) return;
    const sealed = this.#established.session.sealFrame([this.#acknowledgement()]);
    if (sealed.ok) this.#isBlocked = !this.#carrier.write(sealed.bytes);
  }

  #acknowledgement(): OutgoingMessage {
    clearTimeout(this.#acknowledgeTimer);
    this.#acknowledgeTimer = undefined;
    this.#unacknowledged = 0;
    return controlMessage({
      kind: 'ack',
      receivedThrough: this.#received.highest,
      lost: this.#received.lost,
      gatewayTimeMs: this.#established.gatewayClock.now(),
      missing: this.#received.missing(MAX_MISSING_RANGES),
    });
  }
}
