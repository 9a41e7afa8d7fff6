/**
 * The sessions of one carrier: frames are told apart by session id, and what is wrong with one session stays with it
 * (docs/protocol.md section 3).
 *
 * Nothing links a ServerHello, or an alert without a session id, to the ClientHello that it answers. So one hello at a
 * time is unanswered; from its answer on the session id tells handshakes apart, and the next one may begin. A hello that
 * was given up still has its answer to come, which must not be taken for the answer to another: the next hello waits
 * for it. A gateway that never answers thereby opens no more sessions on this carrier, and those that are open go on.
 */
import { FRAME_TYPE, parseFrame, SID_LENGTH } from '@sallyport/channel';
import { toHex } from '@sallyport/crypto';
import type { Carrier, CarrierEvents, Link, Tenant } from './carrier.ts';
import type { Channel } from './channel.ts';
import { ChannelError } from './errors.ts';
import { Opening, type OpeningOptions } from './opening.ts';
import type { Resumable } from './resumable.ts';
import { Resuming, type ResumeTrust } from './resuming.ts';

export type MultiplexerOptions = {
  /** For messages. */
  readonly address: string;
  readonly openCarrier: (events: CarrierEvents) => Carrier;
  /** For the connection alone. */
  readonly timeoutMs: number;
  /** The carrier is for one session: all that comes is for it, and its end is the carrier's. */
  readonly isOwned: boolean;
  /** Once, after everything on it was told. */
  readonly onEnd: () => void;
};

export type SessionRequest = {
  readonly options: OpeningOptions;
  /** From the call to the open session. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
};

export type ResumeRequest = {
  readonly trust: ResumeTrust;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
};

/** What a gateway allows to be unfinished on one connection (docs/protocol.md section 4). */
const MAX_HANDSHAKES = 8;
/** Sessions that ended here and whose last frames may still come. */
const MAX_FORMER = 256;
const SID_AT = 2;
const NO_SID = '00'.repeat(SID_LENGTH);
const ONLY = 'the only one';

export class Multiplexer {
  readonly #options: MultiplexerOptions;
  readonly #carrier: Carrier;
  readonly #timer: NodeJS.Timeout;
  /** By session id in hex, handshakes included; when the carrier is full they take turns in this order. */
  readonly #sessions = new Map<string, Tenant>();
  readonly #former = new Set<string>();
  /** Those that have not said hello yet, in order. */
  readonly #queue = new Set<Tenant>();
  /** Those that have, and are not open yet. */
  readonly #underWay = new Set<Tenant>();
  /** Whose hello is unanswered, even if it was given up. */
  #greeting: Tenant | undefined;
  /** Set when the carrier is open. */
  #binding: { readonly exporter: Uint8Array | undefined } | undefined;
  #isFull = false;
  #isRetired = false;
  #strays = 0;
  #over: ChannelError | undefined;

  /** Throws what `openCarrier` throws. */
  constructor(options: MultiplexerOptions) {
    this.#options = options;
    const { address, timeoutMs } = options;
    let isMade = false;
    // A carrier may call back before it is returned.
    const onceMade = (act: () => void): void => (isMade ? act() : queueMicrotask(act));
    this.#carrier = options.openCarrier({
      onOpen: (exporter) => onceMade(() => this.#onOpen(exporter)),
      onFrame: (frame) => this.#onFrame(frame),
      onDrain: () => this.#onDrain(),
      onClose: (error) => onceMade(() => this.#fail(error)),
    });
    isMade = true;
    this.#timer = setTimeout(() => {
      const text = `no connection with ${address} within ${timeoutMs} ms`;
      this.#fail(new ChannelError('timeout', 'timeout', text));
    }, timeoutMs);
  }

  /** Why the carrier is over; undefined while it is not. */
  get closedBy(): ChannelError | undefined {
    return this.#over;
  }

  /** True once it could carry frames. */
  get wasOpen(): boolean {
    return this.#binding !== undefined;
  }

  /** Resolves when the carrier is gone. */
  get closed(): Promise<void> {
    return this.#carrier.closed;
  }

  /** Sessions that are open or on their way. */
  get size(): number {
    return this.#tenants().size;
  }

  /** Frames that no session of this carrier can be meant by. */
  get strays(): number {
    return this.#strays;
  }

  async open({ options, timeoutMs, signal }: SessionRequest): Promise<Channel> {
    if (this.#over !== undefined) throw this.#over;
    const givenUp = new ChannelError('closed', 'closed', 'connecting was given up');
    if (signal?.aborted === true) throw givenUp;
    const opening: Opening = new Opening(
      options,
      this.#link(() => opening),
    );
    const onAbort = (): void => opening.giveUp(givenUp);
    const timer = setTimeout(() => {
      const text = `no session with ${this.#options.address} within ${timeoutMs} ms`;
      opening.giveUp(new ChannelError('timeout', 'timeout', text));
    }, timeoutMs);
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      if (this.#options.isOwned) this.#sessions.set(ONLY, opening);
      this.#queue.add(opening);
      this.#next();
      return await opening.result;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    }
  }

  /** Takes a session on again that was open elsewhere. Resolves when the gateway was heard in its new epoch. */
  async resume(session: Resumable, { trust, timeoutMs, signal }: ResumeRequest): Promise<void> {
    if (this.#over !== undefined) throw this.#over;
    const givenUp = new ChannelError('closed', 'closed', 'it was given up');
    if (signal.aborted) throw givenUp;
    const resuming: Resuming = new Resuming(
      session,
      trust,
      this.#link(() => resuming),
    );
    const onAbort = (): void => resuming.giveUp(givenUp);
    const timer = setTimeout(() => {
      const text = `${this.#options.address} did not take the session on within ${timeoutMs} ms`;
      resuming.giveUp(new ChannelError('timeout', 'timeout', text));
    }, timeoutMs);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      const { sessionId } = session;
      this.#former.delete(sessionId);
      this.#sessions.set(this.#options.isOwned ? ONLY : sessionId, resuming);
      this.#queue.add(resuming);
      this.#next();
      await resuming.result;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Ends every session and the carrier, by our own wish. Idempotent. */
  end(error: ChannelError): void {
    if (this.#over === undefined) this.#finish(error, (tenant) => tenant.end(error));
  }

  /** No session comes to it any more; it ends with the last it has. Idempotent. */
  retire(): void {
    this.#isRetired = true;
    this.#endIfDone();
  }

  sayGoodbye(): void {
    if (this.#over === undefined) for (const session of this.#sessions.values()) session.sayGoodbye();
  }

  /** By no wish of ours: what was open may go on elsewhere. */
  #fail(error: ChannelError): void {
    if (this.#over === undefined) this.#finish(error, (tenant) => tenant.lost(error));
  }

  #finish(error: ChannelError, tell: (tenant: Tenant) => void): void {
    this.#over = error;
    clearTimeout(this.#timer);
    const all = this.#tenants();
    this.#queue.clear();
    this.#underWay.clear();
    this.#sessions.clear();
    for (const tenant of all) tell(tenant);
    this.#carrier.close();
    this.#options.onEnd();
  }

  #endIfDone(): void {
    if (this.#isRetired && (this.#options.isOwned || this.size === 0))
      this.end(new ChannelError('closed', 'closed', 'the connection has no session any more'));
  }

  #tenants(): Set<Tenant> {
    return new Set([...this.#queue, ...this.#underWay, ...this.#sessions.values()]);
  }

  #link(session: () => Tenant): Link {
    const { isOwned } = this.#options;
    const carrier = this.#carrier;
    return {
      write: (frame) => {
        if (this.#over === undefined && !carrier.write(frame)) this.#isFull = true;
      },
      isWritable: () => !this.#isFull && this.#over === undefined,
      opened: () => {
        this.#underWay.delete(session());
        this.#next();
      },
      leave: () => this.#leave(session()),
      close: () => {
        this.#leave(session());
        if (isOwned) this.end(new ChannelError('closed', 'closed', 'the session is over'));
      },
      closed: isOwned ? carrier.closed : Promise.resolve(),
    };
  }

  #onOpen(exporter: Uint8Array | undefined): void {
    clearTimeout(this.#timer);
    this.#binding ??= { exporter };
    this.#next();
  }

  /** Lets the next handshake begin when the hello before it is answered. */
  #next(): void {
    if (this.#binding === undefined || this.#over !== undefined) return;
    for (const tenant of this.#queue) {
      if (this.#underWay.size >= MAX_HANDSHAKES) return;
      if (tenant.isGreeting && this.#greeting !== undefined) continue;
      this.#queue.delete(tenant);
      this.#underWay.add(tenant);
      if (tenant.isGreeting) this.#greeting = tenant;
      // What could not even say hello has no answer to come.
      if (!tenant.start(this.#binding.exporter) && this.#greeting === tenant) this.#greeting = undefined;
    }
  }

  #onFrame(frame: Uint8Array): void {
    if (this.#over !== undefined) return;
    const owner = this.#ownerOf(frame);
    if (owner === undefined) this.#strays += 1;
    else owner.onFrame(frame);
  }

  /** By the id alone where it is known: a frame that cannot be read is bad for the session it names, and for no other. */
  #ownerOf(frame: Uint8Array): Tenant | undefined {
    if (this.#options.isOwned) return this.#sessions.get(ONLY);
    const id = toHex(frame.subarray(SID_AT, SID_AT + SID_LENGTH));
    const known = this.#sessions.get(id);
    if (known !== undefined || this.#former.has(id)) return known;
    const parsed = parseFrame(frame);
    if (!parsed.ok || !(parsed.type === FRAME_TYPE.serverHello || parsed.type === FRAME_TYPE.alert)) {
      return undefined;
    }
    return this.#answered(id);
  }

  /** An answer to the hello under way: a ServerHello, or an alert of no session or of one that got no ServerHello. */
  #answered(id: string): Tenant | undefined {
    const opening = this.#greeting;
    if (opening === undefined) return undefined;
    this.#greeting = undefined;
    if (id !== NO_SID) {
      if (opening.isOver) this.#remember(id);
      else this.#sessions.set(id, opening);
    }
    // The frame first: it may fail, and what fails leaves a place.
    queueMicrotask(() => this.#next());
    return opening;
  }

  #leave(session: Tenant): void {
    this.#queue.delete(session);
    this.#underWay.delete(session);
    for (const [id, other] of this.#sessions) {
      if (other !== session) continue;
      this.#sessions.delete(id);
      this.#remember(id);
    }
    this.#endIfDone();
    this.#next();
  }

  #remember(id: string): void {
    this.#former.add(id);
    for (const oldest of this.#former) {
      if (this.#former.size <= MAX_FORMER) return;
      this.#former.delete(oldest);
    }
  }

  /** Each may send until the carrier is full again; who was served goes to the end of the line. */
  #onDrain(): void {
    this.#isFull = false;
    for (const [id, session] of [...this.#sessions]) {
      if (this.#isFull) return;
      if (!this.#sessions.delete(id)) continue;
      this.#sessions.set(id, session);
      session.onDrain();
    }
  }
}
