/** audit-service as a process would run it: real mutual TLS, PGlite, the bus in process, spools and tiles on disk. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LogSource } from '@sallyport/audit-log';
import { auditv1 } from '@sallyport/proto';
import { AUDIT_EVENTS_PATTERN, startAuditTrail, type AuditTrail } from '@sallyport/service/audit';
import { memoryBus, type Bus } from '@sallyport/service/bus';
import { systemClock } from '@sallyport/service/clock';
import { openPglite, type DatabaseHost } from '@sallyport/service/database';
import { SallyportError } from '@sallyport/service/errors';
import type { AuthorizePrincipal, GrpcClient } from '@sallyport/service/grpc';
import type { ComposedService, ServiceRuntime } from '@sallyport/service/runtime';
import {
  createTestAuthority,
  memoryLog,
  testClients,
  testRuntime,
  type TestAuthority,
} from '@sallyport/service/testing';
import { toHex } from '@sallyport/crypto';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import { composeAuditService, type Overrides } from '../src/compose.ts';
import { migrations } from '../src/store/migrations.ts';
import type { Schema } from '../src/store/rows.ts';
import { fakeKeys, trustDomain, type FakeKeys } from './support.ts';

export const clock = systemClock();
export const origin = `${trustDomain}/audit`;

/** What outlives the service: database, folders, key-service, certificates. The bus does not, as in a process. */
export type World = AsyncDisposable & {
  readonly authority: TestAuthority;
  readonly host: DatabaseHost;
  readonly folder: string;
  readonly logDirectory: string;
  readonly keys: FakeKeys;
  bus: Bus;
  readonly log: ReturnType<typeof memoryLog>;
  /** Runs `text` as whoever owns the tables. */
  sql(text: string): Promise<void>;
};

const TABLES = ['leaf', 'record', 'checkpoint', 'fence', 'folder'] as const;

/** Certificates take no part in what is tested here: one authority for a file. */
let sharedAuthority: Promise<TestAuthority> | undefined;

/** With `shared`, an emptied database of the caller's instead of one of its own. */
export async function createWorld(shared?: DatabaseHost): Promise<World> {
  const stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'audit-service-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const host = shared ?? stack.use(await openPglite({ memory: true }));
  const world: World = {
    authority: await (sharedAuthority ??= createTestAuthority(trustDomain)),
    host,
    folder,
    logDirectory: join(folder, 'log'),
    keys: fakeKeys(),
    bus: newBus(),
    log: memoryLog(),
    async sql(text) {
      await using database = await host.forService<Schema>('audit-service');
      await database.migrate([...migrations]);
      await database.kysely.executeQuery({
        sql: text,
        parameters: [],
        query: { kind: 'RawNode', sqlFragments: [text], parameters: [] },
        queryId: { queryId: text },
      });
    },
    async [Symbol.asyncDispose]() {
      await world.bus.close();
      await stack.disposeAsync();
    },
  };
  await world.sql(`truncate ${TABLES.join(', ')}`);
  return world;
}

export function newBus(): Bus {
  return memoryBus({ clock, durables: [{ name: 'audit-service', subject: AUDIT_EVENTS_PATTERN }] });
}

export type AuditClient = GrpcClient<typeof auditv1.AuditService>;

export type Started = ComposedService & {
  readonly runtime: ServiceRuntime;
  client(path?: string): Promise<AuditClient>;
};

/** `user:auditor` may everything, nobody else anything. */
const auditorsOnly: AuthorizePrincipal = async (caller) => ({
  allowed: caller.id === 'user:auditor',
  reasons: [],
  requires: [],
  revision: 7n,
});

export async function startAuditService(world: World, overrides: Overrides = {}): Promise<Started> {
  const { authority, host, keys, log } = world;
  const runtime = await testRuntime('audit-service', { authority, bus: world.bus, log });
  const composed = await composeAuditService(
    {
      host: '127.0.0.1',
      port: 0,
      spoolDirectory: join(world.folder, 'spool-audit'),
      keyAddress: '127.0.0.1:1',
      policyAddress: '127.0.0.1:1',
      logDirectory: world.logDirectory,
      origin,
      checkpointIntervalMs: 20,
    },
    runtime,
    { database: host },
    { keys, authorizePrincipal: auditorsOnly, ...overrides },
  );
  const clients = testClients(auditv1.AuditService, {
    authority,
    expectedServer: 'audit-service',
    port: composed.port,
  });
  return {
    ...composed,
    runtime,
    client: (path = 'user/auditor') => clients.as(path),
    async [Symbol.asyncDispose]() {
      await clients[Symbol.asyncDispose]();
      await composed[Symbol.asyncDispose]();
    },
  };
}

/** A producer with a spool of its own, as every service has. */
export function startProducer(world: World, service: string): Promise<AuditTrail> {
  return startAuditTrail({
    serviceId: `spiffe://${trustDomain}/svc/${service}`,
    directory: join(world.folder, `spool-${service}`),
    bus: world.bus,
    clock,
    log: memoryLog(),
    resendAfterMs: 200,
  });
}

export async function eventually(
  check: () => boolean | Promise<boolean>,
  what: string,
  ms = 8_000,
): Promise<void> {
  const end = performance.now() + ms;
  while (!(await check())) {
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** All that the producer recorded is committed and under a checkpoint. */
export const acknowledged = (trail: AuditTrail): Promise<void> =>
  eventually(() => trail.spool.depthBytes === 0, `${trail.spool.producer} is acknowledged`);

export const ready = (service: Started): Promise<void> =>
  eventually(async () => {
    try {
      await service.readiness['log']?.();
      return true;
    } catch {
      return false;
    }
  }, 'readiness of the log');

/** The log as `sallyport audit verify` reads it: over the wire, believing nothing. */
export function sourceOf(client: AuditClient): LogSource {
  return {
    async checkpoint() {
      const { checkpoint } = await client.getCheckpoint({});
      return checkpoint === '' ? undefined : new TextEncoder().encode(checkpoint);
    },
    async tile(path) {
      try {
        return (await client.getTile({ path })).tile;
      } catch (error) {
        if (error instanceof SallyportError && error.reason === 'not_found') return undefined;
        throw error;
      }
    },
    async *leaves(from) {
      for await (const { leaves } of client.exportLeaves({ from: BigInt(from) })) {
        for (const leaf of leaves) {
          yield {
            index: Number(leaf.leafIndex),
            producer: leaf.producer,
            seq: leaf.producerSeq,
            body: leaf.body,
            leafHash: leaf.leafHash,
            records: leaf.records.map((record) => ({
              item: record.item,
              timeMs: record.time === undefined ? 0 : timestampMs(record.time),
              phase: PHASES[record.phase] ?? 'event',
              classUid: record.classUid,
              activity: record.activity,
              tenant: record.tenant,
              principal: record.principal,
              action: record.action,
              target: record.target,
              argumentsDigest: toHex(record.argumentsDigest),
              destination: record.destination,
              decision: record.decision as 'allow',
              reason: record.reason,
              policyRevision: record.policyRevision,
              outcome: record.outcome as 'success',
              sessionId: toHex(record.sessionId),
              correlation: toHex(record.correlation),
              seq: record.seq,
            })),
          };
        }
      }
    },
  };
}

const PHASES: Readonly<Record<number, 'event' | 'decision' | 'outcome'>> = {
  [auditv1.Phase.UNSPECIFIED]: 'event',
  [auditv1.Phase.EVENT]: 'event',
  [auditv1.Phase.DECISION]: 'decision',
  [auditv1.Phase.OUTCOME]: 'outcome',
};
