/** Tokens between the contract's messages and this service's types. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { fromHex } from '@sallyport/crypto';
import type { authv1 } from '@sallyport/proto';
import { invalidArgument } from '@sallyport/service/errors';
import type { IntrospectedToken } from '../app/introspect-token.ts';
import type { AccessToken, TokenWanted } from '../app/issue-access-token.ts';
import { parseLine } from '../domain/text.ts';

export function wantedOf(request: authv1.IssueTokenRequest): TokenWanted {
  const { audience, scopes, dpopJkt, lifetimeSeconds } = request;
  return {
    audience,
    scopes,
    ...(dpopJkt === '' ? {} : { jkt: dpopJkt }),
    ...(lifetimeSeconds === 0 ? {} : { lifetimeMs: lifetimeSeconds * 1000 }),
  };
}

/** One line; `fallback` for nothing. Throws `invalid_argument`. */
export function causeOf(text: string, fallback: string): string {
  const line = parseLine(text, fallback);
  if (line === undefined) throw invalidArgument('one line of at most 128 characters', { field: 'cause' });
  return line;
}

export function toIssuedToken(token: AccessToken): MessageInitShape<typeof authv1.IssueTokenResponseSchema> {
  return {
    accessToken: token.accessToken,
    notAfter: timestampFromMs(token.notAfterMs),
    sessionId: bytesOf(token.sessionId),
    scopes: [...token.scopes],
    audience: [...token.audience],
  };
}

export function toIntrospected(
  token: IntrospectedToken | undefined,
): MessageInitShape<typeof authv1.IntrospectTokenResponseSchema> {
  if (token === undefined) return { active: false };
  const { principal, tenant, clientId, method, tokenId, keyId } = token;
  return {
    active: true,
    ...{ principal, tenant, clientId, method, tokenId, keyId },
    audience: [...token.audience],
    scopes: [...token.scopes],
    sessionId: bytesOf(token.sessionId),
    issuedAt: timestampFromMs(token.issuedAtMs),
    notAfter: timestampFromMs(token.notAfterMs),
    dpopJkt: token.jkt ?? '',
  };
}

function bytesOf(sessionId: string): Uint8Array {
  const bytes = fromHex(sessionId);
  if (bytes === undefined) throw new Error('a session id of ours is no hex');
  return bytes;
}
