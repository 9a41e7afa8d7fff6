/**
 * The session that messages go out on. When one is due for renewal or was lost the next is opened; what was already sent
 * is never sent again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ChannelError, type Channel } from '@sallyport/client';

export type SessionKeeperOptions = {
  readonly open: (signal: AbortSignal) => Promise<Channel>;
  readonly signal: AbortSignal;
  /** How often a lost connection is tried again, and the first pause; each pause doubles. Default 5 and 250 ms. */
  readonly attempts?: number;
  readonly pauseMs?: number;
};

/** No session can be had (any more): nothing further can be sent. */
export class SessionUnavailable extends Error {
  override readonly name = 'SessionUnavailable';
  /** What kept it from opening. */
  readonly reason: unknown;
  constructor(reason: unknown) {
    super('no session with the gateway', { cause: reason });
    this.reason = reason;
  }
}

type Held = { readonly channel: Channel; users: number; isRetired: boolean };

export class SessionKeeper implements AsyncDisposable {
  readonly #options: SessionKeeperOptions;
  #current: Promise<Held> | undefined;
  #held: Held | undefined;
  #opened = 0;
  #principal: string | undefined;

  constructor(options: SessionKeeperOptions) {
    this.#options = options;
  }

  /** Sessions opened so far. */
  get opened(): number {
    return this.#opened;
  }

  /** Who we are to the gateway; undefined before the first session. */
  get principal(): string | undefined {
    return this.#principal;
  }

  /** Runs `work` on an open session, which stays open until it is done. Rejects with what it rejects with, or `SessionUnavailable`. */
  async use<Result>(work: (channel: Channel) => Promise<Result>): Promise<Result> {
    const held = await this.#acquire();
    held.users += 1;
    try {
      return await work(held.channel);
    } finally {
      held.users -= 1;
      if (held.isRetired && held.users === 0) void held.channel.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const held = await this.#current?.catch(() => undefined);
    await held?.channel.close();
  }

  #acquire(): Promise<Held> {
    const held = this.#held;
    if (held !== undefined && (held.channel.closedBy !== undefined || held.channel.isRenewalDue)) {
      held.isRetired = true;
      if (held.users === 0) void held.channel.close();
      this.#held = undefined;
      this.#current = undefined;
    }
    this.#current ??= this.#open();
    return this.#current;
  }

  async #open(): Promise<Held> {
    const { attempts = 5, pauseMs = 250, signal } = this.#options;
    for (let attempt = 1; ; attempt += 1) {
      try {
        const channel = await this.#options.open(signal);
        const held = { channel, users: 0, isRetired: false };
        this.#held = held;
        this.#opened += 1;
        this.#principal = channel.principal;
        return held;
      } catch (error) {
        // The first connection fails at once: then it is the set-up. A lost one may be a gateway that restarts.
        const isWorthwhile =
          error instanceof ChannelError && (error.kind === 'connection' || error.kind === 'timeout');
        if (!isWorthwhile || this.#opened === 0 || attempt >= attempts || signal.aborted) {
          throw new SessionUnavailable(error);
        }
        await sleep(pauseMs * 2 ** (attempt - 1), undefined, { signal }).catch(() => undefined);
      }
    }
  }
}
