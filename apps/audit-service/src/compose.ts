/** Every adapter of audit-service, built once and in order; disposed in reverse. */
import { setTimeout as delay } from 'node:timers/promises';
import { fileTileStore, type TileStore } from '@sallyport/audit-log';
import { keyv1, policyv1 } from '@sallyport/proto';
import { recordPrincipalCalls, startAuditTrail } from '@sallyport/service/audit';
import type { DatabaseHost } from '@sallyport/service/database';
import { feedMeter, followKeys } from '@sallyport/service/feed';
import {
  grpcClient,
  policyAuthorizer,
  startGrpcServer,
  type AuthorizePrincipal,
} from '@sallyport/service/grpc';
import type { ComposedService, ServiceRuntime } from '@sallyport/service/runtime';
import { awaitSequence } from './app/await-sequence.ts';
import { checkpointLag } from './app/checkpoint-lag.ts';
import { committed } from './app/committed.ts';
import { groupCommit } from './app/group-commit.ts';
import { keepLog } from './app/keep-log.ts';
import type { Sleep } from './app/ports.ts';
import { recordedGaps } from './app/recorded-gaps.ts';
import { findingReporter } from './app/report-finding.ts';
import { createLogTraces } from './app/log-traces.ts';
import { observedWriter } from './app/observed-writer.ts';
import { NotYet, takeBatch } from './app/take-batch.ts';
import { busAcknowledger, followEvents } from './clients/bus.ts';
import { checkpointPurpose, signingKeys, type KeyCalls } from './clients/keys.ts';
import type { AuditServiceConfig } from './config.ts';
import { routes } from './rpc/routes.ts';
import { isEmptyFolder } from './store/log-folder.ts';
import { migrations } from './store/migrations.ts';
import { postgresStore } from './store/postgres.ts';
import type { Schema } from './store/rows.ts';

export type { AuditServiceConfig } from './config.ts';

const name = 'audit-service';
/** The one tenant there is. */
const tenant = 'default';
const keyDeadlineMs = 2_000;
const policyDeadlineMs = 1_000;
/** A server that does not answer is left, and asked anew over another connection. */
const databaseHoldMs = 10_000;

/** The only seam for tests. */
export type Overrides = {
  readonly keys?: KeyCalls;
  readonly authorizePrincipal?: AuthorizePrincipal;
  readonly tiles?: (real: TileStore) => TileStore;
};

/**
 * Starts audit-service and listens. key-service may be away: events are taken and wait for their checkpoint, and the
 * service is not ready until the first one. A log that does not fit together is served, and neither signed nor
 * acknowledged; readiness `log` says what was found. Throws `MigrationError`, or what spool, database or listener say.
 */
export async function composeAuditService(
  config: AuditServiceConfig,
  runtime: ServiceRuntime,
  { database: host }: { readonly database: DatabaseHost },
  overrides: Overrides = {},
): Promise<ComposedService> {
  const { bus, clock, identity, log, metrics, tracer, trust } = runtime;
  const serviceId = identity.spiffeId;
  await using building = new AsyncDisposableStack();

  const database = building.use(await host.forService<Schema>(name, { holdTimeoutMs: databaseHoldMs }));
  await database.migrate(migrations);
  const store = postgresStore(database);
  const files = fileTileStore(config.logDirectory);
  const tiles = overrides.tiles?.(files) ?? files;

  const trail = building.use(
    await startAuditTrail({ serviceId, directory: config.spoolDirectory, bus, clock, log, tracer, metrics }),
  );
  const reportFinding = findingReporter({
    record: (event) => trail.record(event),
    serviceId,
    tenant,
    now: () => Math.trunc(clock.now()),
    monotonic: () => clock.monotonic(),
    log,
  });

  const traces = createLogTraces(tracer);
  const lag = checkpointLag(metrics, () => clock.monotonic());
  const keyCalls = overrides.keys ?? building.use(keyClient(config, runtime));
  const keeper = building.use(
    keepLog({
      tiles,
      isFolderEmpty: () => isEmptyFolder(config.logDirectory),
      ...store,
      readKeys: signingKeys(keyCalls),
      acknowledge: busAcknowledger(bus),
      onInconsistent: ([first = '']) =>
        reportFinding({
          finding: 'log_inconsistent',
          key: `log_inconsistent ${trail.spool.producer}`,
          title: 'The audit log does not fit together: nothing is signed or acknowledged',
          description: first,
          severity: 'critical',
        }),
      onFolderLost: (size) =>
        reportFinding({
          finding: 'log_folder_lost',
          key: `log_folder_lost ${trail.spool.producer}`,
          title: 'A log folder was gone and is built again from the database',
          description: `It had ${size} leaves under its checkpoint.`,
          severity: 'high',
        }),
      onCovered(size, signedSinceMs) {
        lag.covered(size);
        traces.covered(size, signedSinceMs);
      },
      nowMs: () => traces.nowMs(),
      origin: config.origin,
      replica: trail.spool.producer,
      intervalMs: config.checkpointIntervalMs,
      monotonic: () => clock.monotonic(),
      sleep,
      log,
    }),
  );
  building.use(
    await followKeys({
      directory: keyCalls,
      purpose: checkpointPurpose,
      // Missing one costs nothing: the next signature shows it.
      onKeys: () => keeper.renewKeys(),
      bus,
      clock,
      log,
      meter: feedMeter(metrics),
      pollDeadlineMs: keyDeadlineMs,
    }),
  );

  const news = committed();
  const rows = metrics.counter({ name: 'audit_records_total', help: 'Records committed.' });
  metrics.gauge({
    name: 'audit_checkpoint_size',
    help: 'Leaves under the newest checkpoint.',
    collect: () => keeper.coveredSize(),
  });
  metrics.gauge({
    name: 'audit_log_inconsistent',
    help: '1 when the stored log does not fit together: nothing is signed or acknowledged.',
    collect: () => (keeper.findings().length === 0 ? 0 : 1),
  });
  metrics.gauge({
    name: 'audit_log_writer',
    help: '1 when this replica writes checkpoints, as far as it knows.',
    collect: () => (keeper.isWriter() ? 1 : 0),
  });
  metrics.gauge({
    name: 'audit_log_term',
    help: 'Of the newest writer that this replica knows of; counts the writers there have been.',
    collect: () => Number(keeper.term()),
  });
  metrics.gauge({
    name: 'audit_log_behind',
    help: "Leaves under the newest checkpoint that are not in this replica's folder yet.",
    collect: () => keeper.behind(),
  });
  const commit = groupCommit({
    writer: observedWriter(store.writer, { traces, lag }),
    onCommitted(_leaves, records) {
      rows.add({}, records);
      keeper.wake();
      news.notify();
    },
  });
  const takePorts = {
    commit,
    leaves: store.leaves,
    awaitSequence: awaitSequence({ leaves: store.leaves, monotonic: () => clock.monotonic(), sleep }),
    recordedGaps: recordedGaps(store.records, serviceId),
    reportFinding,
    onDuplicate: (producer: string) => keeper.repeatAcknowledgement(producer),
    ownProducer: trail.spool.producer,
    trustDomain: trust.trustDomain,
    log,
  };
  building.use(
    await followEvents(bus, async (delivery) => {
      try {
        await traces.taking(delivery, () => takeBatch(takePorts, delivery));
      } catch (error) {
        if (!(error instanceof NotYet)) log.warn('a batch could not be taken and comes again', { error });
        throw error; // the bus delivers it again
      }
    }),
  );

  const server = building.use(
    await startGrpcServer({
      identity,
      trust,
      host: config.host,
      port: config.port,
      services: [routes({ ...store, tiles, keeper, committed: news, nowMs: () => clock.now() })],
      authorizePrincipal:
        overrides.authorizePrincipal ?? policyAuthorizer(building.use(policyClient(config, runtime))),
      ...recordPrincipalCalls({ trail, serviceId, clock, tenant }),
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
      log: async () => keeper.check(),
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

function keyClient(config: AuditServiceConfig, { identity, trust, metrics, tracer }: ServiceRuntime) {
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

function policyClient(config: AuditServiceConfig, { identity, trust, metrics, tracer }: ServiceRuntime) {
  return grpcClient(policyv1.PolicyService, {
    address: config.policyAddress,
    expectedServer: 'policy-service',
    identity,
    trust,
    deadlineMs: policyDeadlineMs,
    metrics,
    tracer,
  });
}

const sleep: Sleep = (ms, signal) => delay(ms, undefined, { signal, ref: false }).catch(() => undefined);
