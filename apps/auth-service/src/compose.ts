/** Builds auth-service from its configuration, in order, and takes it down in reverse. */
import { randomBytes, toHex } from '@sallyport/crypto';
import { keyv1, policyv1 } from '@sallyport/proto';
import {
  recordPrincipalCalls,
  startAuditTrail,
  type AuditTrail,
  type AuditTrailOptions,
} from '@sallyport/service/audit';
import type { DatabaseHost } from '@sallyport/service/database';
import {
  grpcClient,
  policyAuthorizer,
  startGrpcServer,
  type AuthorizePrincipal,
} from '@sallyport/service/grpc';
import { revocationFeed, startHeartbeat } from '@sallyport/service/feed';
import { startUpkeep } from '@sallyport/service/lifecycle';
import type { ComposedService, ServiceRuntime } from '@sallyport/service/runtime';
import { authUseCases } from './app/use-cases.ts';
import { argon2id } from './clients/argon2.ts';
import { eventRecorder, failureRecorder } from './clients/audit.ts';
import { revocationAnnouncer } from './clients/bus.ts';
import { checkKeys, keyClient, sealUnder, tokenKeys } from './clients/keys.ts';
import { diskFiles } from './clients/trust/files.ts';
import { liveTrust } from './clients/trust/live-trust.ts';
import { fetchers, trustDomainSpecs } from './clients/trust/specs.ts';
import { composeOAuth, OAUTH_DOMAIN_KEY, type OAuthParts } from './compose-oauth.ts';
import type { AuthServiceConfig } from './config.ts';
import { FAILURE_INTERVAL_MS, MAX_HASHES_AT_A_TIME, MAX_HASHES_WAITING } from './domain/limits.ts';
import { PASSWORD_DOMAIN_KEY } from './domain/password.ts';
import { measured } from './rpc/measured.ts';
import { routes } from './rpc/routes.ts';
import { migrations } from './store/migrations.ts';
import { postgresOAuth } from './store/postgres-oauth.ts';
import { postgresStore } from './store/postgres.ts';
import type { AuthSchema } from './store/rows.ts';

export type { AuthServiceConfig } from './config.ts';

type Trail = Pick<AuditTrail, 'record' | 'ready'> & AsyncDisposable;

/** The only seam for tests. */
export interface Overrides {
  readonly authorizePrincipal?: AuthorizePrincipal;
  readonly startAuditTrail?: (options: AuditTrailOptions) => Promise<Trail>;
  readonly failureIntervalMs?: number;
  readonly metadataFetch?: OAuthParts['fetch'];
}

const NAME = 'auth-service';
/** The one tenant there is. */
const TENANT = 'default';
/** Below the edge's default deadline of 5 s, so that `unavailable` still arrives. */
const KEY_DEADLINE_MS = 1_500;
const POLICY_DEADLINE_MS = 1_000;
/** Below the second that a readiness check has. */
const CHECK_DEADLINE_MS = 800;
/** What a revocation owes is tried again this often, and unanswered proofs are looked at. */
const OWED_INTERVAL_MS = 1_000;
const SWEEP_INTERVAL_MS = 15_000;
/** How often the files of trust domains are looked at; what stood still between two looks is read. */
const RELOAD_INTERVAL_MS = 2_000;

/**
 * Starts auth-service and listens. key-service and policy-service may be away: handshakes and people's calls are refused
 * as retryable meanwhile, and readiness says so.
 *
 * Throws `TypeError` for anchors that are none or that are not authorities and for lists that cannot be read, `MigrationError` when the schema is not this
 * build's, and whatever keeps the listener from its port.
 */
export async function composeAuthService(
  config: AuthServiceConfig,
  runtime: ServiceRuntime,
  { database: host }: { readonly database: DatabaseHost },
  overrides: Overrides = {},
): Promise<ComposedService & { readonly httpPort?: number }> {
  const { identity, trust, bus, clock, log, metrics, tracer } = runtime;
  const { trustDomain, sessionLifetimeMs } = config;
  const unknownStatus = metrics.counter({
    name: 'auth_revocation_unknown_total',
    help: 'Chains accepted though whether one of their certificates is revoked could not be found out',
    labels: ['trust_domain'],
  });
  const specs = trustDomainSpecs({ name: trustDomain, anchors: config.anchors }, config.certificates);
  const certificates = await liveTrust({
    specs,
    files: diskFiles,
    fetcher: fetchers(specs, () => clock.now()),
    monotonic: () => clock.monotonic(),
    onUnknownStatus: (domain) => unknownStatus.add({ trust_domain: domain }),
    log,
  });
  await using building = new AsyncDisposableStack();

  const database = building.use(await host.forService<AuthSchema>(NAME));
  await database.migrate(migrations);

  const openTrail: NonNullable<Overrides['startAuditTrail']> = overrides.startAuditTrail ?? startAuditTrail;
  const trail = building.use(
    await openTrail({
      serviceId: identity.spiffeId,
      directory: config.spoolDirectory,
      bus,
      clock,
      log,
      tracer,
      metrics,
    }),
  );

  const client = { identity, trust, metrics, tracer };
  const keyCalls = building.use(
    grpcClient(keyv1.KeyService, {
      ...client,
      address: config.keyAddress,
      expectedServer: 'key-service',
      deadlineMs: KEY_DEADLINE_MS,
    }),
  );
  const policyCalls = building.use(
    grpcClient(policyv1.PolicyService, {
      ...client,
      address: config.policyAddress,
      expectedServer: 'policy-service',
      deadlineMs: POLICY_DEADLINE_MS,
    }),
  );

  const refusals = metrics.counter({
    name: 'auth_handshake_refusals_total',
    help: 'Refused handshakes by their precise cause',
    labels: ['cause'],
  });
  const store = postgresStore(database);
  const recorded = { serviceId: identity.spiffeId, tenant: TENANT, newId: () => toHex(randomBytes(16)) };
  const auth = authUseCases({
    ...store,
    keys: keyClient(keyCalls),
    verifyChain: certificates.verifyChain,
    record: eventRecorder(trail, identity.spiffeId),
    recordFailures: failureRecorder(trail, recorded),
    onFailure: (cause) => refusals.add({ cause }),
    checkRecorder: () => trail.ready(),
    announce: revocationAnnouncer(bus),
    onOwedProblem: (step, error) => log.warn('a revocation waits and will be tried again', { step, error }),
    now: () => Math.trunc(clock.now()),
    monotonic: () => clock.monotonic(),
    random: randomBytes,
    tenant: TENANT,
    trustDomain,
    sessionLifetimeMs,
    tokenKeys: tokenKeys(keyCalls),
    passwordSeal: sealUnder(keyCalls, PASSWORD_DOMAIN_KEY),
    hashPassword: argon2id({ atATime: MAX_HASHES_AT_A_TIME, waiting: MAX_HASHES_WAITING }),
    publicOrigin: config.publicOrigin,
  });

  // Failures counted until the end are recorded before the trail closes.
  building.defer(() =>
    auth
      .flushFailures()
      .catch((error: unknown) => log.warn('counts of failed handshakes are lost', { error })),
  );
  let areDecoysReady = false;
  const prepare = async () => {
    if (!areDecoysReady) await auth.prepareDecoys();
    areDecoysReady = true;
  };
  building.use(
    startUpkeep(
      [
        { name: 'events', run: auth.tell }, // what an earlier process committed and did not live to tell
        { name: 'revocations', run: auth.payRevocations },
        { name: 'proofs', run: async () => auth.sweepProofs() },
      ],
      OWED_INTERVAL_MS,
      log,
    ),
  );
  building.use(
    startUpkeep([{ name: 'certificates', run: () => certificates.reload() }], RELOAD_INTERVAL_MS, log),
  );
  building.use(startUpkeep([{ name: 'sessions', run: auth.sweepSessions }], SWEEP_INTERVAL_MS, log));
  building.use(
    startUpkeep(
      [{ name: 'failures', run: auth.flushFailures }],
      overrides.failureIntervalMs ?? FAILURE_INTERVAL_MS,
      log,
    ),
  );

  building.use(
    startHeartbeat({
      feed: revocationFeed,
      bus,
      last: () => store.feed.last(),
      publisher: `${identity.spiffeId}#${toHex(randomBytes(4))}`,
      clock,
      log,
    }),
  );

  const server = building.use(
    await startGrpcServer({
      identity,
      trust,
      host: config.host,
      port: config.port,
      services: [routes(measured(auth, metrics))],
      authorizePrincipal: overrides.authorizePrincipal ?? policyAuthorizer(policyCalls),
      ...recordPrincipalCalls({ trail, serviceId: identity.spiffeId, clock, tenant: TENANT }),
      clock,
      log,
      metrics,
      tracer,
    }),
  );

  const { oauth } = config;
  const signIns =
    oauth &&
    building.use(
      await composeOAuth({
        config: { ...config, oauth },
        runtime,
        auth,
        store: postgresOAuth(database),
        passwordSetAt: async (principal) => (await store.passwords.find(principal))?.setAt,
        seal: sealUnder(keyCalls, OAUTH_DOMAIN_KEY),
        policy: policyCalls,
        tenant: TENANT,
        recordRefusals: failureRecorder(trail, recorded, 'sign_in'),
        fetch: overrides.metadataFetch,
      }),
    );
  if (signIns !== undefined) {
    // Counted until the end, recorded before the trail closes.
    building.defer(() =>
      signIns
        .flushRefusals()
        .catch((error: unknown) => log.warn('counts of refused sign-ins are lost', { error })),
    );
    building.use(startUpkeep([{ name: 'sign-ins', run: () => signIns.sweep() }], SWEEP_INTERVAL_MS, log));
    building.use(
      startUpkeep(
        [{ name: 'refused sign-ins', run: () => signIns.flushRefusals() }],
        overrides.failureIntervalMs ?? FAILURE_INTERVAL_MS,
        log,
      ),
    );
  }

  const running = building.move();
  return {
    name: NAME,
    port: server.port,
    ...(signIns === undefined ? {} : { httpPort: signIns.port }),
    readiness: {
      database: () => database.check(),
      audit: () => trail.ready(),
      certificates: () => certificates.check(),
      'key-service': async () => {
        await checkKeys(keyCalls, CHECK_DEADLINE_MS);
        await prepare();
        await signIns?.ready();
      },
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
