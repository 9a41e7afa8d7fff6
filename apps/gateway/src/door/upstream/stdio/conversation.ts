/**
 * One child and those of one principal who speak with it: which stream each thing it says belongs to.
 *
 * An answer goes to who asked; progress and subscriptions to the request that they name; what names nothing to the stream of
 * the only request under way, else to who listens, else it waits, within bounds. What belongs to nobody is left out.
 */
import {
  errorResponse,
  INTERNAL_ERROR,
  isRequest,
  isResponse,
  parseMessage,
  type Era,
  type Message,
  type Notification,
  type Request,
  type RequestId,
  type Response,
} from '@sallyport/model-context';
import { UpstreamFailure, type ServerEvent } from '../../ports.ts';
import { ByteBudget, SERVER_BOUNDS, STREAM_WINDOW_MS } from '../exchanges.ts';
import { Recent } from '../owners.ts';
import type { Child } from './child.ts';
import { Flow } from './flow.ts';
import { Outlet } from './outlet.ts';
import {
  cancellation,
  cancelledBy,
  named,
  namedBy,
  relationOf,
  renamed,
  restored,
  type Named,
} from './rewrite.ts';
import { Strikes } from './strikes.ts';
import { Waiting } from './waiting.ts';

/** Of the server's requests that are not answered. */
const MAX_ASKED = 256;
/** After a cancellation there is usually no answer. */
const CANCELLED_MS = 5_000;

export type ConversationOptions = {
  readonly era: Era;
  readonly maxMessageBytes: number;
  readonly maxExchangeBytes: number;
  readonly requestIdleMs: number;
  /** The first request of all waits for the process as well. */
  readonly startTimeoutMs: number;
  readonly monotonic: () => number;
  /** A line that is not the protocol. */
  readonly onMalformed: (line: string, why: string) => void;
};

export type Pending = {
  readonly own: number;
  readonly outlet: Outlet;
  /** Nobody waits any more; the server is told. Nothing when it has ended. */
  abandon(): void;
};

type Open = Pending & {
  readonly named: Named;
  readonly method: string;
  readonly budget: ByteBudget;
  timer: NodeJS.Timeout | undefined;
};

/** Whom it is held with. */
export type Peer = Pick<Child, 'write' | 'pause' | 'resume'>;

/** Everything that is said with one child. Whoever holds it feeds it with `hear` and tells it the `end`. */
export class Conversation {
  readonly #options: ConversationOptions;
  readonly #child: Peer;
  readonly #open = new Map<number, Open>();
  /** Answered or given up: what still comes for these is late, not wrong. */
  readonly #past = new Recent<number, true>(1_024);
  /** Requests of the server, by id, and where they went. */
  readonly #asked = new Map<RequestId, Outlet | undefined>();
  readonly #waiting = new Waiting((id) => this.#refuse(id, 'Nobody listens.'));
  readonly #strikes: Strikes;
  readonly #unheard: ByteBudget;
  readonly #flow: Flow;
  #listener: Outlet | undefined;
  #last = 0;
  #isAnswering = false;
  #end: UpstreamFailure | undefined;
  #usedMs: number;

  constructor(child: Peer, options: ConversationOptions) {
    this.#child = child;
    this.#options = options;
    this.#unheard = new ByteBudget(options.maxExchangeBytes, STREAM_WINDOW_MS, options.monotonic);
    this.#usedMs = options.monotonic();
    this.#strikes = new Strikes(options.monotonic);
    this.#flow = new Flow(
      child,
      () => this.#streams(),
      (outlet, failure) => this.#giveUp(outlet, failure),
    );
  }

  get underWay(): number {
    return this.#open.size;
  }

  /** Nothing is under way and nobody listens, since then; undefined while something is. */
  get idleSinceMs(): number | undefined {
    return this.#open.size === 0 && this.#listener === undefined ? this.#usedMs : undefined;
  }

  /** It has said something of the protocol. */
  get isAnswering(): boolean {
    return this.#isAnswering;
  }

  get isOver(): boolean {
    return this.#end !== undefined;
  }

  /** Throws `UpstreamFailure`. */
  ask(request: Request): Pending {
    this.#mustLive();
    const { maxExchangeBytes, monotonic } = this.#options;
    const own = (this.#last += 1);
    const names = namedBy(request);
    const isStream = request.method === 'subscriptions/listen';
    this.#child.write(JSON.stringify(renamed(request, names, own)));
    const open: Open = {
      ...{ own, named: names, method: request.method, timer: undefined },
      outlet: new Outlet(() => this.#flow.look()),
      budget: new ByteBudget(maxExchangeBytes, isStream ? STREAM_WINDOW_MS : undefined, monotonic),
      abandon: () => this.#abandon(own, gone()),
    };
    this.#open.set(own, open);
    const { requestIdleMs, startTimeoutMs } = this.#options;
    this.#touch(open, this.#isAnswering ? requestIdleMs : Math.max(requestIdleMs, startTimeoutMs));
    return open;
  }

  /** A notification or a response of the client. Throws `UpstreamFailure`. */
  tell(message: Notification | Response): void {
    this.#mustLive();
    this.#usedMs = this.#options.monotonic();
    if (isResponse(message)) {
      // An answer to what was not asked, or was answered, is not for the server.
      if (message.id === undefined || message.id === null || !this.#asked.delete(message.id)) return;
      this.#child.write(JSON.stringify(message));
      return;
    }
    const target = cancelledBy(message);
    if (target === undefined) return this.#child.write(JSON.stringify(message));
    const open = [...this.#open.values()].findLast(({ named: { id } }) => id === target);
    if (open === undefined) return;
    this.#child.write(JSON.stringify({ ...message, params: { ...message.params, requestId: open.own } }));
    this.#touch(open, CANCELLED_MS);
  }

  /** The stream of what belongs to no request; a new one takes the place of the one before. */
  listen(): Outlet {
    this.#mustLive();
    this.#listener?.end();
    const outlet = new Outlet(() => this.#flow.look());
    this.#listener = outlet;
    for (const { message, bytes } of this.#waiting.takeAll()) {
      if (isRequest(message)) this.#asked.set(message.id, outlet);
      outlet.push({ message }, bytes);
    }
    return outlet;
  }

  /** Its reader is gone. */
  unlisten(outlet: Outlet, failure: UpstreamFailure = gone()): void {
    outlet.drop(failure);
    if (this.#listener !== outlet) return;
    this.#listener = undefined;
    this.#usedMs = this.#options.monotonic();
  }

  /** A line of the child. Throws `UpstreamFailure` when it cannot be borne any longer. */
  hear(line: Uint8Array): void {
    const parsed = parseMessage(line, SERVER_BOUNDS);
    if (!parsed.ok) return this.#strike(Buffer.from(line.subarray(0, 1_024)).toString('utf8'), parsed.detail);
    this.#isAnswering = true;
    const { message } = parsed;
    if (isResponse(message)) this.#answered(message, line.length);
    else if (isRequest(message)) this.#requested(message, line.length);
    else this.#notified(message, line.length);
  }

  /** The child is gone, for this reason. `isOrderly`: those who listen end without a failure. */
  end(failure: UpstreamFailure, isOrderly = false): void {
    if (this.#end !== undefined) return;
    this.#end = failure;
    this.#flow.stop();
    for (const open of this.#open.values()) {
      clearTimeout(open.timer);
      open.outlet.end(failure);
    }
    this.#open.clear();
    this.#listener?.end(isOrderly ? undefined : failure);
    this.#listener = undefined;
  }

  #answered(message: Response, bytes: number): void {
    const open = typeof message.id === 'number' ? this.#open.get(message.id) : undefined;
    if (open === undefined) {
      const isLate = typeof message.id === 'number' && this.#past.get(message.id) === true;
      if (!isLate) this.#strike('', 'an answer to what it was not asked');
      return this.#unheard.take(bytes);
    }
    this.#give(open, { message: restored(message, open.named) }, bytes);
    this.#close(open);
    open.outlet.end();
  }

  #requested(message: Request, bytes: number): void {
    if (this.#options.era === 'stateless') return this.#strike(message.method, 'a request of a server');
    if (this.#asked.has(message.id) || this.#asked.size >= MAX_ASKED)
      return this.#refuse(message.id, 'Too many requests, or one with the id of another.');
    // Somebody has to answer: the youngest who waits, when nobody listens.
    const only =
      this.#open.size === 1 || this.#listener === undefined ? [...this.#open.values()].at(-1) : undefined;
    const isOpening = only?.method === 'initialize';
    this.#asked.set(message.id, isOpening ? undefined : (only?.outlet ?? this.#listener));
    this.#place(message, isOpening ? undefined : only, bytes);
  }

  #notified(message: Notification, bytes: number): void {
    const own = relationOf(message);
    if (own !== undefined) {
      const open = this.#open.get(own);
      if (open === undefined) return this.#unheard.take(bytes);
      return this.#give(open, { message: named(message, open.named) }, bytes);
    }
    // Progress of nothing that is under way.
    if (message.method === 'notifications/progress') return this.#unheard.take(bytes);
    const target = cancelledBy(message);
    const where =
      typeof target === 'string' || typeof target === 'number' ? this.#asked.get(target) : undefined;
    const [only] = this.#open.size === 1 ? [...this.#open.values()] : [];
    const related = [...this.#open.values()].find(({ outlet }) => outlet === where) ?? only;
    this.#place(message, related?.method === 'initialize' ? undefined : related, bytes);
  }

  #place(message: Message, open: Open | undefined, bytes: number): void {
    if (open !== undefined) return this.#give(open, { message }, bytes);
    this.#unheard.take(bytes);
    if (this.#listener !== undefined) {
      this.#listener.push({ message }, bytes);
      return this.#flow.look();
    }
    if (this.#options.era === 'stateless') return;
    this.#waiting.push({ message, bytes });
  }

  #give(open: Open, event: ServerEvent, bytes: number): void {
    // More than the bound is a flood: the child goes, for it would not stop.
    open.budget.take(bytes);
    open.outlet.push(event, bytes);
    this.#touch(open, this.#options.requestIdleMs);
    this.#flow.look();
  }

  #refuse(id: RequestId, why: string): void {
    this.#asked.delete(id);
    try {
      this.#child.write(JSON.stringify(errorResponse(id, INTERNAL_ERROR, why)));
    } catch {
      // It does not read, or is ending.
    }
  }

  /** `failure`: what its reader is told, after what is held where that `keeps`. */
  #abandon(own: number, failure: UpstreamFailure, keeps = false): void {
    const open = this.#open.get(own);
    if (open === undefined) return;
    this.#close(open);
    if (keeps) open.outlet.end(failure);
    else open.outlet.drop(failure);
    try {
      this.#child.write(JSON.stringify(cancellation(own, failure.message)));
    } catch {
      // It does not read, or is ending.
    }
  }

  #close(open: Open): void {
    clearTimeout(open.timer);
    this.#open.delete(open.own);
    this.#past.set(open.own, true);
    this.#usedMs = this.#options.monotonic();
  }

  #touch(open: Open, ms: number): void {
    clearTimeout(open.timer);
    if (open.method === 'subscriptions/listen' || !this.#open.has(open.own)) return;
    open.timer = setTimeout(() => {
      // Not heard because nothing is read: the child is not to blame.
      if (this.#flow.isPaused) return this.#touch(open, ms);
      const failure = new UpstreamFailure('timeout', `the server said nothing to the request for ${ms} ms`);
      this.#abandon(open.own, failure, true);
    }, ms);
  }

  #streams(): readonly Outlet[] {
    const streams = [...this.#open.values()].map(({ outlet }) => outlet);
    if (this.#listener !== undefined) streams.push(this.#listener);
    return streams;
  }

  #giveUp(outlet: Outlet, failure: UpstreamFailure): void {
    const open = [...this.#open.values()].find((each) => each.outlet === outlet);
    if (open === undefined) this.unlisten(outlet, failure);
    else this.#abandon(open.own, failure);
  }

  #strike(line: string, why: string): void {
    this.#options.onMalformed(line, why);
    this.#strikes.add();
  }

  #mustLive(): void {
    if (this.#end !== undefined)
      throw new UpstreamFailure('broke_off', 'the server has ended', { isWithoutEffect: true });
  }
}

const gone = (): UpstreamFailure => new UpstreamFailure('cancelled', 'the client is gone');
