/** The sessions open at this gateway. */
import type { RefusalCode } from '@sallyport/channel';
import type { LiveSession } from './live-session.ts';

export type Sessions = {
  readonly size: number;
  /** By session id in hex. */
  find(id: string): LiveSession | undefined;
  add(live: LiveSession): void;
  remove(live: LiveSession): void;
  all(): readonly LiveSession[];
  endAll(code: RefusalCode, cause: string): void;
};

export function createSessions(): Sessions {
  const open = new Map<string, LiveSession>();
  return {
    get size() {
      return open.size;
    },
    find: (id) => open.get(id),
    add: (live) => void open.set(live.id, live),
    remove: (live) => {
      if (open.get(live.id) === live) open.delete(live.id);
    },
    all: () => [...open.values()],
    endAll: (code, cause) => {
      for (const live of open.values()) live.end(code, cause);
    },
  };
}
