/** policy-service as a process would run it: real mutual TLS, PGlite, the bus in process, and a stub of key-service. */
import type { AuditEvent } from '@sallyport/audit-log';
import { keyv1, policyv1 } from '@sallyport/proto';
import { memoryBus, type Bus } from '@sallyport/service/bus';
import { systemClock } from '@sallyport/service/clock';
import { openPglite, type DatabaseHost } from '@sallyport/service/database';
import { unimplemented } from '@sallyport/service/errors';
import { implement, startGrpcServer, type GrpcClient, type GrpcServer } from '@sallyport/service/grpc';
import type { ComposedService, ServiceRuntime } from '@sallyport/service/runtime';
import {
  createTestAuthority,
  memoryLog,
  memoryTrail,
  testClients,
  testRuntime,
  type MemoryLog,
  type TestAuthority,
} from '@sallyport/service/testing';
import { composePolicyService, type Overrides } from '../src/compose.ts';
import type { PolicyServiceConfig } from '../src/config.ts';
import { migrations } from '../src/store/migrations.ts';
import type { Schema } from '../src/store/rows.ts';
import { fakeKeys, type FakeKeys } from './support.ts';

export const clock = systemClock();

/** key-service over the wire: Sign and ListPublicKeys for policy-service, nothing else. */
export async function stubKeyService(authority: TestAuthority, keys: FakeKeys): Promise<GrpcServer> {
  const no = () => Promise.reject(unimplemented('a stub'));
  return startGrpcServer({
    identity: await authority.identity('svc/key-service'),
    trust: authority.trust,
    port: 0,
    services: [
      implement(keyv1.KeyService, {
        encrypt: no,
        decrypt: no,
        generateDataKey: no,
        createSessionKey: no,
        renewLeases: no,
        destroySessionKeys: no,
        listKeys: no,
        rotateKey: no,
        sign: (request) => keys.sign(request),
        listPublicKeys: (request) => keys.listPublicKeys(request),
      }),
    ],
    authorizePrincipal: no,
    onDecision: no,
    clock,
    log: memoryLog(),
  });
}

/** What outlives the service: database, bus, key-service, certificates. */
export type World = AsyncDisposable & {
  readonly authority: TestAuthority;
  readonly host: DatabaseHost;
  readonly bus: Bus;
  readonly keys: FakeKeys;
  readonly keyServer: GrpcServer;
  /** All audit events, in order. */
  readonly events: AuditEvent[];
  readonly log: MemoryLog;
};

/** Forgets everything in the tables of policy-service, which must not be running. */
export async function emptyDatabase(host: DatabaseHost): Promise<void> {
  await using database = await host.forService<Schema>('policy-service');
  await database.migrate(migrations);
  await database.transaction(async (tx) => {
    for (const table of ['role', 'binding', 'policy_change', 'bundle', 'instance_report', 'tool'] as const) {
      await tx.deleteFrom(table).execute();
    }
    await tx.updateTable('policy_state').set({ revision: 0n, announced: 0n, content_digest: '' }).execute();
  });
}

/** With `shared`, an emptied database of the caller's instead of one of its own. */
export async function createWorld(shared?: DatabaseHost): Promise<World> {
  const stack = new AsyncDisposableStack();
  const authority = await createTestAuthority();
  const host = shared ?? stack.use(await openPglite({ memory: true }));
  await emptyDatabase(host);
  const bus = stack.use(memoryBus({ clock }));
  const keys = fakeKeys();
  const keyServer = stack.use(await stubKeyService(authority, keys));
  return {
    authority,
    host,
    bus,
    keys,
    keyServer,
    events: [],
    log: memoryLog(),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

export type Started = ComposedService & {
  readonly runtime: ServiceRuntime;
  client(path: string): Promise<GrpcClient<typeof policyv1.PolicyService>>;
};

export async function startPolicyService(
  world: World,
  options: {
    readonly config?: Partial<PolicyServiceConfig>;
    readonly overrides?: Overrides;
    /** A spool on disk, in `config.spoolDirectory`, instead of `world.events`. */
    readonly realTrail?: boolean;
  } = {},
): Promise<Started> {
  const { authority, host, keyServer } = world;
  const runtime = await testRuntime('policy-service', world);
  const composed = await composePolicyService(
    {
      host: '127.0.0.1',
      port: 0,
      spoolDirectory: 'unused',
      keyAddress: keyServer.address,
      builtIn: [
        { principal: 'user:admin', role: 'admin' },
        { principal: 'user:auditor', role: 'auditor' },
      ],
      ...options.config,
    },
    runtime,
    { database: host },
    {
      ...(options.realTrail === true ? {} : { startAuditTrail: memoryTrail(world.events) }),
      ...options.overrides,
    },
  );
  const clients = testClients(policyv1.PolicyService, {
    authority,
    expectedServer: 'policy-service',
    port: composed.port,
  });
  return {
    ...composed,
    runtime,
    client: (path) => clients.as(path),
    async [Symbol.asyncDispose]() {
      await clients[Symbol.asyncDispose]();
      await composed[Symbol.asyncDispose]();
    },
  };
}
