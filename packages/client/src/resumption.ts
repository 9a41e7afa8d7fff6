/**
 * How a session survives its connection: attempt after attempt, at one gateway after the other, until one takes it on, all
 * have refused it, or its time is over. It is never replaced by another session: its id is what its messages are accounted to.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { abortable, type Connector, type Dialled } from './connector.ts';
import type { Resumable, Resumer } from './resumable.ts';
import { ResumeRefused, type ResumeTrust } from './resuming.ts';

export type ResumeOptions = {
  /** From the loss until the session is given up. Default 30,000. */
  readonly maxMs?: number;
  /** Attempts until then. Default 100. */
  readonly maxAttempts?: number;
  /** For one attempt on an open connection. Default 5,000, as docs/protocol.md section 4 gives a handshake. */
  readonly attemptMs?: number;
  /** Before the first attempt and at most; each is drawn between 0 and twice the one before. Default 100 and 5,000. */
  readonly firstPauseMs?: number;
  readonly maxPauseMs?: number;
};

export type ResumptionOptions = {
  readonly connector: Connector;
  readonly trust: ResumeTrust;
  readonly maxMs: number;
  readonly maxAttempts: number;
  readonly attemptMs: number;
  /** Before the second resume in a row that did not last, and those after it. */
  readonly backOff: (failures: number) => number;
  /** Milliseconds that never jump. */
  readonly now: () => number;
};

/** A session that is open for less than this after a resume was not helped by it. */
const STEADY_MS = 1_000;

export class Resumption implements Resumer {
  readonly #options: ResumptionOptions;
  #current: Dialled | undefined;
  /** When the session was lost that has not been steady since, and how often it was resumed in vain. */
  #lostAtMs = -Infinity;
  #openedAtMs = -Infinity;
  #inVain = 0;

  /** `current`: the connection that the session was opened on. */
  constructor(options: ResumptionOptions, current: Dialled) {
    this.#options = options;
    this.#current = current;
  }

  leaveGateway(): void {
    if (this.#current !== undefined) this.#options.connector.leave(this.#current);
  }

  ended(): void {
    this.#options.connector.sessionEnded();
  }

  async run(session: Resumable, signal: AbortSignal): Promise<string | undefined> {
    const { connector, maxMs, maxAttempts, now, backOff } = this.#options;
    this.#countLoss(now());
    const leftMs = this.#lostAtMs + maxMs - now();
    if (leftMs < 1) return 'it is lost again as soon as it is resumed';
    const untilMs = now() + leftMs;
    const refusedBy = new Set<string>();
    const end = AbortSignal.any([signal, AbortSignal.timeout(Math.ceil(leftMs))]);
    let problem: unknown = new Error('no gateway was reached');
    connector.away(1);
    try {
      if (this.#inVain > 0) await sleep(backOff(this.#inVain), undefined, { signal: end });
      for (let attempt = 0; attempt < maxAttempts && now() < untilMs; attempt += 1) {
        try {
          await this.#attempt(session, end);
          this.#openedAtMs = now();
          return undefined;
        } catch (error) {
          if (end.aborted || connector.closedBy !== undefined) break;
          problem = error;
          if (!(error instanceof ResumeRefused)) continue;
          if (error.isFinal && this.#current !== undefined) refusedBy.add(this.#current.address);
          if (refusedBy.size >= new Set(connector.addresses).size) break;
          if (!error.isFinal) await sleep(Math.min(error.retryAfterMs, maxMs), undefined, { signal: end });
        }
      }
    } catch {
      // The pause was cut short: the time is over, or nobody waits any more.
    } finally {
      connector.away(-1);
    }
    return problem instanceof Error ? problem.message : String(problem);
  }

  /** A gateway that takes the session on and ends it at once must not keep us busy for ever. */
  #countLoss(nowMs: number): void {
    if (nowMs - this.#openedAtMs < STEADY_MS) {
      this.#inVain += 1;
    } else {
      this.#inVain = 0;
      this.#lostAtMs = nowMs;
    }
  }

  async #attempt(session: Resumable, signal: AbortSignal): Promise<void> {
    const { connector, trust, attemptMs } = this.#options;
    const dialled = await connector.dialled(signal);
    this.#current = dialled;
    connector.away(-1);
    try {
      await abortable(dialled.multiplexer.resume(session, { trust, timeoutMs: attemptMs, signal }), signal);
      connector.worked();
    } catch (error) {
      const isOnlyHere = error instanceof ResumeRefused && error.isFinal && connector.addresses.length === 1;
      if (!signal.aborted && !isOnlyHere) connector.leave(dialled);
      throw error;
    } finally {
      connector.away(1);
    }
  }
}
