/**
 * A session on its way to another carrier: ResumeHello, its answer, and the first frame, until the gateway is heard in the new
 * epoch. Until then nothing but that one small frame leaves: it may be for nothing.
 */
import {
  ClientResume,
  FRAME_TYPE,
  parseAlert,
  parseFrame,
  type AlertCode,
  type ClientFailure,
  type ClientResumeOptions,
} from '@sallyport/channel';
import type { Link, Tenant } from './carrier.ts';
import type { ChannelError } from './errors.ts';
import type { Resumable } from './resumable.ts';

export type ResumeTrust = Omit<ClientResumeOptions, 'session' | 'receivedThrough' | 'exporter'>;

/** Frames that may wait while a proof is checked. An honest gateway sends one and waits. */
const MAX_QUEUED_FRAMES = 16;

/** The gateway does not take this session on. `isFinal`: it would not at another time either. */
export class ResumeRefused extends Error {
  override readonly name = 'ResumeRefused';
  readonly isFinal: boolean;
  readonly retryAfterMs: number;

  constructor(message: string, isFinal: boolean, retryAfterMs = 0) {
    super(message);
    this.isFinal = isFinal;
    this.retryAfterMs = retryAfterMs;
  }
}

export class Resuming implements Tenant {
  readonly isGreeting = false;
  /** Resolves when the gateway was heard in the new epoch. Settles once. */
  readonly result: Promise<void>;
  readonly #settle: { resolve: () => void; reject: (error: unknown) => void };
  readonly #session: Resumable;
  readonly #trust: ResumeTrust;
  readonly #link: Link;
  #resume: ClientResume | undefined;
  #isAttached = false;
  #isHeard = false;
  #isOver = false;
  #queue: Uint8Array[] = [];
  #isWorking = false;

  constructor(session: Resumable, trust: ResumeTrust, link: Link) {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.result = promise;
    this.#settle = { resolve, reject };
    this.#session = session;
    this.#trust = trust;
    this.#link = link;
    promise.catch(() => undefined);
  }

  get isOver(): boolean {
    return this.#isOver || this.#session.closedBy !== undefined;
  }

  start(exporter: Uint8Array | undefined): boolean {
    if (this.isOver || this.#resume !== undefined) return false;
    try {
      const { session, receivedThrough } = this.#session.forResume();
      this.#resume = new ClientResume({ ...this.#trust, session, receivedThrough, exporter });
      this.#link.write(this.#resume.start());
      return true;
    } catch (error) {
      this.giveUp(error);
      return false;
    }
  }

  onFrame(frame: Uint8Array): void {
    if (this.isOver) return;
    if (this.#isHeard) return this.#session.onFrame(frame);
    if (this.#queue.length >= MAX_QUEUED_FRAMES) {
      return this.giveUp(new ResumeRefused('the gateway floods the resume', false));
    }
    this.#queue.push(frame);
    if (!this.#isWorking) void this.#work();
  }

  onDrain(): void {
    if (this.#isHeard) this.#session.onDrain();
  }

  lost(error: ChannelError): void {
    if (this.#isHeard) this.#session.lost(error);
    else this.giveUp(error);
  }

  end(error: ChannelError): void {
    this.giveUp(error);
    this.#session.end(error);
  }

  sayGoodbye(): void {
    if (this.#isHeard) this.#session.sayGoodbye();
  }

  /** This attempt is over; the session may go on to another. Does nothing once the gateway was heard. */
  giveUp(error: unknown): void {
    if (this.#isHeard || this.#isOver) return;
    this.#isOver = true;
    this.#queue = [];
    this.#settle.reject(error);
    this.#link.leave();
  }

  /** One frame at a time: what follows the answer at once is the session's. Never rejects. */
  async #work(): Promise<void> {
    this.#isWorking = true;
    for (let frame = this.#queue.shift(); frame !== undefined; frame = this.#queue.shift()) {
      if (this.#isHeard) this.#session.onFrame(frame);
      else if (this.#isAttached) this.#onFirstFrame(frame);
      else await this.#onAnswer(frame);
    }
    this.#isWorking = false;
  }

  async #onAnswer(frame: Uint8Array): Promise<void> {
    const result = await this.#resume?.onResumeAnswer(frame);
    if (this.isOver) return;
    if (result === undefined) return this.giveUp(new ResumeRefused('the gateway spoke first', false));
    if (!result.ok) return this.giveUp(refusedBy(result));
    this.#isAttached = true;
    this.#session.attach(result, this.#link);
  }

  /** An alert ends an attempt that nobody has confirmed, as it ends a handshake. */
  #onFirstFrame(frame: Uint8Array): void {
    const outer = parseFrame(frame);
    if (outer.ok && outer.type === FRAME_TYPE.alert) {
      const alert = parseAlert(outer.body);
      // It has the record: another attachment may have come first, so it is worth another attempt.
      const text = `the gateway did not take the session on (${alert.ok ? alert.code : alert.cause})`;
      return this.giveUp(new ResumeRefused(text, false, alert.ok ? alert.retryAfterMs : 0));
    }
    this.#session.onFrame(frame, () => {
      this.#isHeard = true;
      this.#link.opened();
      this.#settle.resolve();
    });
  }
}

function refusedBy({ cause, alert }: ClientFailure): ResumeRefused {
  if (alert !== undefined) return refusedByAlert(alert.code, alert.retryAfterMs);
  return new ResumeRefused(`the gateway did not prove itself (${cause})`, false);
}

function refusedByAlert(code: AlertCode, retryAfterMs: number): ResumeRefused {
  const isFinal = code === 'unknown_session' || code === 'invalid_message' || code === 'unsupported';
  return new ResumeRefused(`the gateway refused the resume (${code})`, isFinal, retryAfterMs);
}
