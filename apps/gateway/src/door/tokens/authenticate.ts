/**
 * Who sends a request of the HTTPS face: the access token of exactly one `Authorization` header, and the proof of the key
 * that it is bound to. What is refused here is counted and never attributed to whom it claims.
 */
import type { Caller, ProofGuard } from '../ports.ts';
import type { AccessToken, TokenProblem, TokenVerifier } from './access-token.ts';
import type { ChallengeError } from './challenge.ts';
import { PROOF_AHEAD_MS, PROOF_AGE_MS, type ProofProblem, type ProofVerifier } from './dpop.ts';
import type { TokenKeys } from './keys.ts';
import type { ProofNonces } from './nonces.ts';
import type { Resource } from './resource.ts';

export type Credentials = {
  /** Each header as it came; more than one is no credential. */
  readonly authorization: readonly string[];
  readonly proofs: readonly string[];
  /** There was a token where it may not be. */
  readonly isTokenInQuery: boolean;
  readonly method: string;
  /** What the request was sent to, without query: any of these is its URL. */
  readonly urls: ReadonlySet<string>;
  readonly resource: Resource;
  readonly peerAddress: string;
};

/** Closed; for metrics and the counts in the audit log. */
export type TokenRefusal =
  | TokenProblem
  | ProofProblem
  | 'missing'
  | 'scheme'
  | 'several'
  | 'in_query'
  | 'audience'
  | 'revoked'
  | 'unbound'
  | 'bound'
  | 'proof_seen'
  | 'proof_stale'
  | 'unavailable';

export type Refusal = {
  readonly kind: 'refused';
  readonly cause: TokenRefusal;
  readonly status: 400 | 401 | 503;
  readonly scheme: 'Bearer' | 'DPoP' | undefined;
  readonly error: ChallengeError | undefined;
  /** For a person; a constant. */
  readonly description: string;
  /** RFC 9449 section 8: to be used in the next proof. */
  readonly nonce?: string;
};

export type Authentication = { readonly kind: 'caller'; readonly caller: Caller } | Refusal;

export type Authenticate = (credentials: Credentials) => Promise<Authentication>;

export type AuthenticatePorts = {
  readonly tokens: TokenVerifier;
  readonly keys: Pick<TokenKeys, 'isCurrent' | 'refresh'>;
  readonly verifyProof: ProofVerifier;
  readonly proofs: ProofGuard;
  readonly nonces: Pick<ProofNonces, 'make' | 'open'>;
  readonly allowsBearer: boolean;
  readonly isRevoked: (sessionId: string) => boolean;
  /** Nobody can say which sessions are revoked. */
  readonly isFeedDead: () => boolean;
  readonly now: () => number;
  readonly onProof?: (verdict: 'new' | 'seen' | 'stale' | 'unknown') => void;
  readonly onProblem: (error: unknown) => void;
};

// RFC 6750 section 2.1 and RFC 9449 section 7.1; schemes are case-insensitive (RFC 9110 section 11.1).
const CREDENTIALS = /^(bearer|dpop) +([A-Za-z0-9._~+/-]+=*)$/iu;

const DESCRIPTIONS: Partial<Record<TokenRefusal, string>> = {
  missing: 'An access token is needed.',
  several: 'There must be one Authorization header and at most one DPoP header.',
  in_query: 'An access token belongs into the Authorization header.',
  unbound: 'The access token must be bound to a key (DPoP).',
  bound: 'The access token is bound to a key and needs a proof (DPoP).',
  audience: 'The access token is not for this resource.',
  expired: 'The access token is expired.',
  proof_missing: 'A DPoP proof is needed.',
  proof_seen: 'The DPoP proof was used before.',
  proof_stale: 'The DPoP proof needs the nonce of this answer.',
  unavailable: 'Nobody can say now whether this access token is good. Try again.',
};

/** Never rejects: a refusal is a value. A proof that was good is used up, whatever follows. */
export function authenticator(ports: AuthenticatePorts): Authenticate {
  const { tokens, keys, proofs, nonces, now } = ports;

  const unavailable = (scheme: Refusal['scheme']): Refusal => refusal('unavailable', 503, scheme, undefined);

  /** What is wrong with the proof of this token; undefined = it is good, and claimed. */
  async function proofRefusal(
    token: AccessToken,
    thumbprint: string,
    { proofs: sent, method, urls }: Credentials,
  ): Promise<Refusal | undefined> {
    const [proof] = sent;
    if (proof === undefined) return refusal('proof_missing', 401, 'DPoP', 'invalid_dpop_proof');
    const expected = { method, urls, tokenDigest: token.digest, thumbprint, nowMs: now() };
    const verified = await ports.verifyProof(proof, expected);
    if (typeof verified === 'string') return refusal(verified, 401, 'DPoP', 'invalid_dpop_proof');
    const { tokenId, issuedAtMs, nonce } = verified;
    try {
      const verdict = await proofs.claim({
        thumbprint,
        tokenId,
        // The earliest moment, by our clock, at which it can have been made.
        issuedAtMs: issuedAtMs - PROOF_AHEAD_MS,
        notAfterMs: issuedAtMs + PROOF_AGE_MS,
        ...(nonce === undefined ? {} : { madeIn: () => nonces.open(nonce, token.principal) }),
      });
      ports.onProof?.(verdict);
      if (verdict === 'new') return undefined;
      if (verdict === 'seen') return refusal('proof_seen', 401, 'DPoP', 'invalid_dpop_proof');
      return {
        ...refusal('proof_stale', 401, 'DPoP', 'use_dpop_nonce'),
        nonce: nonces.make(proofs.histories()),
      };
    } catch (error) {
      ports.onProof?.('unknown');
      ports.onProblem(error);
      return unavailable('DPoP');
    }
  }

  return async (credentials) => {
    const { authorization, resource, peerAddress } = credentials;
    if (credentials.isTokenInQuery) return refusal('in_query', 400, undefined, 'invalid_request');
    if (authorization.length > 1 || credentials.proofs.length > 1)
      return refusal('several', 400, undefined, 'invalid_request');
    const [header] = authorization;
    // RFC 6750 section 3.1: who shows nothing is told no error.
    if (header === undefined) return refusal('missing', 401, undefined, undefined);
    const [, name = '', presented = ''] = CREDENTIALS.exec(header) ?? [];
    const scheme = name === '' ? undefined : name.toLowerCase() === 'bearer' ? 'Bearer' : 'DPoP';
    if (scheme === undefined) return refusal('scheme', 401, undefined, undefined);
    if (!keys.isCurrent()) await keys.refresh();
    if (!keys.isCurrent()) return unavailable(scheme);
    const token = await tokens.verify(presented);
    if (typeof token === 'string') return refusal(token, 401, scheme, 'invalid_token');
    if (!token.audiences.has(resource.url)) return refusal('audience', 401, scheme, 'invalid_token');
    const { keyThumbprint } = token;
    // RFC 9449 section 7.2: a bound token without its proof is no bearer token.
    if (keyThumbprint !== undefined && scheme === 'Bearer')
      return refusal('bound', 401, 'DPoP', 'invalid_token');
    if (keyThumbprint === undefined && (scheme === 'DPoP' || !ports.allowsBearer))
      return refusal('unbound', 401, scheme, 'invalid_token');
    if (keyThumbprint !== undefined) {
      const refused = await proofRefusal(token, keyThumbprint, credentials);
      if (refused !== undefined) return refused;
    }
    // Last, so that nothing is waited for between the answer and its use.
    if (ports.isRevoked(token.sessionId)) return refusal('revoked', 401, scheme, 'invalid_token');
    if (ports.isFeedDead()) return unavailable(scheme);
    return { kind: 'caller', caller: callerOf(token, peerAddress) };
  };
}

function callerOf(token: AccessToken, peerAddress: string): Caller {
  const { principal, sessionId, clientId, scopes, notAfterMs } = token;
  return { principal, sessionId, clientId, scopes, notAfterMs, peerAddress };
}

function refusal(
  cause: TokenRefusal,
  status: Refusal['status'],
  scheme: Refusal['scheme'],
  error: ChallengeError | undefined,
): Refusal {
  const description =
    DESCRIPTIONS[cause] ??
    (cause.startsWith('proof_')
      ? 'The DPoP proof is not good for this request.'
      : 'The access token is not good.');
  return { kind: 'refused', cause, status, scheme, error, description };
}
