/**
 * The built-in destination `sallyport.token`: an access token for whoever opened the session, by the credential that opened
 * it (docs/adr/0080). Decided and recorded like every other destination. auth-service looks the session up by its id and says
 * who the token is for; nothing in the message does.
 */
import { isUtf8 } from 'node:buffer';
import { fromHex, utf8 } from '@sallyport/crypto';
import type { authv1 } from '@sallyport/proto';
import { SallyportError, type Reason } from '@sallyport/service/errors';
import type { ServiceCalls } from '@sallyport/service/grpc';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import type { Route, RouteResult } from '../app/ports.ts';
import { ROUTE_NAME, type DoorConfig } from '../door/config.ts';
import { resourceOf } from '../door/tokens/resource.ts';

export const TOKEN_DESTINATION = 'sallyport.token';

/** The destination, where there is a door to use a token at. */
export function tokenDestination(
  door: Pick<DoorConfig, 'allowBearerTokens' | 'servers'> | undefined,
  ports: Pick<TokenRoutePorts, 'auth' | 'now'> & { readonly origin: () => string },
): Readonly<Record<string, Route>> {
  if (door === undefined) return {};
  return {
    [TOKEN_DESTINATION]: tokenRoute({
      ...ports,
      allowsBearer: door.allowBearerTokens,
      resource: (route) => resourceOf(ports.origin(), route).url,
      routes: Object.keys(door.servers),
    }),
  };
}

export type TokenRoutePorts = {
  readonly auth: Pick<ServiceCalls<typeof authv1.AuthService>, 'issueToken'>;
  /** Tokens that are bound to no key are given only where the door takes them. */
  readonly allowsBearer: boolean;
  /** The resource of a route; undefined: of all routes together. */
  readonly resource: (route?: string) => string;
  /** For who names none: all routes together, and each of these. */
  readonly routes: readonly string[];
  readonly now: () => number;
};

/** What is asked for; every member may be left out. */
export type TokenRequest = {
  /** Resources by URL, or routes by name; a list of them too. */
  readonly audience?: string | readonly string[];
  readonly scopes?: readonly string[];
  readonly dpop_jkt?: string;
  readonly lifetime_seconds?: number;
};

/** As RFC 6749 section 5.1 has it. */
export type TokenAnswer = {
  readonly access_token: string;
  readonly token_type: 'Bearer' | 'DPoP';
  readonly expires_in: number;
  readonly scope: string;
};

/** As RFC 6749 section 5.2 has it, and RFC 8707 section 2 for `invalid_target`. */
export type TokenError = {
  readonly error: 'invalid_request' | 'invalid_target' | 'invalid_scope' | 'invalid_grant';
  readonly error_description: string;
};

const MAX_REQUEST_BYTES = 64 * 1024;
const MAX_LIFETIME_SECONDS = 600;
const MEMBERS: ReadonlySet<string> = new Set(['audience', 'scopes', 'dpop_jkt', 'lifetime_seconds']);

export function tokenRoute(ports: TokenRoutePorts): Route {
  return {
    // Asked for again, another token is given: nobody else has either.
    isIdempotent: true,
    async send({ body, evidence, signal }) {
      const asked = parseTokenRequest(body);
      if ('error' in asked) return answer('400', asked);
      const { audience, scopes = [], dpop_jkt: dpopJkt = '', lifetime_seconds: lifetimeSeconds = 0 } = asked;
      if (dpopJkt === '' && !ports.allowsBearer)
        return answer('400', {
          error: 'invalid_request',
          error_description:
            'bearer tokens are not allowed here: name the key that the token is to be bound to (dpop_jkt)',
        });
      const named = audienceOf(ports, audience);
      const sessionId = fromHex(evidence.sessionId);
      if (sessionId === undefined) throw new TypeError('a session id of ours is no hex');
      try {
        const issued = await ports.auth.issueToken(
          { sessionId, audience: [...named], scopes: [...scopes], dpopJkt, lifetimeSeconds },
          { signal },
        );
        const endsAt = issued.notAfter === undefined ? 0 : timestampMs(issued.notAfter);
        return answer('200', {
          access_token: issued.accessToken,
          token_type: dpopJkt === '' ? 'Bearer' : 'DPoP',
          expires_in: Math.max(0, Math.floor((endsAt - ports.now()) / 1000)),
          scope: issued.scopes.join(' '),
        });
      } catch (error) {
        return refused(error);
      }
    },
  };
}

/** auth-service says what is a resource; here names become URLs. */
function audienceOf(
  { resource, routes }: TokenRoutePorts,
  audience: TokenRequest['audience'],
): readonly string[] {
  if (audience === undefined) return [resource(), ...routes.map((route) => resource(route))];
  const named = typeof audience === 'string' ? [audience] : audience;
  return named.map((each) => (ROUTE_NAME.test(each) ? resource(each) : each));
}

/** An empty body asks for what there is by default. */
export function parseTokenRequest(body: Uint8Array): TokenRequest | TokenError {
  if (body.length === 0) return {};
  const invalid = (description: string): TokenError => ({
    error: 'invalid_request',
    error_description: description,
  });
  if (body.length > MAX_REQUEST_BYTES || !isUtf8(body)) return invalid('not a request for a token');
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.length).toString('utf8'));
  } catch {
    return invalid('the request is not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return invalid('the request must be an object');
  const asked = value as Readonly<Record<string, unknown>>;
  const stranger = Object.keys(asked).find((member) => !MEMBERS.has(member));
  if (stranger !== undefined)
    return invalid(
      `of audience, scopes, dpop_jkt and lifetime_seconds; not ${JSON.stringify(stranger.slice(0, 32))}`,
    );
  const { audience, scopes, dpop_jkt: jkt, lifetime_seconds: lifetime } = asked;
  if (audience !== undefined && typeof audience !== 'string' && !isTexts(audience))
    return invalid('audience must be a URL or a list of them');
  if (scopes !== undefined && !isTexts(scopes)) return invalid('scopes must be a list');
  if (jkt !== undefined && (typeof jkt !== 'string' || jkt === ''))
    return invalid('dpop_jkt must be the thumbprint of a key (RFC 7638)');
  if (lifetime !== undefined && !(isWhole(lifetime) && lifetime >= 1 && lifetime <= MAX_LIFETIME_SECONDS))
    return invalid(`lifetime_seconds must be 1 to ${MAX_LIFETIME_SECONDS}`);
  return {
    ...(audience === undefined ? {} : { audience }),
    ...(scopes === undefined ? {} : { scopes }),
    ...(jkt === undefined ? {} : { dpop_jkt: jkt }),
    ...(lifetime === undefined ? {} : { lifetime_seconds: Number(lifetime) }),
  };
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

/** Refusals that nothing came of; whatever else failed may have made a token, which then ends unused. */
const PASSING: ReadonlySet<Reason> = new Set<Reason>(['unavailable', 'busy', 'spool_full']);

function refused(error: unknown): RouteResult {
  if (!(error instanceof SallyportError)) throw error;
  const { reason, message, field } = error;
  if (reason === 'invalid_argument') {
    const kind =
      field === 'audience' ? 'invalid_target' : field === 'scopes' ? 'invalid_scope' : 'invalid_request';
    return answer('400', { error: kind, error_description: `${field ?? 'request'}: ${message}` });
  }
  if (reason === 'session_unknown' || reason === 'session_revoked')
    return answer('400', { error: 'invalid_grant', error_description: 'the session is over' });
  return {
    kind: 'failure',
    reason: reason === 'deadline_exceeded' ? 'upstream_timeout' : 'upstream_failed',
    status: reason,
    detail: `no token could be made: ${message}`,
    isWithoutEffect: PASSING.has(reason),
  };
}

function answer(status: string, body: TokenAnswer | TokenError): RouteResult {
  return { kind: 'response', contentType: 'application/json', body: utf8(JSON.stringify(body)), status };
}
