/** Sessions of tokens: opened by a sign-in or by a channel session, ended by revoking (docs/adr/0080). */
import { fromHex, toHex } from '@sallyport/crypto';
import { busy, invalidArgument, SallyportError } from '@sallyport/service/errors';
import { parsePrincipalId } from '@sallyport/service/identity';
import type { TellEvents } from '@sallyport/service/lifecycle';
import { CHANNEL_CLIENT } from '../domain/access-token.ts';
import { SELF, type Actor, type SessionOpened } from '../domain/events.ts';
import {
  MAX_CLIENT_ID_CHARACTERS,
  MAX_TOKEN_LIFETIME_MS,
  MAX_TOKEN_SESSIONS,
  SESSION_ID_BYTES,
} from '../domain/limits.ts';
import { passwordDigest } from '../domain/password.ts';
import { endedAt, type Session } from '../domain/session.ts';
import { parseSource } from '../domain/source.ts';
import {
  parseWish,
  sessionOver,
  signedToken,
  type AccessToken,
  type IssueAccessTokenPorts,
  type TokenWanted,
} from './issue-access-token.ts';
import type {
  CheckRecorder,
  Now,
  Random,
  RevocationStore,
  SessionReader,
  TokenSessionStore,
} from './ports.ts';
import type { PayRevocations } from './pay-revocations.ts';
import { sessionEnded } from './session-events.ts';

export interface TokenSessionPorts extends IssueAccessTokenPorts {
  readonly sessions: Pick<SessionReader, 'find'>;
  readonly tokenSessions: TokenSessionStore;
  readonly feed: Pick<RevocationStore, 'revoke'>;
  readonly payRevocations: PayRevocations;
  readonly checkRecorder: CheckRecorder;
  readonly tell: TellEvents;
  readonly random: Random;
  readonly now: Now;
  readonly tenant: string;
  readonly sessionLifetimeMs: number;
}

export interface SignIn {
  readonly principal: string;
  /** The OAuth client. */
  readonly clientId: string;
  /** Where the browser came from. */
  readonly sourceAddress: string;
  /** Milliseconds since the epoch; at most, and by default, `sessionLifetimeMs` from now. */
  readonly notAfterMs?: number;
}

export interface TokenSession {
  /** Hex of 16 bytes: `sid` of every token of it. */
  readonly sessionId: string;
  readonly principal: string;
  readonly clientId: string;
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
}

/**
 * A session for somebody who signed in. Recorded when it resolves. Throws
 * `invalid_argument`, `busy` when the principal has too many, `unavailable`, `spool_full`.
 */
export async function openTokenSession(ports: TokenSessionPorts, signIn: SignIn): Promise<TokenSession> {
  const { principal, clientId } = signIn;
  const now = ports.now();
  const latest = now + ports.sessionLifetimeMs;
  const notAfter = Math.min(Math.trunc(signIn.notAfterMs ?? latest), latest);
  if (parsePrincipalId(principal) === undefined)
    throw invalidArgument('not a principal', { field: 'principal' });
  if (clientId === '' || clientId.length > MAX_CLIENT_ID_CHARACTERS || !/^[\x20-\x7e]+$/u.test(clientId))
    throw invalidArgument('not the id of a client', { field: 'client_id' });
  if (!(notAfter > now)) throw invalidArgument('is over already', { field: 'not_after' });
  await ports.checkRecorder();
  const session: Session = {
    sessionId: ports.random(SESSION_ID_BYTES),
    tenant: ports.tenant,
    principal,
    method: 'oauth',
    kind: 'token',
    gateway: '',
    sourceAddress: parseSource(signIn.sourceAddress),
    openedAt: now,
    notAfter,
    credentialDigest: passwordDigest(principal),
    ended: undefined,
    clientId,
    parentSessionId: undefined,
  };
  await opened(ports, session, []);
  return described(session);
}

/**
 * A token for whom an open channel session is, with a session of its own that stands on the same credential. Throws
 * `invalid_argument`; `session_unknown` when `gateway` carries no such session; `session_revoked` when it is over; and what
 * `openTokenSession` throws.
 */
export async function issueToken(
  ports: TokenSessionPorts,
  gateway: string,
  sessionId: Uint8Array,
  wanted: TokenWanted,
): Promise<AccessToken> {
  if (sessionId.length !== SESSION_ID_BYTES)
    throw invalidArgument(`a session id has ${SESSION_ID_BYTES} bytes`, { field: 'session_id' });
  const wish = parseWish(ports.publicOrigin, wanted);
  await ports.checkRecorder();
  const parent = await ports.sessions.find(sessionId);
  // Another gateway's is as unknown as none: a gateway learns nothing of what it does not carry.
  if (parent?.kind !== 'channel' || parent.gateway !== gateway)
    throw new SallyportError('session_unknown', 'no such session', { field: 'session_id' });
  const now = ports.now();
  if (endedAt(parent, now) !== undefined) throw sessionOver();
  const session: Session = {
    sessionId: ports.random(SESSION_ID_BYTES),
    tenant: parent.tenant,
    principal: parent.principal,
    method: parent.method,
    kind: 'token',
    gateway,
    sourceAddress: parent.sourceAddress,
    openedAt: now,
    notAfter: Math.min(now + wish.lifetimeMs, parent.notAfter),
    credentialDigest: parent.credentialDigest,
    ended: undefined,
    clientId: CHANNEL_CLIENT,
    parentSessionId: parent.sessionId,
  };
  const { token, event } = await signedToken(ports, SELF, session, wish);
  await opened(ports, session, [event]);
  return token;
}

/** The session of tokens of that id, in hex, while it is open. */
export async function findTokenSession(
  ports: Pick<TokenSessionPorts, 'sessions' | 'now'>,
  sid: string,
): Promise<TokenSession | undefined> {
  const sessionId = sidOf(sid);
  const session = sessionId && (await ports.sessions.find(sessionId));
  return session?.kind === 'token' && endedAt(session, ports.now()) === undefined
    ? described(session)
    : undefined;
}

/**
 * Revokes it, so that every gateway refuses its tokens within a second. Ending what is over or unknown changes nothing.
 * Throws `spool_full`, `unavailable`.
 */
export async function endTokenSession(
  ports: Pick<TokenSessionPorts, 'sessions' | 'feed' | 'payRevocations' | 'tell' | 'random' | 'now'>,
  actor: Actor,
  sid: string,
  cause: string,
): Promise<void> {
  const sessionId = sidOf(sid);
  if (sessionId === undefined || (await ports.sessions.find(sessionId))?.kind !== 'token') return;
  const ended = { how: 'revoked', at: ports.now(), cause } as const;
  await ports.feed.revoke({ kind: 'session', sessionId }, ended, sessionEnded(ports.random, actor, ended));
  await Promise.all([ports.tell(), ports.payRevocations()]);
}

async function opened(
  ports: TokenSessionPorts,
  session: Session,
  events: Parameters<TokenSessionStore['open']>[1],
): Promise<void> {
  const event: SessionOpened = {
    kind: 'session_opened',
    id: toHex(ports.random(16)),
    timeMs: session.openedAt,
    tenant: session.tenant,
    actor: SELF,
    principal: session.principal,
    sessionId: toHex(session.sessionId),
    method: session.method,
    sourceAddress: session.sourceAddress,
  };
  const outcome = await ports.tokenSessions.open(session, [event, ...events], {
    recentSince: session.openedAt - MAX_TOKEN_LIFETIME_MS,
    maxRecent: MAX_TOKEN_SESSIONS,
  });
  if (outcome === 'parent_over') throw sessionOver();
  if (outcome === 'full')
    throw busy(
      `${session.principal} has ${MAX_TOKEN_SESSIONS} sessions of tokens, open or of the last ten minutes`,
    );
  if (outcome !== 'opened') throw new Error('a random session id was used before');
  try {
    await ports.tell();
  } catch (error) {
    await revokeUntold(ports, session);
    throw error;
  }
}

/** A session whose opening could not be recorded is over before anybody heard of it. */
async function revokeUntold(ports: TokenSessionPorts, { sessionId }: Session): Promise<void> {
  const ended = { how: 'revoked', at: ports.now(), cause: 'not_recorded' } as const;
  await ports.feed.revoke({ kind: 'session', sessionId }, ended, sessionEnded(ports.random, SELF, ended));
}

function described({ sessionId, principal, clientId, notAfter }: Session): TokenSession {
  return { sessionId: toHex(sessionId), principal, clientId, notAfter };
}

export function sidOf(text: string): Uint8Array | undefined {
  const bytes = /^[0-9a-f]{32}$/u.test(text) ? fromHex(text) : undefined;
  return bytes?.length === SESSION_ID_BYTES ? bytes : undefined;
}
