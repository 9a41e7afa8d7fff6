/** What is under way, by the session that it belongs to: it ends with its token, with its session, and with the gateway. */

/** Why a signal aborts, when it is because somebody revoked the session. */
export const REVOKED = new DOMException('The session was revoked.', 'AbortError');

/** Of every other end. Made once: one of its own for each request would be made with a stack, for nobody to read. */
const ENDED = new DOMException('The request is over.', 'AbortError');

export type Live = Disposable & {
  readonly signal: AbortSignal;
  end(): void;
};

export type LiveExchanges = {
  /** `notAfterMs`: when it ends by itself. `isWaiting`: it waits for what a server may say, and is not missed when it ends. */
  add(of: { readonly sessionId: string; readonly notAfterMs: number; readonly isWaiting: boolean }): Live;
  /** Of a session that was revoked. */
  endSession(sessionId: string): void;
  endWaiting(): void;
  endAll(): void;
};

type Entry = { readonly abort: AbortController; readonly isWaiting: boolean };

const MAX_TIMER_MS = 2 ** 31 - 1;

/** `now`: milliseconds since 1970, as `notAfterMs` is. */
export function liveExchanges(now: () => number): LiveExchanges {
  const bySession = new Map<string, Set<Entry>>();

  function endWhere(isMeant: (entry: Entry) => boolean): void {
    for (const entries of bySession.values())
      for (const entry of entries) if (isMeant(entry)) entry.abort.abort(ENDED);
  }

  return {
    add({ sessionId, notAfterMs, isWaiting }) {
      const entry: Entry = { abort: new AbortController(), isWaiting };
      const entries = bySession.get(sessionId) ?? new Set();
      bySession.set(sessionId, entries.add(entry));
      const end = (): void => entry.abort.abort(ENDED);
      const timer = setTimeout(end, Math.min(MAX_TIMER_MS, Math.max(0, notAfterMs - now())));
      timer.unref();
      return {
        signal: entry.abort.signal,
        end,
        [Symbol.dispose]() {
          clearTimeout(timer);
          entries.delete(entry);
          if (entries.size === 0 && bySession.get(sessionId) === entries) bySession.delete(sessionId);
        },
      };
    },
    endSession(sessionId) {
      for (const { abort } of bySession.get(sessionId) ?? []) abort.abort(REVOKED);
    },
    endWaiting: () => endWhere(({ isWaiting }) => isWaiting),
    endAll: () => endWhere(() => true),
  };
}
