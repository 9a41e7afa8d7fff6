/**
 * The OAuth 2.1 authorization server: `oidc-provider`, told what it may do. Code flow with PKCE (S256), resources named by
 * the client (RFC 8707), DPoP (RFC 9449), `iss` in answers (RFC 9207); no ID tokens, no implicit, hybrid or device flow.
 */
import { generateKeyPairSync } from 'node:crypto';
import type { EventEmitter } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { Provider, type Configuration, type KoaContextWithOIDC } from 'oidc-provider';
import { adapterFactory, type AdapterPorts } from './adapter.ts';
import { applyClientPolicy } from './client-policy.ts';
import type { GuardedFetch } from './guarded-fetch.ts';
import { MAX_DOCUMENT_BYTES } from './guarded-fetch.ts';
import { PATHS, PROOF_ALGORITHMS } from './metadata.ts';
import type { OAuthPorts } from './ports.ts';
import { issueBy } from './issued-tokens.ts';
import { promptPolicy } from './prompts.ts';
import { OFFLINE_SCOPE, parseResources, RESOURCE_SCOPES } from './scopes.ts';
import type { DerivedKeys } from './secret.ts';
import { errorPage, notSignedInPage, signedOutPage, signOutPage } from '../http/pages/plain-pages.ts';
import type { Page } from '../http/pages/page.ts';

export type ProviderOptions = {
  /** Public origin, e.g. `https://localhost:8443`. */
  readonly issuer: string;
  readonly keys: DerivedKeys;
  readonly adapter: AdapterPorts;
  readonly issueAccessToken: OAuthPorts['issueAccessToken'];
  readonly fetch: GuardedFetch;
  /** Whether another metadata document may be fetched now, for this request; none for a page. */
  readonly mayFetch: (request: IncomingMessage | undefined) => boolean;
  readonly allowDynamicRegistration: boolean;
  readonly clients: readonly StaticClient[];
  /** How long a sign-in lasts at most. */
  readonly sessionLifetimeMs: number;
  readonly passwordSetAt: OAuthPorts['passwordSetAt'];
  readonly onServerError: (error: unknown) => void;
};

export type StaticClient = {
  readonly clientId: string;
  readonly name: string;
  readonly redirectUris: readonly string[];
};

/** Cookies: `__Host-` where the path may be `/`, `__Secure-` where the library binds them to one path. */
export const COOKIE_NAMES = {
  session: '__Host-sallyport_session',
  interaction: '__Secure-sallyport_signin',
  resume: '__Secure-sallyport_resume',
} as const;

/** From the first page to the last. */
const INTERACTION_SECONDS = 10 * 60;
/** RFC 6749 section 4.1.2 recommends ten minutes at most; a client redeems it at once. */
const CODE_SECONDS = 60;

export function createProvider(options: ProviderOptions): Provider {
  const provider = new Provider(options.issuer, configuration(options));
  issueBy(provider, options.issueAccessToken);
  provider.use(async (ctx, next) => {
    await next();
    const { oidc } = ctx as unknown as Partial<KoaContextWithOIDC>;
    // To a browser in which nobody is signed in the library gives a form that only a script would send.
    if (oidc?.route === 'end_session' && ctx.status === 200 && oidc.session?.accountId === undefined)
      show(ctx, notSignedInPage());
  });
  provider.on('server_error', (_ctx, error) => options.onServerError(error));
  // Koa's own: without a listener it writes to standard error.
  (provider as EventEmitter).on('error', options.onServerError);
  return provider;
}

function configuration(options: ProviderOptions): Configuration {
  const { keys } = options;
  const cookie = { httpOnly: true, sameSite: 'lax', secure: true, signed: true, overwrite: true } as const;
  return {
    adapter: adapterFactory(options.adapter),
    clients: options.clients.map(({ clientId, name, redirectUris }) => ({
      client_id: clientId,
      client_name: name,
      redirect_uris: [...redirectUris],
      grant_types: ['authorization_code', 'refresh_token'],
    })),
    clientDefaults: { id_token_signed_response_alg: 'ES256', token_endpoint_auth_method: 'none' },
    clientAuthMethods: ['none'],
    responseTypes: ['code'],
    // Those of the resources are theirs: named by `getResourceServerInfo`.
    scopes: [OFFLINE_SCOPE],
    // Never signs anything: ID tokens are not issued. The library will not start without a key.
    jwks: { keys: [unusedKey()] },
    enabledJWA: {
      idTokenSigningAlgValues: ['ES256'],
      dPoPSigningAlgValues: [...PROOF_ALGORITHMS],
      clientAuthSigningAlgValues: ['ES256', 'EdDSA'],
    },
    pkce: { required: () => true },
    allowOmittingSingleRegisteredRedirectUri: false,
    acceptQueryParamAccessTokens: false,
    cookies: { names: COOKIE_NAMES, keys: [keys.cookies], long: { ...cookie, path: '/' }, short: cookie },
    routes: {
      authorization: PATHS.authorization,
      token: PATHS.token,
      jwks: PATHS.jwks,
      registration: PATHS.registration,
      revocation: PATHS.revocation,
      introspection: PATHS.introspection,
      end_session: PATHS.signOut,
    },
    features: features(options),
    ttl: {
      // What it says is overruled by the issued token itself.
      AccessToken: 600,
      AuthorizationCode: CODE_SECONDS,
      Grant: Math.trunc(options.sessionLifetimeMs / 1000),
      Interaction: INTERACTION_SECONDS,
      // As long as its token session, which is its grant.
      RefreshToken: (ctx) => Math.max(1, ctx.oidc.entities.Grant?.remainingTTL ?? CODE_SECONDS),
      Session: Math.trunc(options.sessionLifetimeMs / 1000),
    },
    // Each use of a refresh token gives a new one; a second use ends the session (RFC 9700 section 4.14.2).
    rotateRefreshToken: true,
    issueRefreshToken: async (_ctx, client, source) =>
      client.grantTypeAllowed('refresh_token') && source.scopes.has(OFFLINE_SCOPE),
    expiresWithSession: async () => false,
    extraClientMetadata: {
      properties: ['sallyport_policy'],
      validator: (_ctx, _key, _value, metadata) => applyClientPolicy(metadata),
    },
    interactions: {
      policy: promptPolicy(options.passwordSetAt, options.adapter.sessions),
      url: (_ctx, { uid }) => `/signin/${uid}`,
    },
    findAccount: async (_ctx, principal) => ({
      accountId: principal,
      claims: async () => ({ sub: principal }),
    }),
    clientBasedCORS: (_ctx, origin, client) =>
      (client.redirectUris ?? []).some((uri) => URL.parse(uri)?.origin === origin),
    renderError: async (ctx, out) => show(ctx, errorPage(ctx.status, out.error)),
    fetch: (url, init) =>
      options.fetch(url instanceof Request ? url.url : url, init?.headers ? { headers: init.headers } : {}),
    fetchResponseBodyLimits: {
      'client_id metadata document': MAX_DOCUMENT_BYTES,
      jwks_uri: MAX_DOCUMENT_BYTES,
      sector_identifier_uri: MAX_DOCUMENT_BYTES,
    },
    // Compared by the gateway and here alike.
    clockTolerance: 5,
    discovery: {},
    claims: {},
    extraParams: [],
    formats: { bitsOfOpaqueRandomness: 256 },
    acrValues: [],
  };
}

function features(options: ProviderOptions): NonNullable<Configuration['features']> {
  const { issuer, keys } = options;
  return {
    devInteractions: { enabled: false },
    userinfo: { enabled: false },
    claimsParameter: { enabled: false },
    pushedAuthorizationRequests: { enabled: false },
    requestObjects: { enabled: false },
    clientCredentials: { enabled: false },
    deviceFlow: { enabled: false },
    // Both are answered by this service: access tokens are JWTs, which the library leaves alone.
    revocation: { enabled: false },
    introspection: { enabled: false },
    dPoP: { enabled: true, nonceSecret: keys.dpopNonces, requireNonce: () => false },
    clientIdMetadataDocument: {
      enabled: true,
      ack: 'draft-02',
      allowFetch: async (ctx: KoaContextWithOIDC | undefined) => options.mayFetch(ctx?.req),
      allowClient: async () => true,
      cacheDuration: { min: 30, max: 3600 },
    },
    registration: {
      enabled: options.allowDynamicRegistration,
      initialAccessToken: false,
      issueRegistrationAccessToken: false,
    },
    resourceIndicators: {
      enabled: true,
      // Asked for when a request names none, and when a token request names none of several.
      defaultResource: async (_ctx, _client, oneOf) => oneOf ?? [...parseResources(issuer, undefined)],
      useGrantedResource: async () => true,
      getResourceServerInfo: async (ctx, resource) => {
        // All that the request names, too: the library asks for one at a time, and how many there are is bounded.
        parseResources(issuer, ctx.oidc.params?.['resource'] ?? resource);
        const [audience = ''] = parseResources(issuer, resource);
        return { scope: RESOURCE_SCOPES.join(' '), audience, accessTokenFormat: 'jwt' };
      },
    },
    rpInitiatedLogout: {
      enabled: true,
      logoutSource: async (ctx, form) => {
        const allowed = Object.values(ctx.oidc.session?.authorizations ?? {});
        const hasAllowed = allowed.some(({ grantId }) => grantId !== undefined);
        show(ctx, signOutPage(form, hasAllowed));
      },
      postLogoutSuccessSource: async (ctx) => show(ctx, signedOutPage()),
    },
  };
}

function show(
  ctx: { status: number; body: unknown; set(headers: Record<string, string>): void },
  page: Page,
): void {
  ctx.status = page.status;
  ctx.set({ ...page.headers });
  ctx.body = page.body;
}

function unusedKey() {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'ES256', kid: 'unused' };
}
