/**
 * Handshakes in which the gateway has proved to know a pre-shared key and the client has not answered yet. Who only
 * collects proofs shows up here (PROTOCOL.md section 2, "PSK").
 */
import { MAX_OPEN_PROOFS, OPEN_PROOF_MS } from '../domain/limits.ts';

export interface OpenProofs {
  begin(sessionId: string): void;
  end(sessionId: string): void;
  /** Counts those that nobody answered in time. */
  sweep(): void;
}

export function openProofs(ports: {
  readonly monotonic: () => number;
  readonly onAbandoned: () => void;
}): OpenProofs {
  /** Session id → when the proof was given, oldest first. */
  const open = new Map<string, number>();

  function abandon(sessionId: string): void {
    open.delete(sessionId);
    ports.onAbandoned();
  }

  return {
    begin(sessionId) {
      open.delete(sessionId);
      open.set(sessionId, ports.monotonic());
      const [oldest] = open.keys();
      if (open.size > MAX_OPEN_PROOFS && oldest !== undefined) abandon(oldest);
    },
    end: (sessionId) => void open.delete(sessionId),
    sweep() {
      const before = ports.monotonic() - OPEN_PROOF_MS;
      for (const [sessionId, since] of open) {
        if (since > before) return;
        abandon(sessionId);
      }
    },
  };
}
