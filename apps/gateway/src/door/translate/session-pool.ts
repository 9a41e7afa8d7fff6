/** Sessions at one server for stateless callers: one for each principal, tenant and set of client capabilities. */
import { digestOf, type JsonObject, type JsonValue } from '@sallyport/model-context';
import { UpstreamFailure, type Call, type Caller, type ModelContextServer } from '../ports.ts';
import { TRANSLATE_LIMITS, type TranslatePorts } from './ports.ts';
import { openUpstreamSession, type UpstreamSession } from './upstream-session.ts';

export type SessionPool = AsyncDisposable & {
  /** The caller's session, opened where there is none. Rejects with `UpstreamFailure`. */
  of(
    call: Call,
    client: { readonly capabilities: JsonObject; readonly info: JsonValue },
  ): Promise<UpstreamSession>;
};

type Entry = {
  readonly owner: string;
  readonly opening: Promise<UpstreamSession>;
  session?: UpstreamSession;
  usedAtMs: number;
};

/** Opening is not the first caller's alone, so it ends by its own clock and not by the caller's leaving. */
const OPEN_MS = 30_000;

/** Tenant and principal as one text, without collisions. */
export const ownerOf = ({ principal }: Caller): string => JSON.stringify([principal.tenant, principal.id]);

/** Opens nothing yet. Idle sessions are ended after `sessionIdleMs`; disposing ends all of them, and waits for that. */
export function sessionPool(server: ModelContextServer, ports: TranslatePorts): SessionPool {
  const limits = { ...TRANSLATE_LIMITS, ...ports.limits };
  const entries = new Map<string, Entry>();
  const stopped = new AbortController();
  let sweeping: Disposable | undefined;

  const drop = (key: string, entry: Entry): void => {
    if (entries.get(key) === entry) entries.delete(key);
    entry.opening.then((session) => session.close()).catch(() => undefined);
  };

  const sweep = (): void => {
    sweeping = undefined;
    const now = ports.now();
    for (const [key, entry] of entries) {
      if (entry.session === undefined) continue;
      if (entry.session.isClosed) entries.delete(key);
      else if (!entry.session.isIdle) entry.usedAtMs = now;
      else if (now - entry.usedAtMs >= limits.sessionIdleMs) drop(key, entry);
    }
    keepSweeping();
  };
  const keepSweeping = (): void => {
    if (entries.size > 0 && !stopped.signal.aborted) {
      sweeping ??= ports.schedule(Math.max(1, Math.floor(limits.sessionIdleMs / 4)), sweep);
    }
  };

  /** Makes room by ending the session that was idle longest; false where all are in use. */
  const makeRoom = (owner?: string): boolean => {
    const idle = [...entries].filter(
      ([, entry]) => entry.session?.isIdle === true && (owner === undefined || entry.owner === owner),
    );
    const oldest = idle.toSorted(([, one], [, other]) => one.usedAtMs - other.usedAtMs)[0];
    if (oldest === undefined) return false;
    drop(...oldest);
    return true;
  };
  const admit = (owner: string): void => {
    const own = [...entries.values()].filter((entry) => entry.owner === owner).length;
    const isOwnFull = own >= limits.maxSessionsPerPrincipal;
    if (isOwnFull ? !makeRoom(owner) : entries.size >= limits.maxSessions && !makeRoom()) {
      throw new UpstreamFailure('busy', 'Too many sessions are open at this server.');
    }
  };

  return {
    async of(call, client) {
      if (stopped.signal.aborted) throw new UpstreamFailure('busy', 'The gateway is stopping.');
      const owner = ownerOf(call.caller);
      const key = `${owner}${digestOf(client.capabilities)}`;
      const known = entries.get(key);
      if (known !== undefined && known.session?.isClosed !== true) {
        known.usedAtMs = ports.now();
        return known.opening;
      }
      if (known !== undefined) entries.delete(key);
      admit(owner);
      const signal = AbortSignal.any([AbortSignal.timeout(OPEN_MS), stopped.signal]);
      const entry: Entry = {
        owner,
        opening: openUpstreamSession(server, { ...call, signal }, client, ports),
        usedAtMs: ports.now(),
      };
      entries.set(key, entry);
      keepSweeping();
      try {
        entry.session = await entry.opening;
        return entry.session;
      } catch (error) {
        if (entries.get(key) === entry) entries.delete(key);
        throw error;
      }
    },
    async [Symbol.asyncDispose]() {
      stopped.abort();
      sweeping?.[Symbol.dispose]();
      const all = [...entries.values()];
      entries.clear();
      await Promise.allSettled(all.map(async ({ opening }) => (await opening).close()));
    },
  };
}
