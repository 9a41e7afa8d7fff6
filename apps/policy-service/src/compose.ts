/** Every adapter of policy-service, built once and in order; disposed in reverse. */
import { setTimeout as delay } from 'node:timers/promises';
import { randomBytes, toHex } from '@sallyport/crypto';
import { keyv1 } from '@sallyport/proto';
import {
  recordPrincipalCalls,
  startAuditTrail,
  type AuditTrail,
  type AuditTrailOptions,
} from '@sallyport/service/audit';
import { ConfigError } from '@sallyport/service/config';
import type { DatabaseHost } from '@sallyport/service/database';
import { unavailable } from '@sallyport/service/errors';
import { grpcClient, startGrpcServer, type AuthorizePrincipal } from '@sallyport/service/grpc';
import { bundleFeed, feedMeter, followKeys, startHeartbeat } from '@sallyport/service/feed';
import type { ComposedService, ServiceRuntime } from '@sallyport/service/runtime';
import { decide } from './app/decide.ts';
import { floodGate } from './app/flood-gate.ts';
import type { Sleep } from './app/ports.ts';
import { createPublisher, type Publisher } from './app/publish.ts';
import { renewBundle } from './app/renew-bundle.ts';
import { revisionSkew } from './app/revision-skew.ts';
import { start } from './app/start.ts';
import { busAnnouncer, followAnnouncements } from './clients/announce.ts';
import { changeRecorder } from './clients/audit.ts';
import { signedBundles } from './clients/bundles.ts';
import { activeBundleKey, bundlePurpose, type KeyCalls } from './clients/bundle-key.ts';
import { contentDigest, readPolicyModule, type PolicyModule } from './clients/policy-module.ts';
import { driftRecorder } from './clients/tool-findings.ts';
import type { PolicyServiceConfig } from './config.ts';
import { parseBinding, type Binding } from './domain/binding.ts';
import { routes } from './rpc/routes.ts';
import { migrations } from './store/migrations.ts';
import { postgresStore } from './store/postgres.ts';
import type { Schema } from './store/rows.ts';

export type { PolicyServiceConfig } from './config.ts';

const name = 'policy-service';
/** The one tenant there is. */
const tenant = 'default';
/** For a call of key-service: below `forceWaitMs`, so that a write can say what is in its way. */
const keyDeadlineMs = 1_500;
/** Below the edge's default deadline of 5 s: the answer "stored, not in force" must still arrive. */
const forceWaitMs = 3_500;

/** The only seam for tests. */
export type Overrides = {
  readonly keys?: KeyCalls;
  readonly module?: PolicyModule;
  readonly startAuditTrail?: (
    options: AuditTrailOptions,
  ) => Promise<Pick<AuditTrail, 'record' | 'ready'> & AsyncDisposable>;
};

/**
 * Starts policy-service and listens. key-service may be away: the bundle kept from before is served, and without one
 * the service is not ready. Throws `ConfigError`, `MigrationError`, or what the database or the listener says.
 */
export async function composePolicyService(
  config: PolicyServiceConfig,
  runtime: ServiceRuntime,
  { database: host }: { readonly database: DatabaseHost },
  overrides: Overrides = {},
): Promise<ComposedService> {
  const { bus, clock, identity, log, metrics, tracer, trust } = runtime;
  const now = () => Math.trunc(clock.now());
  const initial = initialBindings(config);
  const module = overrides.module ?? (await readPolicyModule());
  const pinning = config.toolPinning ?? 'first-use';
  await using building = new AsyncDisposableStack();

  const database = building.use(await host.forService<Schema>(name));
  await database.migrate(migrations);
  const store = postgresStore(database, module.roles);

  const openTrail = overrides.startAuditTrail ?? startAuditTrail;
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
  const keys = overrides.keys ?? building.use(keyClient(config, runtime));

  const publisher = building.use(
    createPublisher({
      reader: store.policy,
      changes: store.changes,
      publications: store.publications,
      bundles: signedBundles({
        keys,
        wasm: module.wasm,
        tenant,
        pinning,
        monotonicMs: () => clock.monotonic(),
      }),
      record: changeRecorder(trail, identity.spiffeId, tenant),
      announce: busAnnouncer(bus),
      now,
      sleep,
      log,
    }),
  );
  metrics.gauge({
    name: 'policy_revision',
    help: 'Revision of the policy in force.',
    collect: () => Number(publisher.inForce()?.publication.revision ?? 0n),
  });
  metrics.gauge({
    name: 'policy_behind',
    help: '1 while the newest stored policy is not known to be in force and announced.',
    collect: () => (publisher.problem() === undefined ? 0 : 1),
  });

  metrics.gauge({
    name: 'policy_revision_skew',
    help: 'Revisions that the slowest gateway heard of lately is behind; 0 while there is none.',
    collect: () =>
      revisionSkew({ inForce: () => publisher.inForce(), reports: store.reports, now }).catch(
        () => undefined,
      ),
  });

  const drifts = metrics.counter({
    name: 'tool_changes_total',
    help: 'Definitions of known tools that were seen for the first time.',
  });
  metrics.gauge({
    name: 'tools_waiting',
    help: 'Tools with a definition that nobody has approved or rejected.',
    collect: () => store.tools.waiting().catch(() => undefined),
  });

  await start({ policy: store.policy, now, log }, contentDigest(module, pinning), initial);
  await publisher.start();
  building.use(
    await followAnnouncements(bus, (revision) => {
      if (revision > (publisher.inForce()?.publication.revision ?? 0n)) publisher.wake();
    }),
  );

  const renew = () =>
    renewBundle({
      writer: store.policy,
      publisher,
      activeKeyId: async () => (await activeBundleKey(keys)).keyId,
      now,
    });
  building.use(
    await followKeys({
      directory: keys,
      purpose: bundlePurpose,
      onKeys: renew,
      bus,
      clock,
      log,
      meter: feedMeter(metrics),
      pollDeadlineMs: keyDeadlineMs,
    }),
  );

  let woken = 0n;
  building.use(
    startHeartbeat({
      feed: bundleFeed,
      bus,
      async last() {
        const revision = await store.publications.latestRevision();
        // Another replica published it, and its word may be lost: what is named here must also be had here.
        if (revision > woken && revision > (publisher.inForce()?.publication.revision ?? 0n))
          publisher.wake();
        woken = revision;
        return revision;
      },
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
      services: [
        routes({
          reader: store.policy,
          reports: store.reports,
          inForce: publisher.inForce,
          now,
          tools: store.tools,
          observe: {
            writer: store.policy,
            tools: store.tools,
            publisher,
            checkRecorder: () => trail.ready(),
            recordDrift: driftRecorder(trail, identity.spiffeId, tenant),
            pinning,
            mayDrift: floodGate(() => clock.monotonic()),
            onDrift: () => drifts.add({}),
            log,
            now,
          },
          write: {
            writer: store.policy,
            publisher,
            checkRecorder: () => trail.ready(),
            now,
            sleep,
            forceWaitMs,
          },
        }),
      ],
      authorizePrincipal: localAuthorizer(publisher),
      ...recordPrincipalCalls({ trail, serviceId: identity.spiffeId, clock, tenant }),
      clock,
      log,
      metrics,
      tracer,
    }),
  );

  const running = building.move();
  return {
    name,
    port: server.port,
    readiness: {
      database: () => database.check(),
      audit: () => trail.ready(),
      policy: async () => {
        if (publisher.inForce() === undefined) {
          throw unavailable('No policy is in force: the first bundle waits for key-service to sign it.');
        }
      },
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** Principals who call this service are decided by the policy it publishes, like everybody else. */
function localAuthorizer(publisher: Pick<Publisher, 'inForce'>): AuthorizePrincipal {
  return async (caller, action, resource) =>
    decide(publisher.inForce, { principal: caller.id, tenant, method: 'mtls', action, resource });
}

function keyClient(config: PolicyServiceConfig, { identity, trust, metrics, tracer }: ServiceRuntime) {
  return grpcClient(keyv1.KeyService, {
    address: config.keyAddress,
    expectedServer: 'key-service',
    identity,
    trust,
    deadlineMs: keyDeadlineMs,
    metrics,
    tracer,
  });
}

const sleep: Sleep = (ms, signal) => delay(ms, undefined, { signal, ref: false }).catch(() => undefined);

function initialBindings(config: PolicyServiceConfig): readonly Binding[] {
  const parsed = (config.builtIn ?? []).map((input, index) => parseBinding(input, `builtIn[${index}]`));
  const problems = parsed.flatMap((result) =>
    result.ok
      ? []
      : [
          {
            where: name,
            key: result.refusal.field,
            what: 'not a binding',
            hint: result.refusal.message,
          },
        ],
  );
  if (problems.length > 0) throw new ConfigError(problems);
  return parsed.flatMap((result) => (result.ok ? [result.value] : []));
}
