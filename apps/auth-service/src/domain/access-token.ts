/** What an access token says (RFC 9068), and what it may say. Pure. */
import { fromBase64url } from '@sallyport/crypto';
import { MAX_AUDIENCE_CHARACTERS, MAX_AUDIENCES } from './limits.ts';

/** All scopes there are, each with what it opens at the door. */
export const SCOPES = ['context:read', 'context:call'] as const;
export type Scope = (typeof SCOPES)[number];

/** The client of tokens that were asked for over the secure channel. */
export const CHANNEL_CLIENT = 'sallyport-channel';

/** JWT claims as they are signed: RFC 7519, RFC 9068 section 2.2, RFC 9449 section 6.1. Times in seconds. */
export interface AccessTokenClaims {
  readonly iss: string;
  /** `user:alice`. */
  readonly sub: string;
  readonly aud: string | readonly string[];
  readonly iat: number;
  readonly nbf: number;
  readonly exp: number;
  readonly jti: string;
  readonly client_id: string;
  /** Separated by blanks. */
  readonly scope: string;
  readonly tenant: string;
  /** Hex of 16 bytes: the session that revoking ends. */
  readonly sid: string;
  /** How the principal proved itself (`Method`). */
  readonly method: string;
  readonly cnf?: { readonly jkt: string };
}

/** The resources of this deployment, whose origin is `https://host[:port]`: all routes together, and one by itself. */
export function federatedResource(origin: string): string {
  return `${origin}/mcp`;
}

const ROUTE = /^[a-z0-9][a-z0-9_-]{0,62}$/u;

/** Whether `text` names a resource of this deployment, to the letter. */
export function isResource(origin: string, text: string): boolean {
  if (text.length > MAX_AUDIENCE_CHARACTERS) return false;
  const door = federatedResource(origin);
  return text === door || (text.startsWith(`${door}/`) && ROUTE.test(text.slice(door.length + 1)));
}

/** Each once, in the order given; undefined unless all are resources of ours and there is at least one. */
export function parseAudience(origin: string, audience: readonly string[]): readonly string[] | undefined {
  const distinct = [...new Set(audience)];
  if (distinct.length === 0 || audience.length > MAX_AUDIENCES) return undefined;
  return distinct.every((text) => isResource(origin, text)) ? distinct : undefined;
}

/** Those asked for in our order, or all when none is; undefined when one is unknown. */
export function parseScopes(scopes: readonly string[]): readonly Scope[] | undefined {
  if (scopes.length === 0) return SCOPES;
  if (!scopes.every((scope) => SCOPES.some((known) => known === scope))) return undefined;
  return SCOPES.filter((scope) => scopes.includes(scope));
}

/** A thumbprint of RFC 7638 with SHA-256: 32 bytes in base64url, in its one canonical spelling. */
export function isThumbprint(text: string): boolean {
  return /^[A-Za-z0-9_-]{43}$/u.test(text) && fromBase64url(text)?.length === 32;
}
