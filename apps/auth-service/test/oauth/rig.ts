/** The authorization server over memory, behind a test gateway, and a client of it. */
import { createHash, randomBytes as nodeRandom } from 'node:crypto';
import { randomBytes } from '@sallyport/crypto';
import { manualClock } from '@sallyport/service/clock';
import { createMetrics } from '@sallyport/service/metrics';
import { createTestAuthority, type TestAuthority } from '@sallyport/service/testing';
import { startAuthorizationServer, type AuthorizationServerConfig } from '../../src/http/server.ts';
import { deriveKeys } from '../../src/oauth/secret.ts';
import type { OAuthPorts } from '../../src/oauth/ports.ts';
import { memoryOAuth } from '../../src/store/memory-oauth.ts';
import { TRUST_DOMAIN } from '../pki.ts';
import { testApp } from '../support.ts';
import { Browser, startTestGateway, type Answer, type TestGateway } from './gateway.ts';

export const CALLBACK = 'http://127.0.0.1:33418/callback';
export const PASSWORD = 'correct horse battery staple';
export const ADMIN = { kind: 'principal', id: 'user:admin' } as const;

export type Rig = AsyncDisposable & {
  readonly authority: TestAuthority;
  readonly gateway: TestGateway;
  readonly app: ReturnType<typeof testApp>;
  readonly store: ReturnType<typeof memoryOAuth>;
  readonly port: number;
  readonly problems: unknown[];
  readonly metrics: ReturnType<typeof createMetrics>;
  browser(): Browser;
};

export async function startRig(
  config: Partial<AuthorizationServerConfig> = {},
  ports: Partial<OAuthPorts> = {},
): Promise<Rig> {
  const authority = await createTestAuthority(TRUST_DOMAIN);
  const gateway = await startTestGateway(authority);
  const clock = manualClock(Date.now());
  const app = testApp(authority.ca.certPem, { clock, publicOrigin: gateway.origin });
  app.tokenKeys.rotate('EdDSA');
  await app.auth.setPassword(ADMIN, 'user:alice', PASSWORD);
  const store = memoryOAuth();
  const problems: unknown[] = [];
  const metrics = createMetrics({ service: 'auth-service' });
  const keys = deriveKeys(randomBytes(32));
  const server = await startAuthorizationServer(
    {
      host: '127.0.0.1',
      httpPort: 0,
      issuer: gateway.origin,
      allowDynamicRegistration: true,
      maxRegisteredClients: 500,
      registeredClientLifetimeMs: 24 * 3_600_000,
      clients: [{ clientId: 'known', name: 'Known <script>', redirectUris: ['https://client.test/cb'] }],
      sessionLifetimeMs: 8 * 3_600_000,
      fetch: { allowPrivateHosts: [] },
      ...config,
    },
    {
      ports: {
        store,
        verifyPassword: app.auth.verifyPassword,
        passwordSetAt: async (principal) => (await app.store.passwords.find(principal))?.setAt,
        sessions: {
          open: (signIn) => app.auth.openTokenSession(signIn),
          find: (sid) => app.auth.findTokenSession(sid),
          end: (sid, by, cause) =>
            app.auth.endTokenSession(by === undefined ? ADMIN : { kind: 'principal', id: by }, sid, cause),
        },
        issueAccessToken: async ({ sessionId, audience, scopes, thumbprint }) => {
          const made = await app.auth.issueAccessToken(sessionId, {
            audience,
            scopes,
            ...(thumbprint === undefined ? {} : { jkt: thumbprint }),
          });
          return { token: made.accessToken, expiresInSeconds: made.expiresInSeconds };
        },
        inspectToken: (token) => app.auth.introspectToken(token),
        publicKeys: async () => ({ keys: (await app.auth.jwks()).keys.map((key) => ({ ...key })) }),
        mayReadTokens: async () => false,
        ...ports,
      },
      openKeys: async () => keys,
      identity: await authority.identity('svc/auth-service'),
      trust: authority.trust,
      metrics,
      random: randomBytes,
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      onSignIn: () => undefined,
      onProblem: (error) => void problems.push(error),
    },
  );
  await gateway.connect(server.port);
  return {
    authority,
    gateway,
    app,
    store,
    port: server.port,
    problems,
    metrics,
    browser: () => new Browser(gateway.origin, authority.ca.certPem),
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

export type Pkce = { readonly verifier: string; readonly challenge: string };
export function pkce(): Pkce {
  const verifier = nodeRandom(32).toString('base64url');
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') };
}

export async function register(browser: Browser, metadata: Record<string, unknown> = {}): Promise<Answer> {
  return browser.send(
    'POST',
    '/oauth/register',
    { 'content-type': 'application/json' },
    JSON.stringify({
      client_name: 'Test client',
      redirect_uris: [CALLBACK],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
      ...metadata,
    }),
  );
}

export async function registered(browser: Browser, metadata: Record<string, unknown> = {}): Promise<string> {
  const answer = await register(browser, metadata);
  if (answer.status !== 201) throw new Error(`not registered: ${answer.text}`);
  return String(answer.json()['client_id']);
}

export function authorizePath(
  origin: string,
  clientId: string,
  { challenge }: Pick<Pkce, 'challenge'>,
  changes: Record<string, string | undefined> = {},
): string {
  const query = new URLSearchParams();
  const wanted: Record<string, string | undefined> = {
    response_type: 'code',
    client_id: clientId,
    redirect_uri: CALLBACK,
    code_challenge: challenge,
    code_challenge_method: 'S256',
    scope: 'context:read context:call',
    state: 'state-1',
    resource: `${origin}/mcp`,
    ...changes,
  };
  for (const [name, value] of Object.entries(wanted)) if (value !== undefined) query.set(name, value);
  return `/oauth/authorize?${query.toString()}`;
}

export const csrfOf = (page: string): string => /name="csrf" value="([^"]+)"/u.exec(page)?.[1] ?? '';

/** Follows redirects within the origin; the answer that leads elsewhere, or is a page. */
export async function follow(browser: Browser, first: Answer): Promise<Answer & { readonly at: string }> {
  let answer = first;
  let at = '';
  for (let hops = 0; hops < 10; hops += 1) {
    const { location } = answer.headers;
    if (location === undefined || !new URL(location, browser.origin).href.startsWith(`${browser.origin}/`))
      return { ...answer, at };
    at = new URL(location, browser.origin).pathname;
    answer = await browser.get(location);
  }
  throw new Error('redirected in a circle');
}

/** From the authorization request to the client's redirect. */
export async function signInAndAllow(browser: Browser, path: string): Promise<URL> {
  let page = await follow(browser, await browser.get(path));
  if (page.text.includes('id="password"'))
    page = await follow(
      browser,
      await browser.post(page.at, {
        csrf: csrfOf(page.text),
        username: 'alice',
        password: PASSWORD,
        action: 'sign-in',
      }),
    );
  if (page.headers.location === undefined)
    page = await follow(browser, await browser.post(page.at, { csrf: csrfOf(page.text), action: 'allow' }));
  if (page.headers.location === undefined) throw new Error(`no redirect: ${page.status} ${page.text}`);
  return new URL(page.headers.location);
}

export function redeem(
  browser: Browser,
  clientId: string,
  code: string,
  verifier: string,
  changes: Record<string, string> = {},
  headers: Record<string, string> = {},
): Promise<Answer> {
  return browser.post(
    '/oauth/token',
    {
      grant_type: 'authorization_code',
      client_id: clientId,
      code,
      redirect_uri: CALLBACK,
      code_verifier: verifier,
      ...changes,
    },
    headers,
  );
}

/** A whole flow. */
export async function tokens(
  browser: Browser,
  clientId: string,
  changes: Record<string, string | undefined> = {},
): Promise<Record<string, unknown>> {
  const proof = pkce();
  const redirect = await signInAndAllow(browser, authorizePath(browser.origin, clientId, proof, changes));
  const answer = await redeem(browser, clientId, redirect.searchParams.get('code') ?? '', proof.verifier);
  if (answer.status !== 200) throw new Error(answer.text);
  return answer.json();
}

export function refresh(browser: Browser, clientId: string, refreshToken: string): Promise<Answer> {
  return browser.post('/oauth/token', {
    grant_type: 'refresh_token',
    client_id: clientId,
    refresh_token: refreshToken,
  });
}
