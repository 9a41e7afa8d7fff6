/**
 * Sessions that this process heard to be revoked. The guard's own mark is a write like any other: a store that fails over to
 * a replica that lagged forgets it, and with the record that is still there a session that was revoked while nobody had it
 * could be taken on again. Whoever starts later hears of them anew, from the feed's beginning.
 */

export type RevokedSessions = {
  /** `sessionId` in hex. */
  add(sessionId: string): void;
  has(sessionId: string): boolean;
  /** Told of each from now on, until disposed. */
  onRevoked(listener: (sessionId: string) => void): Disposable;
};

/** Some 10 MiB; beyond it the oldest are forgotten, whose sessions are the first to expire. */
const MAX_REVOKED = 65_536;

export function revokedSessions(): RevokedSessions {
  const revoked = new Set<string>();
  const listeners = new Set<(sessionId: string) => void>();
  return {
    add(sessionId) {
      revoked.add(sessionId);
      for (const tell of listeners) tell(sessionId);
      for (const oldest of revoked) {
        if (revoked.size <= MAX_REVOKED) break;
        revoked.delete(oldest);
      }
    },
    has: (sessionId) => revoked.has(sessionId),
    onRevoked(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
  };
}
