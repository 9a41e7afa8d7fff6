/**
 * How a session survives its connection: attempt after attempt, at one gateway after the other, until one takes it on, all
 * have refused it, or its time is over. It is never replaced by another session: its id is what its messages are accounted to.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Channel } from './channel.ts';
import { abortable, type Connector, type Dialled } from './connector.ts';
import { ChannelError } from './errors.ts';
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
  /** Milliseconds that never jump. */
  readonly now: () => number;
};

export class Resumption {
  readonly #options: ResumptionOptions;
  #current: Dialled | undefined;

  /** `current`: the connection that the session was opened on. */
  constructor(options: ResumptionOptions, current: Dialled) {
    this.#options = options;
    this.#current = current;
  }

  /** The gateway there wants to be left. */
  leaveGateway(): void {
    if (this.#current !== undefined) this.#options.connector.leave(this.#current);
  }

  /** Undefined when the session goes on; else why it does not. Never rejects. */
  async run(channel: Channel, signal: AbortSignal): Promise<string | undefined> {
    const { connector, maxMs, maxAttempts } = this.#options;
    const untilMs = this.#options.now() + maxMs;
    const refusedBy = new Set<string>();
    const end = AbortSignal.any([signal, AbortSignal.timeout(maxMs)]);
    let problem: unknown = new Error('no gateway was reached');
    connector.away(1);
    try {
      for (let attempt = 0; attempt < maxAttempts && this.#options.now() < untilMs; attempt += 1) {
        try {
          await this.#attempt(channel, end);
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

  async #attempt(channel: Channel, signal: AbortSignal): Promise<void> {
    const { connector, trust, attemptMs } = this.#options;
    const dialled = await connector.dialled(signal);
    this.#current = dialled;
    connector.away(-1);
    try {
      await abortable(dialled.multiplexer.resume(channel, { trust, timeoutMs: attemptMs, signal }), signal);
      connector.worked();
    } catch (error) {
      connector.leave(dialled);
      throw error;
    } finally {
      connector.away(1);
    }
  }
}

/** The reason of the loss, with why it was final. Callers branch on kind and code as they do where nothing is resumed. */
export function notResumed(reason: ChannelError, problem: string): ChannelError {
  const { kind, code, message, retryAfterMs = 0 } = reason;
  const text = `${message}; the session could not be resumed: ${problem}`;
  return new ChannelError(kind, code, text, { retryAfterMs, cause: reason });
}
