/**
 * The connections of one client, one after the other: sessions share the one there is, and when it is lost the next address is
 * dialled, after a pause that grows and is never the same for two clients.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Carrier, CarrierEvents } from './carrier.ts';
import { ChannelError } from './errors.ts';
import { Multiplexer } from './multiplexer.ts';

export type ConnectorOptions = {
  /** At least one; dialled in turn. */
  readonly addresses: readonly string[];
  readonly openCarrier: (events: CarrierEvents, address: string) => Carrier;
  /** For each connection alone. */
  readonly timeoutMs: number;
  /** For one session: a connection is its, and ends with it. */
  readonly isOwned: boolean;
  /** False: the first connection that opened is the only one. */
  readonly isReconnecting: boolean;
  readonly firstPauseMs: number;
  readonly maxPauseMs: number;
  /** 0 to 1. */
  readonly random: () => number;
};

export type Dialled = { readonly multiplexer: Multiplexer; readonly address: string };

export class Connector {
  readonly #options: ConnectorOptions;
  readonly #all = new Set<Multiplexer>();
  readonly #closing = new AbortController();
  #current: Dialled | undefined;
  #dialling: Promise<Dialled> | undefined;
  #dials = 0;
  /** Since a session last came of one. */
  #failures = 0;
  #away = 0;
  #strays = 0;
  #over: ChannelError | undefined;

  /** Dials the first address at once. Throws what `openCarrier` throws. */
  constructor(options: ConnectorOptions) {
    this.#options = options;
    this.#dial();
  }

  get addresses(): readonly string[] {
    return this.#options.addresses;
  }

  get isReconnecting(): boolean {
    return this.#options.isReconnecting;
  }

  /** Why there will be no other connection; undefined while there may be. */
  get closedBy(): ChannelError | undefined {
    if (this.#over !== undefined || this.#options.isReconnecting) return this.#over;
    const { multiplexer } = this.#current ?? {};
    const isLast = multiplexer?.wasOpen === true || this.#dials >= this.#options.addresses.length;
    return isLast ? multiplexer?.closedBy : undefined;
  }

  /** Sessions that are open or on their way, those between two connections included. */
  get sessions(): number {
    let count = this.#away;
    for (const { size } of this.#all) count += size;
    return count;
  }

  get strays(): number {
    let count = this.#strays;
    for (const { strays } of this.#all) count += strays;
    return count;
  }

  /** The connection there is, or the next. Rejects with the reason when there will be none. */
  async dialled(signal?: AbortSignal): Promise<Dialled> {
    for (;;) {
      const over = this.closedBy;
      if (over !== undefined) throw over;
      if (this.#current !== undefined && this.#current.multiplexer.closedBy === undefined)
        return this.#current;
      this.#dialling ??= this.#redial().finally(() => (this.#dialling = undefined));
      await abortable(this.#dialling, signal);
    }
  }

  /** A session came of it. */
  worked(): void {
    this.#failures = 0;
  }

  /** A session of it is over: where it was the only one there can be, nothing is dialled any more. */
  sessionEnded(): void {
    if (this.#options.isOwned) this.end(new ChannelError('closed', 'closed', 'the session is over'));
  }

  /** It is of no use to who was on it or tried it: the next one goes to the next address. */
  leave({ multiplexer }: Dialled): void {
    if (this.#current?.multiplexer !== multiplexer) return;
    this.#current = undefined;
    multiplexer.retire();
  }

  /** How long to wait. Full jitter: many clients that lost one gateway do not come to the next at once. */
  readonly backOff = (failures: number): number => {
    const { firstPauseMs, maxPauseMs, random } = this.#options;
    return Math.min(maxPauseMs, firstPauseMs * 2 ** Math.min(failures, 16)) * random();
  };

  /** For a session that is between two connections. */
  away(change: 1 | -1): void {
    this.#away += change;
  }

  /** Ends all connections and what is on them. Idempotent. */
  end(error: ChannelError): void {
    if (this.#over !== undefined) return;
    this.#over = error;
    this.#closing.abort();
    for (const multiplexer of this.#all) multiplexer.end(error);
  }

  /** The same by our own wish: the gateway is told. Resolves when the connections are gone. */
  async close(): Promise<void> {
    const all = [...this.#all];
    for (const multiplexer of all) multiplexer.sayGoodbye();
    this.end(new ChannelError('closed', 'closed', 'the connection was closed'));
    await Promise.all(all.map(({ closed }) => closed));
  }

  async #redial(): Promise<Dialled> {
    try {
      await sleep(this.backOff(this.#failures), undefined, { signal: this.#closing.signal });
    } catch {
      throw this.#over ?? new ChannelError('closed', 'closed', 'the connection was closed');
    }
    return this.#dial();
  }

  #dial(): Dialled {
    const { addresses, openCarrier, timeoutMs, isOwned } = this.#options;
    const address = addresses[this.#dials % addresses.length] ?? '';
    this.#dials += 1;
    this.#failures += 1;
    const multiplexer: Multiplexer = new Multiplexer({
      address,
      openCarrier: (events) => openCarrier(events, address),
      timeoutMs,
      isOwned,
      onEnd: () => {
        this.#all.delete(multiplexer);
        this.#strays += multiplexer.strays;
      },
    });
    this.#all.add(multiplexer);
    this.#current = { multiplexer, address };
    return this.#current;
  }
}

/** The promise's result, unless the signal comes first; the promise itself goes on. */
export function abortable<Result>(
  promise: Promise<Result>,
  signal: AbortSignal | undefined,
): Promise<Result> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(new ChannelError('closed', 'closed', 'it was given up'));
    if (signal.aborted) {
      promise.catch(() => undefined); // it goes on for nobody
      return onAbort();
    }
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
