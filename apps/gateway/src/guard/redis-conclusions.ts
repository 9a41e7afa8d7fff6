/**
 * Conclusions on their way to Redis. One that fails is tried again in the background, so that a claim does not stay
 * running under a gateway that lives; saying it twice changes nothing, also when a resend was claimed in between. Bounded: what waits too long or is too much is
 * given up, and its resend hears that it is running until this gateway is gone.
 */
import type { ConcludedRequest, GuardSession } from '../app/ports.ts';

export type Conclusions = AsyncDisposable & {
  /** Rejects when it was not done yet; it will be tried again. */
  conclude(session: GuardSession, results: readonly ConcludedRequest[]): Promise<void>;
};

const RETRY_MS = 500;
const MAX_WAITING = 65_536;
const MAX_WAITING_BYTES = 32 * 1024 * 1024;

type Waiting = {
  readonly session: GuardSession;
  readonly results: readonly ConcludedRequest[];
  /** Who held their claims, when they were first concluded. */
  readonly holder: Buffer;
  readonly bytes: number;
};

export function startConclusions(ports: {
  readonly send: (
    session: GuardSession,
    results: readonly ConcludedRequest[],
    holder: Buffer,
  ) => Promise<void>;
  /** This gateway and its last admission. */
  readonly holder: () => Buffer;
  readonly onLost: (count: number) => void;
}): Conclusions {
  const waiting = new Set<Waiting>();
  let count = 0;
  let bytes = 0;
  let retrying: Promise<void> | undefined;

  function add(entry: Waiting): void {
    waiting.add(entry);
    count += entry.results.length;
    bytes += entry.bytes;
  }

  function remove(entry: Waiting): void {
    if (!waiting.delete(entry)) return;
    count -= entry.results.length;
    bytes -= entry.bytes;
  }

  function keep(session: GuardSession, results: readonly ConcludedRequest[], holder: Buffer): void {
    add({
      session,
      results,
      holder,
      bytes: results.reduce((sum, { response }) => sum + (response?.length ?? 0), 0),
    });
    for (const oldest of waiting) {
      if (count <= MAX_WAITING && bytes <= MAX_WAITING_BYTES) break;
      remove(oldest);
      ports.onLost(oldest.results.length);
    }
  }

  async function retry(): Promise<void> {
    for (const entry of [...waiting]) {
      try {
        await ports.send(entry.session, entry.results, entry.holder);
      } catch {
        return; // the next turn begins with it again
      }
      remove(entry);
    }
  }

  const turn = (): Promise<void> => (retrying ??= retry().finally(() => (retrying = undefined)));
  const timer = setInterval(() => void turn(), RETRY_MS);
  return {
    async conclude(session, results) {
      if (results.length === 0) return;
      const holder = ports.holder();
      try {
        await ports.send(session, results, holder);
      } catch (error) {
        keep(session, results, holder);
        throw error;
      }
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await retrying;
      if (waiting.size > 0) await turn();
      if (count > 0) ports.onLost(count);
    },
  };
}
