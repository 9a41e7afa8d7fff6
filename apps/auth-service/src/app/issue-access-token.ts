/**
 * A signed access token of an open token session (RFC 9068). The session row says who it is for: nobody who asks can choose
 * that. In order: session looked at, signed, noted against a revocation, recorded, answered.
 */
import { toHex } from '@sallyport/crypto';
import { invalidArgument, SallyportError, unavailable } from '@sallyport/service/errors';
import type { TellEvents } from '@sallyport/service/lifecycle';
import {
  isThumbprint,
  parseAudience,
  parseScopes,
  type AccessTokenClaims,
  type Scope,
} from '../domain/access-token.ts';
import type { Actor, TokenIssued } from '../domain/events.ts';
import { MAX_TOKEN_LIFETIME_MS } from '../domain/limits.ts';
import { endedAt, type Session } from '../domain/session.ts';
import type {
  CheckRecorder,
  Now,
  Random,
  SessionReader,
  TokenAlgorithm,
  TokenSessionStore,
} from './ports.ts';
import type { TokenSigner } from './token-signer.ts';

export interface TokenWanted {
  /** Resources of this deployment: 1 to 64. */
  readonly audience: readonly string[];
  /** None = all. */
  readonly scopes: readonly string[];
  /** Thumbprint of the key that must prove each use (RFC 9449); absent = a bearer token. */
  readonly jkt?: string;
  /** At most, and by default, 10 minutes. */
  readonly lifetimeMs?: number;
  /** Default `EdDSA`. */
  readonly algorithm?: TokenAlgorithm;
}

export interface AccessToken {
  readonly accessToken: string;
  /** Hex, as `sid` in the token. */
  readonly sessionId: string;
  readonly tokenId: string;
  readonly notAfterMs: number;
  readonly expiresInSeconds: number;
  readonly audience: readonly string[];
  readonly scopes: readonly Scope[];
  readonly tokenType: 'Bearer' | 'DPoP';
}

export interface IssueAccessTokenPorts {
  readonly sessions: Pick<SessionReader, 'find'>;
  readonly tokenSessions: Pick<TokenSessionStore, 'note'>;
  readonly signToken: TokenSigner;
  readonly checkRecorder: CheckRecorder;
  readonly tell: TellEvents;
  readonly random: Random;
  readonly now: Now;
  /** `https://host[:port]`: issuer, and origin of the resources. Undefined: this deployment gives no tokens. */
  readonly publicOrigin: string | undefined;
}

/** A token's wish that was found good. */
export type ParsedWish = Required<Pick<TokenWanted, 'lifetimeMs' | 'algorithm'>> & {
  readonly origin: string;
  readonly audience: readonly string[];
  readonly scopes: readonly Scope[];
  readonly jkt: string | undefined;
};

/**
 * Throws `invalid_argument`, `session_unknown` for what is no token's session, `session_revoked` when it is over,
 * `unavailable`, `spool_full`.
 */
export async function issueAccessToken(
  ports: IssueAccessTokenPorts,
  actor: Actor,
  sessionId: Uint8Array,
  wanted: TokenWanted,
): Promise<AccessToken> {
  const wish = parseWish(ports.publicOrigin, wanted);
  await ports.checkRecorder();
  const session = await ports.sessions.find(sessionId);
  if (session?.kind !== 'token') throw new SallyportError('session_unknown', 'no such session of tokens');
  if (endedAt(session, ports.now()) !== undefined) throw sessionOver();
  const { token, event } = await signedToken(ports, actor, session, wish);
  if (!(await ports.tokenSessions.note(sessionId, ports.now(), event))) throw sessionOver();
  await ports.tell();
  return token;
}

/** Throws `invalid_argument`, `unavailable` when this deployment gives no tokens. */
export function parseWish(origin: string | undefined, wanted: TokenWanted): ParsedWish {
  if (origin === undefined)
    throw unavailable('this deployment gives no access tokens: publicOrigin is not set');
  const audience = parseAudience(origin, wanted.audience);
  if (audience === undefined)
    throw invalidArgument(`1 to 64 of ${origin}/mcp and ${origin}/mcp/<route>`, { field: 'audience' });
  const scopes = parseScopes(wanted.scopes);
  if (scopes === undefined) throw invalidArgument('of context:read and context:call', { field: 'scopes' });
  const { jkt, lifetimeMs = MAX_TOKEN_LIFETIME_MS, algorithm = 'EdDSA' } = wanted;
  if (jkt !== undefined && !isThumbprint(jkt))
    throw invalidArgument('an RFC 7638 thumbprint: SHA-256 in base64url', { field: 'dpop_jkt' });
  if (!Number.isSafeInteger(lifetimeMs) || lifetimeMs < 1000 || lifetimeMs > MAX_TOKEN_LIFETIME_MS)
    throw invalidArgument(`1 s to ${MAX_TOKEN_LIFETIME_MS / 1000} s`, { field: 'lifetime_seconds' });
  return { origin, audience, scopes, jkt, lifetimeMs, algorithm };
}

/** For `session`, never beyond its end. Throws `session_revoked` when less than a second is left of it. */
export async function signedToken(
  ports: Pick<IssueAccessTokenPorts, 'signToken' | 'random' | 'now'>,
  actor: Actor,
  session: Session,
  wish: ParsedWish,
): Promise<{ readonly token: AccessToken; readonly event: TokenIssued }> {
  const { origin, audience, scopes, jkt } = wish;
  const now = ports.now();
  const iat = Math.trunc(now / 1000);
  const exp = Math.trunc(Math.min(now + wish.lifetimeMs, session.notAfter) / 1000);
  if (exp <= iat) throw sessionOver();
  const jti = toHex(ports.random(16));
  const sid = toHex(session.sessionId);
  const [only] = audience;
  const claims: AccessTokenClaims = {
    iss: origin,
    sub: session.principal,
    aud: audience.length === 1 && only !== undefined ? only : audience,
    iat,
    nbf: iat,
    exp,
    jti,
    client_id: session.clientId,
    scope: scopes.join(' '),
    tenant: session.tenant,
    sid,
    method: session.method,
    ...(jkt === undefined ? {} : { cnf: { jkt } }),
  };
  return {
    token: {
      accessToken: await ports.signToken(wish.algorithm, claims),
      sessionId: sid,
      tokenId: jti,
      notAfterMs: exp * 1000,
      expiresInSeconds: exp - iat,
      audience,
      scopes,
      tokenType: jkt === undefined ? 'Bearer' : 'DPoP',
    },
    event: {
      kind: 'token_issued',
      id: toHex(ports.random(16)),
      timeMs: now,
      tenant: session.tenant,
      actor,
      principal: session.principal,
      sessionId: sid,
      method: session.method,
      tokenId: jti,
      clientId: session.clientId,
      audience,
      isBound: jkt !== undefined,
    },
  };
}

export function sessionOver(): SallyportError {
  return new SallyportError('session_revoked', 'the session is over');
}
