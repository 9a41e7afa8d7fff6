/** Builds the authorization server of auth-service over its use cases. */
import { readFile } from 'node:fs/promises';
import { randomBytes } from '@sallyport/crypto';
import type { policyv1 } from '@sallyport/proto';
import type { ServiceCalls } from '@sallyport/service/grpc';
import type { ServiceRuntime } from '@sallyport/service/runtime';
import { failures } from './app/failures.ts';
import type { PasswordSeal, RecordFailures } from './app/ports.ts';
import type { AuthUseCases } from './app/use-cases.ts';
import type { AuthServiceConfig, OAuthConfig } from './config.ts';
import { SELF } from './domain/events.ts';
import { startAuthorizationServer, type AuthorizationServer } from './http/server.ts';
import type { GuardedFetchOptions } from './oauth/guarded-fetch.ts';
import type { OAuthPorts, OAuthStore, PasswordSetAt } from './oauth/ports.ts';
import { openSecret } from './oauth/secret.ts';

/** The domain key of key-service that seals the authorization server's secret. */
export const OAUTH_DOMAIN_KEY = 'auth/oauth';

export type OAuthParts = {
  readonly config: AuthServiceConfig & { readonly oauth: OAuthConfig };
  readonly runtime: ServiceRuntime;
  readonly auth: AuthUseCases;
  readonly store: OAuthStore;
  readonly passwordSetAt: PasswordSetAt;
  /** Under `OAUTH_DOMAIN_KEY`. */
  readonly seal: PasswordSeal;
  readonly policy: Pick<ServiceCalls<typeof policyv1.PolicyService>, 'decide'>;
  readonly tenant: string;
  readonly recordRefusals: RecordFailures<RefusedSignIn>;
  /** Of tests: how names resolve, and whom to believe. */
  readonly fetch?: Partial<GuardedFetchOptions> | undefined;
};

/** What is recorded of steps that went wrong, as counts per source (ADR 0032). */
export type RefusedSignIn = 'refused' | 'throttled' | 'forged';
const isRefusal = (outcome: string): outcome is RefusedSignIn =>
  outcome === 'refused' || outcome === 'throttled' || outcome === 'forged';

export type SignIns = AuthorizationServer & {
  /** Records what was refused since the last call. */
  flushRefusals(): Promise<void>;
};

/** Throws `TypeError` when there is no public origin to be the issuer, and what listening threw. */
export async function composeOAuth(parts: OAuthParts): Promise<SignIns> {
  const { config, runtime, store } = parts;
  const { oauth, publicOrigin } = config;
  if (publicOrigin === undefined)
    throw new TypeError('oauth needs publicOrigin: it is the issuer, and where browsers go');
  const { clock, log } = runtime;
  const caPem = oauth.metadataCaFile && (await readFile(oauth.metadataCaFile, 'utf8'));
  const now = () => Math.trunc(clock.now());
  const refusals = failures<RefusedSignIn>({ record: parts.recordRefusals, onFailure: () => undefined, now });
  const server = await startAuthorizationServer(
    {
      ...oauth,
      host: config.host,
      issuer: publicOrigin,
      sessionLifetimeMs: config.sessionLifetimeMs,
      fetch: { allowPrivateHosts: oauth.allowPrivateMetadataHosts, caPem, ...parts.fetch },
    },
    {
      ports: oauthPorts(parts),
      openKeys: () => openSecret({ secrets: store.secrets, ...parts.seal, random: randomBytes }),
      identity: runtime.identity,
      trust: runtime.trust,
      metrics: runtime.metrics,
      random: randomBytes,
      now,
      monotonic: () => clock.monotonic(),
      onSignIn: (outcome, source) => {
        if (isRefusal(outcome)) refusals.count(source, outcome);
      },
      onProblem: (error) => log.warn('a request to the authorization server failed', { error }),
    },
  );
  return { ...server, flushRefusals: () => refusals.flush() };
}

function oauthPorts({ auth, store, passwordSetAt, policy, tenant }: OAuthParts): OAuthPorts {
  return {
    store,
    verifyPassword: auth.verifyPassword,
    passwordSetAt,
    sessions: {
      open: (signIn) => auth.openTokenSession(signIn),
      find: (sessionId) => auth.findTokenSession(sessionId),
      end: (sessionId, by, cause) =>
        auth.endTokenSession(by === undefined ? SELF : { kind: 'principal', id: by }, sessionId, cause),
    },
    issueAccessToken: async ({ sessionId, audience, scopes, thumbprint }) => {
      const { accessToken, expiresInSeconds } = await auth.issueAccessToken(sessionId, {
        audience,
        scopes,
        ...(thumbprint === undefined ? {} : { jkt: thumbprint }),
      });
      return { token: accessToken, expiresInSeconds };
    },
    inspectToken: (token) => auth.introspectToken(token),
    publicKeys: async () => ({ keys: (await auth.jwks()).keys.map((key) => ({ ...key })) }),
    mayReadTokens: async (principal) => {
      const { decision } = await policy.decide({
        subject: { principal, tenant, method: 'oauth' },
        action: 'tokens.read',
        // As for the same question by gRPC.
        resourceKind: 'token',
        resourceName: 'all',
      });
      return decision?.allowed === true;
    },
  };
}
