/**
 * Access tokens (RFC 9068) of our auth-service: verified in process, remembered by digest until they end.
 *
 * The audience is not looked at here: one token may be for several resources, and which one is asked for is known only to
 * the caller. What is returned holds for its whole life but for revocation, which is asked for each time.
 */
import { hash } from 'node:crypto';
import { errors, jwtVerify, type JWTPayload } from 'jose';
import { fromBase64url } from '@sallyport/crypto';
import { freezePrincipal, type Principal } from '@sallyport/policy-engine';
import { parsePrincipalId } from '@sallyport/service/identity';
import { TOKEN_ALGORITHMS, type TokenKey, type TokenKeys } from './keys.ts';

export type AccessToken = {
  /** Frozen. */
  readonly principal: Principal;
  /** Hex of 16 bytes. */
  readonly sessionId: string;
  readonly clientId: string;
  readonly scopes: ReadonlySet<string>;
  readonly audiences: ReadonlySet<string>;
  readonly notAfterMs: number;
  /** RFC 9449 section 6.1: the key that every proof must be made with. Absent: whoever has the token may use it. */
  readonly keyThumbprint?: string;
  /** SHA-256 of the token, base64url: what a proof's `ath` must be. */
  readonly digest: string;
};

/** Closed; a label of metrics and of the audit log. None of them tells a client more than `invalid_token`. */
export type TokenProblem =
  | 'malformed'
  | 'algorithm'
  | 'unknown_key'
  | 'signature'
  | 'type'
  | 'issuer'
  | 'expired'
  | 'not_yet'
  | 'claims';

export type TokenVerifier = {
  /** Never throws for what the token is. Rejects when no key is known. */
  verify(token: string): Promise<AccessToken | TokenProblem>;
  /** A key changed its state: nothing that was verified counts any more. */
  forget(): void;
  readonly remembered: number;
};

export type TokenVerifierOptions = {
  readonly keys: Pick<TokenKeys, 'find' | 'refresh'>;
  readonly issuer: string;
  readonly now: () => number;
  /** Tokens remembered. Default 8,192, some 10 MiB. */
  readonly maxRemembered?: number;
};

export const MAX_TOKEN_CHARS = 8 * 1024;
/** Between the clocks of auth-service and of the gateway. */
export const SKEW_MS = 5_000;
/** Tokens that live longer are not ours: what is revoked is forgotten after a while. */
const MAX_LIFE_S = 10 * 60;
const MS = 1_000;
const MAX_REMEMBERED = 8_192;
const MAX_AUDIENCES = 64;
const SESSION_ID = /^[0-9a-f]{32}$/u;
const TENANT = /^[a-z0-9._-]{1,64}$/u;
/** RFC 6749 section 3.3. */
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]{1,64}(?: [\x21\x23-\x5b\x5d-\x7e]{1,64}){0,31}$/u;
const THUMBPRINT = /^[A-Za-z0-9_-]{43}$/u;
const METHODS: ReadonlySet<string> = new Set(['certificate', 'psk', 'oauth']);

/**
 * `issuer` is compared exactly; times may be off by `SKEW_MS`. A token found good is remembered by its SHA-256 until
 * it ends.
 */
export function tokenVerifier(options: TokenVerifierOptions): TokenVerifier {
  const { keys, issuer, now, maxRemembered = MAX_REMEMBERED } = options;
  const remembered = new Map<string, AccessToken>();
  /** How often all was forgotten. */
  let epoch = 0;

  function remember(token: AccessToken): void {
    remembered.set(token.digest, token);
    for (const oldest of remembered.keys()) {
      if (remembered.size <= maxRemembered) break;
      remembered.delete(oldest);
    }
  }

  /** A key may have been made after we were told of the others: the token came faster than its announcement. */
  async function keyOf(keyId: string): Promise<TokenKey | undefined> {
    const known = keys.find(keyId);
    if (known !== undefined) return known;
    await keys.refresh();
    return keys.find(keyId);
  }

  return {
    get remembered() {
      return remembered.size;
    },
    forget() {
      epoch += 1;
      remembered.clear();
    },
    async verify(token) {
      if (token.length > MAX_TOKEN_CHARS) return 'malformed';
      const digest = hash('sha256', token, 'base64url');
      const known = remembered.get(digest);
      if (known !== undefined) {
        if (now() < known.notAfterMs + SKEW_MS) return known;
        remembered.delete(digest);
        return 'expired';
      }
      if (!hasOneSpelling(token)) return 'malformed';
      const began = epoch;
      try {
        const { payload } = await jwtVerify(
          token,
          async ({ kid, alg }) => {
            const key = kid === undefined ? undefined : await keyOf(kid);
            if (key === undefined) throw new UnknownKey();
            // A key serves the one algorithm it was made for (RFC 8725 section 3.1).
            if (key.algorithm !== alg) throw new errors.JOSEAlgNotAllowed();
            return key.key;
          },
          {
            algorithms: [...TOKEN_ALGORITHMS],
            typ: 'at+jwt', // RFC 9068 section 4
            issuer,
            currentDate: new Date(now()),
            clockTolerance: SKEW_MS / MS,
            requiredClaims: ['exp', 'iat', 'sub', 'aud', 'jti'],
          },
        );
        const found = accessToken(payload, digest, now());
        // Forgotten meanwhile: the key that it was verified with may be the one that is not good any more.
        if (typeof found !== 'string' && epoch === began) remember(found);
        return found;
      } catch (error) {
        return problemOf(error);
      }
    },
  };
}

class UnknownKey extends Error {}

/**
 * RFC 7515 section 2: base64url without padding. Only the signature, which is not signed itself, could be spelled otherwise;
 * one token would then be many, each with a digest and a place of its own among those that are remembered.
 */
function hasOneSpelling(token: string): boolean {
  return fromBase64url(token.slice(token.lastIndexOf('.') + 1)) !== undefined;
}

function problemOf(error: unknown): TokenProblem {
  if (error instanceof UnknownKey) return 'unknown_key';
  if (error instanceof errors.JWTExpired) return 'expired';
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === 'typ') return 'type';
    if (error.claim === 'iss') return 'issuer';
    if (error.claim === 'nbf' || error.claim === 'iat') return 'not_yet';
    return 'claims';
  }
  if (error instanceof errors.JOSEAlgNotAllowed) return 'algorithm';
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'signature';
  return 'malformed';
}

/** Of claims whose signature, type, issuer and times are right. */
function accessToken(claims: JWTPayload, digest: string, nowMs: number): AccessToken | TokenProblem {
  const { sub = '', exp = 0, iat = 0, jti, aud } = claims;
  const { tenant, sid, client_id: clientId, scope = '', cnf, method } = claims;
  if (iat * MS > nowMs + SKEW_MS) return 'not_yet';
  if (exp <= iat || exp - iat > MAX_LIFE_S) return 'claims';
  if (parsePrincipalId(sub) === undefined || !isText(jti, 256)) return 'claims';
  if (typeof tenant !== 'string' || !TENANT.test(tenant)) return 'claims';
  if (typeof sid !== 'string' || !SESSION_ID.test(sid)) return 'claims';
  if (!isText(clientId, 2_048)) return 'claims';
  if (typeof scope !== 'string' || (scope !== '' && !SCOPE.test(scope))) return 'claims';
  const audiences = typeof aud === 'string' ? [aud] : (aud ?? []);
  if (audiences.length > MAX_AUDIENCES || !audiences.every((each) => isText(each, 2_048))) return 'claims';
  const keyThumbprint = thumbprintOf(cnf);
  if (keyThumbprint === 'unknown') return 'claims';
  return Object.freeze({
    principal: freezePrincipal({ id: sub, tenant, method: methodOf(method) }),
    sessionId: sid,
    clientId,
    scopes: new Set(scope === '' ? [] : scope.split(' ')),
    audiences: new Set(audiences),
    notAfterMs: exp * MS,
    ...(keyThumbprint === undefined ? {} : { keyThumbprint }),
    digest,
  });
}

const isText = (value: unknown, max: number): value is string =>
  typeof value === 'string' && value !== '' && value.length <= max;

/** RFC 7800: a binding that is not understood is no reason to take the token unbound. */
function thumbprintOf(cnf: unknown): string | undefined {
  if (cnf === undefined) return undefined;
  if (typeof cnf !== 'object' || cnf === null || Object.keys(cnf).length !== 1) return 'unknown';
  const { jkt } = cnf as { readonly jkt?: unknown };
  return typeof jkt === 'string' && THUMBPRINT.test(jkt) ? jkt : 'unknown';
}

/** How the principal proved itself when the session was opened. */
function methodOf(method: unknown): string {
  return typeof method === 'string' && METHODS.has(method) ? method : 'oauth';
}
