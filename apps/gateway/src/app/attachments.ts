/**
 * Sessions whose client went to another gateway without a word here: one that sends nothing would be kept, with its part of
 * what its principal may hold, until it expires. The guard tells those that send.
 */
import type { LiveSession } from './live-session.ts';
import type { SessionStore } from './ports.ts';
import type { Sessions } from './sessions.ts';

export type AttachmentPorts = {
  readonly sessions: Pick<Sessions, 'all'>;
  readonly store: Pick<SessionStore, 'isAttached'>;
  /** The store cannot be asked: next time. */
  readonly onProblem: (error: unknown) => void;
};

const AT_ONCE = 64;

/** Looks at the silent ones every `intervalMs`. */
export function watchAttachments(
  ports: AttachmentPorts,
  intervalMs: number,
): AsyncDisposable & { tick(): Promise<void> } {
  let running: Promise<void> | undefined;

  async function look(): Promise<void> {
    const silent = ports.sessions.all().filter(({ isFresh }) => !isFresh);
    for (const live of ports.sessions.all()) live.isFresh = false;
    try {
      for (let at = 0; at < silent.length; at += AT_ONCE)
        await Promise.all(silent.slice(at, at + AT_ONCE).map(check));
    } catch (error) {
      ports.onProblem(error);
    }
  }

  async function check(live: LiveSession): Promise<void> {
    if (!(await ports.store.isAttached(live.guard))) live.end('superseded', 'superseded');
  }

  const tick = (): Promise<void> => (running ??= look().finally(() => (running = undefined)));
  const timer = setInterval(() => void tick(), intervalMs);
  return {
    tick,
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await running;
    },
  };
}
