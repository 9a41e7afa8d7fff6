/**
 * Sessions of clients at a stateless server. What a session must know on every replica (revision, what the client can do and
 * is) is in its id, which `guarded/` seals; what it gathers (log level, subscriptions, open requests) is in this process.
 */
import {
  isObject,
  objectMember,
  parseMessage,
  REVISIONS,
  stringMember,
  type JsonObject,
  type JsonValue,
  type RequestId,
  type Response,
  type Revision,
} from '@sallyport/model-context';
import { UpstreamFailure, type Caller } from '../ports.ts';
import { TRANSLATE_LIMITS, type TranslatePorts } from './ports.ts';
import { ownerOf } from './session-pool.ts';

export type ClientSession = {
  readonly id: string;
  readonly revision: Revision;
  readonly capabilities: JsonObject;
  readonly clientInfo: JsonValue;
  logLevel: JsonValue | undefined;
  readonly subscriptions: Set<string>;
  /** By the client's own ids: how each is broken off. */
  readonly underWay: Map<RequestId, AbortController>;
  /** By our ids: what waits for the client's answer. */
  readonly asked: Map<RequestId, (response: Response) => void>;
  /** The client's own stream, if it has one: told that the subscriptions changed. */
  stream?: { changed(): void; end(): void };
};

export type ClientSessions = Disposable & {
  open(
    caller: Caller,
    session: Pick<ClientSession, 'revision' | 'capabilities' | 'clientInfo'>,
  ): ClientSession;
  /** Undefined: no such session, or it was ended here. Throws `UpstreamFailure` (`busy`) over a limit. */
  of(caller: Caller, id: string): ClientSession | undefined;
  end(caller: Caller, id: string): boolean;
};

/** UTF-8 of what an id carries; ids travel in a header. */
const MAX_CARRIED_BYTES = 2_048;
const MAX_ENDED = 4_096;

/** `onGone` is told of sessions that are kept no longer, ended or idle. */
export function clientSessions(
  ports: Pick<TranslatePorts, 'now' | 'randomBytes' | 'limits'>,
  onGone: (session: ClientSession) => void = () => undefined,
): ClientSessions {
  const limits = { ...TRANSLATE_LIMITS, ...ports.limits };
  const live = new Map<
    string,
    { readonly session: ClientSession; readonly owner: string; usedAtMs: number }
  >();
  const ended = new Set<string>();

  const isIdle = ({ underWay, asked, stream }: ClientSession): boolean =>
    underWay.size === 0 && asked.size === 0 && stream === undefined;

  /** The one used longest ago of those that nobody waits for; it comes back from its id without what it had gathered. */
  const makeRoom = (owner?: string): void => {
    for (const [key, one] of live) {
      if ((owner !== undefined && one.owner !== owner) || !isIdle(one.session)) continue;
      live.delete(key);
      onGone(one.session);
      return;
    }
    throw new UpstreamFailure('busy', 'Too many sessions are in use.');
  };
  const keep = (caller: Caller, session: ClientSession): ClientSession => {
    const owner = ownerOf(caller);
    const now = ports.now();
    for (const [key, one] of live) {
      if (now - one.usedAtMs < limits.clientSessionIdleMs) break;
      if (isIdle(one.session) && live.delete(key)) onGone(one.session);
    }
    let own = 0;
    for (const one of live.values()) if (one.owner === owner) own += 1;
    if (own >= limits.maxClientSessionsPerPrincipal) makeRoom(owner);
    else if (live.size >= limits.maxClientSessions) makeRoom();
    live.set(owner + session.id, { session, owner, usedAtMs: now });
    return session;
  };

  return {
    open(caller, { revision, capabilities, clientInfo }) {
      const nonce = Buffer.from(ports.randomBytes(16)).toString('base64url');
      const info = briefly(clientInfo);
      const carried = JSON.stringify({ n: nonce, r: revision, c: capabilities, i: info });
      if (Buffer.byteLength(carried) > MAX_CARRIED_BYTES) {
        throw new UpstreamFailure('malformed', 'The client says more about itself than a session carries.', {
          isWithoutEffect: true,
        });
      }
      const id = Buffer.from(carried, 'utf8').toString('base64url');
      return keep(caller, newSession(id, revision, capabilities, info));
    },
    of(caller, id) {
      const key = ownerOf(caller) + id;
      if (ended.has(key)) return undefined;
      const known = live.get(key);
      if (known === undefined) {
        const carried = carriedBy(id);
        return carried === undefined ? undefined : keep(caller, carried);
      }
      known.usedAtMs = ports.now();
      // The order of the map is the order of use.
      live.delete(key);
      live.set(key, known);
      return known.session;
    },
    end(caller, id) {
      const key = ownerOf(caller) + id;
      if (ended.has(key) || carriedBy(id) === undefined) return false;
      const known = live.get(key);
      live.delete(key);
      known?.session.stream?.end();
      for (const controller of known?.session.underWay.values() ?? []) controller.abort();
      if (known !== undefined) onGone(known.session);
      if (ended.size >= MAX_ENDED) for (const oldest of ended) if (ended.delete(oldest)) break;
      ended.add(key);
      return true;
    },
    [Symbol.dispose]() {
      for (const { session } of live.values()) {
        session.stream?.end();
        onGone(session);
      }
      live.clear();
    },
  };
}

/** What a server may show of a client; icons would not fit a header. */
const briefly = (clientInfo: JsonValue): JsonObject =>
  Object.fromEntries(
    ['name', 'title', 'version'].flatMap((name) => {
      const value = stringMember(clientInfo, name);
      return value === undefined ? [] : [[name, value] as const];
    }),
  );

const newSession = (
  id: string,
  revision: Revision,
  capabilities: JsonObject,
  clientInfo: JsonValue,
): ClientSession => ({
  id,
  revision,
  capabilities,
  clientInfo,
  logLevel: undefined,
  subscriptions: new Set(),
  underWay: new Map(),
  asked: new Map(),
});

/** Total: an id that we did not make is no session. */
const carriedBy = (id: string): ClientSession | undefined => {
  if (id.length > MAX_CARRIED_BYTES * 2 || !/^[\w-]+$/.test(id)) return undefined;
  // As the parameters of a message, so that the same bounds hold.
  const inside = Buffer.from(id, 'base64url').toString('utf8');
  const parsed = parseMessage(`{"jsonrpc":"2.0","method":"session","params":${inside}}`);
  if (!parsed.ok || !('params' in parsed.message)) return undefined;
  const { params } = parsed.message;
  const revision = REVISIONS.find((known) => known === stringMember(params, 'r'));
  const capabilities = objectMember(params, 'c');
  const clientInfo = objectMember(params, 'i');
  if (revision === undefined || capabilities === undefined || !isObject(clientInfo)) return undefined;
  return newSession(id, revision, capabilities, clientInfo);
};
