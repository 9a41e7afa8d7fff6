/**
 * Revocation (RFC 7009) and introspection (RFC 7662). A token belongs to a session, and revoking it ends that session:
 * every token of it, at every gateway.
 */
import type { Provider } from 'oidc-provider';
import type { OAuthPorts } from './ports.ts';

export type EndpointAnswer = {
  readonly status: number;
  readonly body?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
};

type Form = URLSearchParams;

const failure = (status: number, error: string, description: string): EndpointAnswer => ({
  status,
  body: { error, error_description: description },
});

/** Undefined when a parameter that is needed is missing or there twice (RFC 6749 section 3.2). */
function single(form: Form, name: string): string | undefined {
  const values = form.getAll(name);
  return values.length === 1 && values[0] !== '' ? values[0] : undefined;
}

/** A client may revoke its own tokens; being public, it says who it is and the token proves the rest. */
export async function revoke(
  ports: Pick<OAuthPorts, 'inspectToken' | 'sessions'>,
  provider: Provider,
  form: Form,
): Promise<EndpointAnswer> {
  const token = single(form, 'token');
  const clientId = single(form, 'client_id');
  if (token === undefined) return failure(400, 'invalid_request', 'token is missing');
  if (clientId === undefined) return failure(401, 'invalid_client', 'client_id is missing');
  const owner = await ownerOf(ports, provider, token);
  // A token that is unknown, over or another client's: nothing happens, and nothing is told (RFC 7009 section 2.2).
  if (owner?.clientId === clientId)
    await ports.sessions.end(owner.sessionId, owner.principal, 'token_revoked');
  return { status: 200 };
}

async function ownerOf(
  { inspectToken }: Pick<OAuthPorts, 'inspectToken'>,
  provider: Provider,
  token: string,
): Promise<{ clientId: string; sessionId: string; principal: string } | undefined> {
  if (token.includes('.')) return inspectToken(token);
  const refresh = await provider.RefreshToken.find(token);
  const { clientId, grantId, accountId } = refresh ?? {};
  return clientId === undefined || grantId === undefined || accountId === undefined
    ? undefined
    : { clientId, sessionId: grantId, principal: accountId };
}

export type IntrospectionRequest = {
  readonly authorization: string | undefined;
  readonly form: Form;
  /** Whether the caller proved the key of its bound token. */
  readonly hasProof: (token: string, thumbprint: string) => Promise<boolean>;
  /** What the caller's token must be for: `<issuer>/mcp`. */
  readonly audience: string;
};

/** For callers whose principal policy gives `tokens.read`. */
export async function introspect(
  ports: Pick<OAuthPorts, 'inspectToken' | 'mayReadTokens' | 'sessions'>,
  provider: Provider,
  { authorization, form, hasProof, audience }: IntrospectionRequest,
): Promise<EndpointAnswer> {
  const [, scheme = '', credential = ''] =
    /^(Bearer|DPoP) ([\w.~+/=-]{1,8192})$/iu.exec(authorization ?? '') ?? [];
  const caller = credential === '' ? undefined : await ports.inspectToken(credential);
  const isBound = caller?.jkt !== undefined;
  // A bound token as bearer is refused whoever brings it (RFC 9449 section 7.1).
  if (
    !caller?.audience.includes(audience) ||
    isBound !== (scheme.toLowerCase() === 'dpop') ||
    (caller.jkt !== undefined && !(await hasProof(credential, caller.jkt)))
  )
    return {
      ...failure(401, 'invalid_token', 'an access token is needed'),
      headers: { 'www-authenticate': 'DPoP error="invalid_token", Bearer error="invalid_token"' },
    };
  if (!(await ports.mayReadTokens(caller.principal)))
    return failure(
      403,
      'insufficient_scope',
      `${caller.principal} may not read tokens: policy needs tokens.read`,
    );
  const token = single(form, 'token');
  if (token === undefined) return failure(400, 'invalid_request', 'token is missing');
  return { status: 200, body: await described(ports, provider, token) };
}

async function described(
  ports: Pick<OAuthPorts, 'inspectToken' | 'sessions'>,
  provider: Provider,
  token: string,
): Promise<Readonly<Record<string, unknown>>> {
  if (!token.includes('.')) return describedRefresh(ports, provider, token);
  const found = await ports.inspectToken(token);
  if (found === undefined) return { active: false };
  return {
    active: true,
    iss: provider.issuer,
    sub: found.principal,
    client_id: found.clientId,
    aud: found.audience,
    scope: found.scopes.join(' '),
    token_type: found.jkt === undefined ? 'Bearer' : 'DPoP',
    iat: Math.trunc(found.issuedAtMs / 1000),
    exp: Math.trunc(found.notAfterMs / 1000),
    jti: found.tokenId,
    sid: found.sessionId,
    tenant: found.tenant,
    ...(found.jkt === undefined ? {} : { cnf: { jkt: found.jkt } }),
  };
}

async function describedRefresh(
  { sessions }: Pick<OAuthPorts, 'sessions'>,
  provider: Provider,
  token: string,
): Promise<Readonly<Record<string, unknown>>> {
  const found = await provider.RefreshToken.find(token);
  if (found?.grantId === undefined || !found.isValid || (await sessions.find(found.grantId)) === undefined)
    return { active: false };
  return {
    active: true,
    iss: provider.issuer,
    sub: found.accountId,
    client_id: found.clientId,
    scope: found.scope,
    exp: found.exp,
    sid: found.grantId,
  };
}
