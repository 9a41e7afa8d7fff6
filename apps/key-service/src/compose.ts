/** Builds key-service from its configuration, in order, and takes it down in reverse. */
import { randomBytes, toHex } from '@sallyport/crypto';
import { policyv1 } from '@sallyport/proto';
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
import { keyFeed, startHeartbeat } from '@sallyport/service/feed';
import { startUpkeep, tellEvents } from '@sallyport/service/lifecycle';
import type { ComposedService, ServiceRuntime } from '@sallyport/service/runtime';
import { checkRootKey, holdsWrappedKeys } from './app/start-keys.ts';
import { keyUseCases } from './app/use-cases.ts';
import { useCounter } from './app/use-counter.ts';
import { auditRecorder } from './clients/audit.ts';
import { verifyBinding } from './clients/binding.ts';
import { followKeyChanges, keyAnnouncer } from './clients/bus.ts';
import type { KeyServiceConfig } from './config.ts';
import { openFileRootKey } from './root/file.ts';
import { measured } from './rpc/measured.ts';
import { routes } from './rpc/routes.ts';
import { migrations } from './store/migrations.ts';
import { postgresStore } from './store/postgres.ts';
import type { KeySchema } from './store/rows.ts';

export type { KeyServiceConfig } from './config.ts';

type Trail = Pick<AuditTrail, 'record' | 'ready'> & AsyncDisposable;

/** The only seam for tests. */
export interface Overrides {
  readonly authorizePrincipal?: AuthorizePrincipal;
  readonly startAuditTrail?: (options: AuditTrailOptions) => Promise<Trail>;
  readonly recordPrincipalCalls?: typeof recordPrincipalCalls;
}

const NAME = 'key-service';
const POLICY_DEADLINE_MS = 1_000;
const UPKEEP_INTERVAL_MS = 15_000;

/**
 * Starts key-service and listens. policy-service may be away: only people's calls need it, and are refused meanwhile.
 *
 * Throws `RootKeyError` when the root key is missing, unsafe or malformed, `RootKeyMismatch` when it is not the
 * database's, `MigrationError` when the schema is not this build's, and whatever keeps the listener from its port.
 */
export async function composeKeyService(
  config: KeyServiceConfig,
  runtime: ServiceRuntime,
  { database: host }: { readonly database: DatabaseHost },
  overrides: Overrides = {},
): Promise<ComposedService> {
  const { identity, trust, bus, clock, log, metrics, tracer } = runtime;
  await using building = new AsyncDisposableStack();

  const database = building.use(await host.forService<KeySchema>(NAME));
  await database.migrate(migrations);
  const store = postgresStore(database);
  const stored = await store.keys.list();
  const root = await openFileRootKey(config.rootKeyFile, { createIfMissing: !holdsWrappedKeys(stored) });
  await checkRootKey(root, stored);

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
  const tell = tellEvents({
    outbox: store.outbox,
    record: auditRecorder(trail, identity.spiffeId),
    announce: keyAnnouncer(bus, log),
  });
  const uses = building.adopt(useCounter(store.keys), (counter) => counter.close());
  const keys = keyUseCases({
    root,
    ...store,
    verifyBinding,
    uses,
    tell,
    checkRecorder: () => trail.ready(),
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    random: randomBytes,
    trustDomain: trust.trustDomain,
    leaseMs: config.leaseMs,
  });
  await keys.createSigningKeys();
  building.use(await followKeyChanges(bus, (keyId) => uses.retire(keyId)));
  building.use(
    startUpkeep(
      [
        { name: 'events', run: tell }, // what an earlier process committed and did not live to tell
        { name: 'leases', run: () => keys.sweepSessionKeys() },
      ],
      UPKEEP_INTERVAL_MS,
      log,
    ),
  );

  building.use(
    startHeartbeat({
      feed: keyFeed,
      bus,
      last: () => store.keys.lastNumber(),
      publisher: `${identity.spiffeId}#${toHex(randomBytes(4))}`,
      clock,
      log,
    }),
  );

  const recordCalls = overrides.recordPrincipalCalls ?? recordPrincipalCalls;
  const server = building.use(
    await startGrpcServer({
      identity,
      trust,
      host: config.host,
      port: config.port,
      services: [routes(measured(keys, metrics))],
      authorizePrincipal:
        overrides.authorizePrincipal ?? policyAuthorizer(building.use(policyClient(config, runtime))),
      ...recordCalls({ trail, serviceId: identity.spiffeId, clock }),
      clock,
      log,
      metrics,
      tracer,
    }),
  );

  const running = building.move();
  return {
    name: NAME,
    port: server.port,
    readiness: { database: () => database.check(), audit: () => trail.ready() },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

function policyClient(config: KeyServiceConfig, { identity, trust, metrics, tracer }: ServiceRuntime) {
  return grpcClient(policyv1.PolicyService, {
    address: config.policyAddress,
    expectedServer: 'policy-service',
    identity,
    trust,
    deadlineMs: POLICY_DEADLINE_MS,
    metrics,
    tracer,
  });
}
