/**
 * A connection that comes back: one live `NatsConnection` at a time, replaced when it is lost.
 *
 * Nothing waits in it. While there is no connection, users are told `unavailable` at once; whoever must not lose
 * anything keeps it until the end consumer has it. Subscriptions are made anew on each connection by those who hold them.
 */
import { randomInt } from 'node:crypto';
import { errors, type NatsConnection } from '@nats-io/transport-node';
import { bounded } from '../bus/bounded.ts';
import { BusError } from '../bus/index.ts';
import { dial } from './dial.ts';
import type { ParsedNatsOptions } from './options.ts';
import { pause } from './pause.ts';

export interface NatsLink {
  /** The live connection. Throws `BusError`: `closed`, or `unavailable` with the reason. */
  connection(): NatsConnection;
  /** The live connection as soon as there is one; `undefined` when `signal` or the link ended first. */
  whenUp(signal: AbortSignal): Promise<NatsConnection | undefined>;
  /** Called with each new connection before anyone else can use it. */
  onUp(listener: (connection: NatsConnection) => void): Disposable;
  /** Called with the subject of a publication that the server refused. */
  onRefused(listener: (subject: string) => void): Disposable;
  /** A round trip to the server within `timeoutMs`. Throws `BusError` (`unavailable`, `closed`). */
  check(timeoutMs?: number): Promise<void>;
  /** Sends what was given to the connection, for a moment, and closes it. Idempotent. */
  close(): Promise<void>;
}

const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 2000;
/** A connection that lived this long was a good one: the next loss begins with the shortest wait. */
const GOOD_AFTER_MS = 5000;
const LAST_FLUSH_MS = 500;

/**
 * Resolves when the first connection is there, or when it turned out that there is no server to have one with: then it
 * goes on trying. Throws `BusError` (`refused`) when no server could be used and one of them was reached and the
 * deployment is wrong: credentials, certificate, files.
 */
export async function openLink(options: ParsedNatsOptions): Promise<NatsLink> {
  const { log } = options;
  const stopped = new AbortController();
  const upListeners = new Set<(connection: NatsConnection) => void>();
  const refusedListeners = new Set<(subject: string) => void>();
  const waiting = new Set<() => void>();
  let current: NatsConnection | undefined;
  let problem = 'not connected yet';
  let attempts = 0;

  async function tryOnce(): Promise<boolean> {
    const server = options.servers[attempts++ % options.servers.length];
    if (server === undefined) return false;
    const dialled = await dial(options, server);
    if (!dialled.ok) {
      if (problem !== dialled.problem) log.warn('the bus is away', { problem: dialled.problem });
      problem = dialled.problem;
      if (dialled.isMisconfigured && attempts <= options.servers.length)
        throw new BusError('refused', problem);
      return false;
    }
    if (stopped.signal.aborted) {
      await dialled.connection.close();
      return false;
    }
    const { connection } = dialled;
    void watch(connection);
    try {
      for (const listener of [...upListeners]) listener(connection);
    } catch (error) {
      log.warn('a new connection to the bus was lost at once', { error });
      await connection.close();
      return false;
    }
    current = connection;
    problem = 'the connection was lost';
    for (const wake of [...waiting]) wake();
    log.info('the bus is connected', { server: `${server.host}:${server.port}` });
    return true;
  }

  /** Hears what the library says of its connection until that ends. */
  async function watch(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) {
      // The library would first wait for its peer to read what is buffered; a paused one never does.
      if (status.type === 'staleConnection') void connection.close();
      if (status.type !== 'error' || !(status.error instanceof errors.PermissionViolationError)) continue;
      const { operation, subject } = status.error;
      log.error('the NATS server refuses this user a subject', { user: options.user, operation, subject });
      if (operation === 'publish') for (const listener of [...refusedListeners]) listener(subject);
    }
  }

  async function keep(): Promise<void> {
    for (let failures = 0; !stopped.signal.aborted;) {
      if (current !== undefined || (await tryOnce().catch(() => false))) {
        const since = performance.now();
        await current?.closed();
        current = undefined;
        if (stopped.signal.aborted) return;
        log.warn('the bus is away', { problem });
        if (performance.now() - since > GOOD_AFTER_MS) failures = 0;
      }
      const wait = Math.min(FIRST_RETRY_MS * 2 ** failures, LAST_RETRY_MS);
      failures += failures < 8 ? 1 : 0;
      await pause(wait / 2 + randomInt(wait / 2), stopped.signal);
    }
  }

  // One server that this deployment does not fit must not keep it from the others.
  let refusal: BusError | undefined;
  for (const _ of options.servers) {
    try {
      if (await tryOnce()) break;
    } catch (error) {
      if (!(error instanceof BusError)) throw error;
      refusal ??= error;
    }
  }
  if (refusal !== undefined && current === undefined) throw refusal;
  const keeping = keep();

  const connection = (): NatsConnection => {
    if (stopped.signal.aborted) throw new BusError('closed', 'the bus is closed');
    if (current === undefined || current.isClosed())
      throw new BusError('unavailable', `the bus is away: ${problem}`);
    return current;
  };
  return {
    connection,
    async whenUp(signal) {
      while (!signal.aborted && !stopped.signal.aborted) {
        if (current !== undefined && !current.isClosed()) return current;
        const { promise, resolve } = Promise.withResolvers<void>();
        const wake = (): void => resolve();
        waiting.add(wake);
        signal.addEventListener('abort', wake, { once: true });
        await promise;
        waiting.delete(wake);
        signal.removeEventListener('abort', wake);
      }
      return undefined;
    },
    onUp: (listener) => listen(upListeners, listener),
    onRefused: (listener) => listen(refusedListeners, listener),
    async check(timeoutMs = 1000) {
      if (!(await bounded(connection().flush(), timeoutMs)))
        throw new BusError('unavailable', `the NATS server does not answer within ${timeoutMs} ms`);
    },
    async close() {
      if (!stopped.signal.aborted && current?.isClosed() === false)
        await bounded(current.flush(), LAST_FLUSH_MS);
      stopped.abort();
      for (const wake of [...waiting]) wake();
      await current?.close();
      await keeping;
    },
  };
}

function listen<L>(listeners: Set<L>, listener: L): Disposable {
  listeners.add(listener);
  return { [Symbol.dispose]: () => void listeners.delete(listener) };
}
