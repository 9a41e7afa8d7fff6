/** Builds key-service from its configuration, in order, and takes it down in reverse. */
import { randomBytes } from '@sallyport/crypto';
import { policyv1 } from '@sallyport/proto';
import { recordPrincipalCalls, startAuditTrail } from '@sallyport/service/audit';
import type { Database } from '@sallyport/service/database';
import {
  grpcClient,
  policyAuthorizer,
  startGrpcServer,
  type AuthorizePrincipal,
} from '@sallyport/service/grpc';
import { createLifecycle } from '@sallyport/service/lifecycle';
import type { ComposedService, ServiceRuntime } from '@sallyport/service/runtime';
import { checkRootKey, holdsWrappedKeys } from './app/start-keys.ts';
import { tellEvents } from './app/tell-events.ts';
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
import { startUpkeep } from './upkeep.ts';

export type { KeyServiceConfig } from './config.ts';
export type { KeySchema } from './store/rows.ts';

export interface KeyServiceDependencies {
  /** This service's own; its opener closes it, after this service. */
  readonly database: Database<KeySchema>;
  /** Default: policy-service at `policyAddress`. */
  readonly authorizePrincipal?: AuthorizePrincipal;
}

const POLICY_DEADLINE_MS = 1_000;
const UPKEEP_INTERVAL_MS = 15_000;
const DRAIN_MS = 5_000;

/**
 * Throws `RootKeyError` when the root key is missing, unsafe or malformed, `RootKeyMismatch` when it is not the
 * database's, `MigrationError` when the schema is not this build's, and whatever keeps the listener from its port.
 */
export async function composeKeyService(
  config: KeyServiceConfig,
  runtime: ServiceRuntime,
  { database, authorizePrincipal }: KeyServiceDependencies,
): Promise<ComposedService> {
  const { identity, trust, bus, clock, log, metrics, tracer } = runtime;
  const lifecycle = createLifecycle({
    onProblem: ({ name, step, error }) =>
      log.error('shutdown went on after a problem', { name, step, error }),
  });

  await database.migrate(migrations);
  const store = postgresStore(database);
  const stored = await store.keys.list();
  const root = await openFileRootKey(config.rootKeyFile, { createIfMissing: !holdsWrappedKeys(stored) });
  await checkRootKey(root, stored);

  const trail = await lifecycle.add('audit-trail', () =>
    startAuditTrail({
      serviceId: identity.spiffeId,
      directory: config.spoolDirectory,
      bus,
      clock,
      log,
      tracer,
    }),
  );
  const tell = tellEvents({
    outbox: store.outbox,
    record: auditRecorder(trail, identity.spiffeId),
    announce: keyAnnouncer(bus, log),
  });
  const uses = await lifecycle.add('use-counter', () => useCounter(store.keys), {
    close: (counter) => counter.close(),
  });
  const keys = keyUseCases({
    root,
    ...store,
    verifyBinding,
    uses,
    tell,
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    random: randomBytes,
    trustDomain: trust.trustDomain,
    leaseMs: config.leaseMs,
  });
  await keys.createSigningKeys();
  await lifecycle.add('key-changes', () => followKeyChanges(bus, (keyId) => uses.retire(keyId)));
  await lifecycle.add('upkeep', () =>
    startUpkeep(
      [
        { name: 'events', run: tell }, // what an earlier process committed and did not live to tell
        { name: 'leases', run: () => keys.sweepSessionKeys() },
      ],
      UPKEEP_INTERVAL_MS,
      log,
    ),
  );

  const authorize =
    authorizePrincipal ??
    policyAuthorizer(
      await lifecycle.add('policy-client', () =>
        grpcClient(policyv1.PolicyService, {
          address: config.policyAddress,
          expectedServer: 'policy-service',
          identity,
          trust,
          deadlineMs: POLICY_DEADLINE_MS,
          metrics,
          tracer,
        }),
      ),
    );
  const server = await lifecycle.add(
    'grpc',
    () =>
      startGrpcServer({
        identity,
        trust,
        host: config.host,
        port: config.port,
        services: [routes(measured(keys, metrics))],
        authorizePrincipal: authorize,
        ...recordPrincipalCalls({ trail, serviceId: identity.spiffeId, clock }),
        clock,
        log,
        metrics,
        tracer,
      }),
    { drain: (grpc) => grpc.close(DRAIN_MS) },
  );
  lifecycle.started();

  return {
    name: 'key-service',
    port: server.port,
    readiness: { database: () => database.check(), 'audit-spool': () => trail.ready() },
    [Symbol.asyncDispose]: async () => {
      await lifecycle.shutdown();
    },
  };
}
