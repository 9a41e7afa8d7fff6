/** Whether an access token is good now, and what it says (RFC 7662); and its end (RFC 7009). */
import { jwtVerify } from 'jose';
import type { Actor } from '../domain/events.ts';
import { MAX_TOKEN_CHARACTERS } from '../domain/limits.ts';
import type { Method } from '../domain/session.ts';
import type { TokenAlgorithm, TokenKey } from './ports.ts';
import { endTokenSession, findTokenSession, sidOf, type TokenSessionPorts } from './token-sessions.ts';

export interface IntrospectedToken {
  readonly principal: string;
  readonly tenant: string;
  readonly clientId: string;
  readonly audience: readonly string[];
  readonly scopes: readonly string[];
  /** Hex. */
  readonly sessionId: string;
  readonly method: Method;
  readonly issuedAtMs: number;
  readonly notAfterMs: number;
  readonly jkt: string | undefined;
  readonly tokenId: string;
  readonly keyId: string;
}

export interface IntrospectPorts extends Pick<TokenSessionPorts, 'sessions' | 'now' | 'publicOrigin'> {
  readonly tokenKeys: () => Promise<readonly TokenKey[]>;
}

const ALGORITHMS: readonly TokenAlgorithm[] = ['EdDSA', 'ES256'];

/**
 * Undefined for everything that is not a token of ours that is good now. Rejects with `unavailable` when nobody can say:
 * keys or database away.
 */
export async function introspectToken(
  ports: IntrospectPorts,
  token: string,
): Promise<IntrospectedToken | undefined> {
  const claims = await verified(ports, token);
  if (claims === undefined) return undefined;
  const session = await findTokenSession(ports, claims.sessionId);
  return session?.principal === claims.principal ? claims : undefined;
}

/** Ends the session of a token of ours, so all its tokens; resolves to its id. As `endTokenSession`. */
export async function revokeToken(
  ports: IntrospectPorts & TokenSessionPorts,
  actor: Actor | undefined,
  token: string,
  cause: string,
): Promise<Uint8Array | undefined> {
  const claims = await introspectToken(ports, token);
  if (claims === undefined) return undefined;
  // Whoever brings a token may end it: it is the token's own principal, as far as anybody can tell.
  await endTokenSession(ports, actor ?? { kind: 'principal', id: claims.principal }, claims.sessionId, cause);
  return sidOf(claims.sessionId);
}

async function verified(ports: IntrospectPorts, token: string): Promise<IntrospectedToken | undefined> {
  const { publicOrigin } = ports;
  if (publicOrigin === undefined || token.length > MAX_TOKEN_CHARACTERS) return undefined;
  const keys = await ports.tokenKeys();
  let keyId = '';
  try {
    const { payload } = await jwtVerify(
      token,
      ({ kid, alg }) => {
        // The key says which algorithm it is for, and the token's header has to agree (RFC 8725 section 3.1).
        const key = keys.find((each) => each.keyId === kid && each.algorithm === alg);
        if (key === undefined) throw new TypeError('no such key');
        ({ keyId } = key);
        return key.publicKey;
      },
      {
        algorithms: [...ALGORITHMS],
        issuer: publicOrigin,
        typ: 'at+jwt',
        // oxlint-disable-next-line no-restricted-globals -- the Clock's time, in the form that jose takes
        currentDate: new Date(ports.now()),
        requiredClaims: ['sub', 'aud', 'exp', 'iat', 'jti', 'client_id', 'sid'],
      },
    );
    return claimsOf(payload, keyId);
  } catch {
    // jose throws for each thing that can be wrong; all of them are one answer (RFC 7662 section 2.2).
    return undefined;
  }
}

function claimsOf(payload: Readonly<Record<string, unknown>>, keyId: string): IntrospectedToken {
  const text = (name: string): string => {
    const value = payload[name];
    if (typeof value !== 'string') throw new TypeError(`${name} is not text`);
    return value;
  };
  const seconds = (name: string): number => {
    const value = payload[name];
    if (typeof value !== 'number') throw new TypeError(`${name} is no number`);
    return value * 1000;
  };
  const { aud, cnf } = payload;
  const jkt = typeof cnf === 'object' && cnf !== null && 'jkt' in cnf ? cnf.jkt : undefined;
  const method = text('method');
  if (method !== 'certificate' && method !== 'psk' && method !== 'oauth') throw new TypeError('method');
  return {
    principal: text('sub'),
    tenant: text('tenant'),
    clientId: text('client_id'),
    audience: Array.isArray(aud) ? aud.filter((each) => typeof each === 'string') : [text('aud')],
    scopes: text('scope')
      .split(' ')
      .filter((scope) => scope !== ''),
    sessionId: text('sid'),
    method,
    issuedAtMs: seconds('iat'),
    notAfterMs: seconds('exp'),
    jkt: typeof jkt === 'string' ? jkt : undefined,
    tokenId: text('jti'),
    keyId,
  };
}
