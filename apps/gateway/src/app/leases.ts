/**
 * Session-key leases (PROTOCOL.md "Key-service outage"): renewed at half their life, in one call for all sessions that
 * are due. Key-service away costs nothing until a lease ends; a key it no longer vouches for ends its session. A session
 * past its binding's end is cleared away, even if its client never sends again.
 */
import type { LiveSession } from './live-session.ts';
import type { Sessions } from './sessions.ts';

export type LeasePorts = {
  readonly sessions: Pick<Sessions, 'all'>;
  /** Leases by session id in hex; those of destroyed or unknown keys are missing. */
  readonly renew: (sessionIds: readonly string[]) => Promise<ReadonlyMap<string, number>>;
  readonly now: () => number;
  readonly leaseMs: number;
  readonly onProblem: (error: unknown) => void;
};

const MAX_PER_CALL = 1000;

/** Looks after the leases every `intervalMs`. */
export function startLeases(
  ports: LeasePorts,
  intervalMs: number,
): AsyncDisposable & { tick(): Promise<void> } {
  let running: Promise<void> | undefined;

  async function renewDue(): Promise<void> {
    const nowMs = ports.now();
    for (const live of ports.sessions.all()) {
      if (nowMs > live.notAfterMs) live.end('expired', 'session_expired');
      else if (nowMs > live.leaseNotAfterMs + ports.leaseMs) live.end('epoch_required', 'lease_expired');
    }
    const due = ports.sessions.all().filter((live) => live.leaseNotAfterMs - nowMs < ports.leaseMs / 2);
    for (let at = 0; at < due.length; at += MAX_PER_CALL) await renew(due.slice(at, at + MAX_PER_CALL));
  }

  async function renew(batch: readonly LiveSession[]): Promise<void> {
    try {
      const leases = await ports.renew(batch.map(({ id }) => id));
      for (const live of batch) {
        const notAfterMs = leases.get(live.id);
        if (notAfterMs === undefined) live.end('revoked', 'session_key_destroyed');
        else live.leaseNotAfterMs = notAfterMs;
      }
    } catch (error) {
      ports.onProblem(error);
    }
  }

  const tick = (): Promise<void> => (running ??= renewDue().finally(() => (running = undefined)));
  const timer = setInterval(() => void tick(), intervalMs);
  return {
    tick,
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await running;
    },
  };
}
