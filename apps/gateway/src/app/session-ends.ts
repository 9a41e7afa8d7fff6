/**
 * Telling the services that keep a session that it is over: a few calls at a time, however many end at once. A lost
 * connection can end a thousand, and as many calls in one moment would take the services from those who open sessions.
 */

export type SessionEndPorts = {
  /** Session ids in hex. */
  readonly closeSession: (sessionId: string, cause: string) => Promise<void>;
  /** 1 to 256 of them. */
  readonly destroyKeys: (sessionIds: readonly string[]) => Promise<void>;
  /** What could not be told expires by itself. */
  readonly onProblem: (error: unknown) => void;
};

export type SessionEnds = {
  add(sessionId: string, cause: string): void;
  /** Resolves when everything added was told, or could not be. */
  idle(): Promise<void>;
};

const CLOSING_AT_ONCE = 8;
const KEYS_PER_CALL = 256;

export function createSessionEnds(ports: SessionEndPorts): SessionEnds {
  const toClose = new Map<string, string>();
  const toDestroy = new Set<string>();
  const workers = new Set<Promise<void>>();
  let closing = 0;
  let isDestroying = false;

  async function close(): Promise<void> {
    for (const [id, cause] of toClose) {
      toClose.delete(id);
      await ports.closeSession(id, cause).catch(ports.onProblem);
    }
    closing -= 1;
  }

  async function destroy(): Promise<void> {
    while (toDestroy.size > 0) {
      const ids = [...toDestroy.values().take(KEYS_PER_CALL)];
      for (const id of ids) toDestroy.delete(id);
      await ports.destroyKeys(ids).catch(ports.onProblem);
    }
    isDestroying = false;
  }

  function start(work: () => Promise<void>): void {
    // A turn later: what ends together goes out together.
    const worker: Promise<void> = Promise.resolve()
      .then(work)
      .finally(() => workers.delete(worker));
    workers.add(worker);
  }

  return {
    add(sessionId, cause) {
      toClose.set(sessionId, cause);
      toDestroy.add(sessionId);
      if (closing < CLOSING_AT_ONCE) {
        closing += 1;
        start(close);
      }
      if (!isDestroying) {
        isDestroying = true;
        start(destroy);
      }
    },
    async idle() {
      while (workers.size > 0) await Promise.all(workers);
    },
  };
}
