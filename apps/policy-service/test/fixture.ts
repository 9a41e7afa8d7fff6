/** policy-service as a process would run it: real mutual TLS, PGlite, the bus in process, and a stub of key-service. */
import type { AuditEvent } from '@sallyport/audit-log';
import { keyv1, policyv1 } from '@sallyport/proto';
import { memoryBus, type Bus } from '@sallyport/service/bus';
import { systemClock } from '@sallyport/service/clock';
import { openPglite, type DatabaseHost } from '@sallyport/service/database';
import { unimplemented } from '@sallyport/service/errors';
import {
  grpcClient,
  implement,
  startGrpcServer,
  type GrpcClient,
  type GrpcServer,
} from '@sallyport/service/grpc';
import {
  createDevelopmentCa,
  issue,
  type DevelopmentCa,
  type Identity,
  type Trust,
} from '@sallyport/service/identity';
import type { Log } from '@sallyport/service/log';
import { createMetrics } from '@sallyport/service/metrics';
import type { ComposedService, ServiceRuntime } from '@sallyport/service/runtime';
import type { Tracer } from '@sallyport/service/telemetry';
import { composePolicyService, type Overrides } from '../src/compose.ts';
import type { PolicyServiceConfig } from '../src/config.ts';
import { migrations } from '../src/store/migrations.ts';
import type { Schema } from '../src/store/rows.ts';
import { fakeKeys, type FakeKeys } from './support.ts';

const trustDomain = 'sallyport.test';
export const clock = systemClock();

export type LogLine = { readonly level: string; readonly message: string; readonly fields: unknown };

export function memoryLog(): Log & { readonly lines: LogLine[] } {
  const lines: LogLine[] = [];
  const at = (level: string) => (message: string, fields?: unknown) =>
    void lines.push({ level, message, fields });
  const log = {
    lines,
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    fatal: at('fatal'),
    child: () => log,
  };
  return log;
}

const noSpan = {
  context: { traceId: '1'.repeat(32), spanId: '1'.repeat(16), sampled: false },
  set: () => undefined,
  event: () => undefined,
  fail: () => undefined,
};
const noTracer: Tracer = { span: (_name, _attributes, fn) => fn(noSpan), active: () => undefined };

export type Authority = {
  readonly ca: DevelopmentCa;
  readonly trust: Trust;
  /** `svc/gateway`, `user/alice`. */
  identity(path: string): Promise<Identity>;
};

export async function createAuthority(): Promise<Authority> {
  const ca = await createDevelopmentCa({ trustDomain, clock });
  return {
    ca,
    trust: { caPem: ca.certPem, trustDomain },
    identity: (path) =>
      issue({
        ca,
        clock,
        spiffeId: `spiffe://${trustDomain}/${path}`,
        keyAlgorithm: path.startsWith('svc/') ? 'P-256' : 'Ed25519',
        usages: path.startsWith('svc/') ? ['server', 'client'] : ['client'],
      }),
  };
}

/** key-service over the wire: Sign and ListPublicKeys for policy-service, nothing else. */
export async function stubKeyService(authority: Authority, keys: FakeKeys): Promise<GrpcServer> {
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
  readonly authority: Authority;
  readonly host: DatabaseHost;
  readonly bus: Bus;
  readonly keys: FakeKeys;
  readonly keyServer: GrpcServer;
  /** All audit events, in order. */
  readonly events: AuditEvent[];
  readonly log: ReturnType<typeof memoryLog>;
};

/** Forgets everything in the tables of policy-service, which must not be running. */
export async function emptyDatabase(host: DatabaseHost): Promise<void> {
  await using database = await host.forService<Schema>('policy-service');
  await database.migrate(migrations);
  await database.transaction(async (tx) => {
    for (const table of ['role', 'binding', 'policy_change', 'bundle', 'instance_report'] as const) {
      await tx.deleteFrom(table).execute();
    }
    await tx.updateTable('policy_state').set({ revision: 0n, announced: 0n, content_digest: '' }).execute();
  });
}

/** With `shared`, an emptied database of the caller's instead of one of its own. */
export async function createWorld(shared?: DatabaseHost): Promise<World> {
  const stack = new AsyncDisposableStack();
  const authority = await createAuthority();
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

/** The audit trail as a list. `full` makes it refuse, as a full spool does. */
export function memoryTrail(events: AuditEvent[], full: () => boolean = () => false): Overrides {
  const refuse = async () => {
    if (full()) throw new Error('spool full');
  };
  const trail = {
    ready: refuse,
    async record(event: AuditEvent) {
      await refuse();
      events.push(event);
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
  return { startAuditTrail: async () => trail };
}

export async function startPolicyService(
  world: World,
  options: {
    readonly config?: Partial<PolicyServiceConfig>;
    readonly overrides?: Overrides;
    /** A spool on disk, in `config.spoolDirectory`, instead of `world.events`. */
    readonly realTrail?: boolean;
  } = {},
): Promise<Started> {
  const { authority, bus, host, keyServer, log } = world;
  const runtime: ServiceRuntime = {
    identity: await authority.identity('svc/policy-service'),
    trust: authority.trust,
    bus,
    clock,
    log,
    metrics: createMetrics({ service: 'policy-service' }),
    tracer: noTracer,
  };
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
    { ...(options.realTrail === true ? {} : memoryTrail(world.events)), ...options.overrides },
  );
  const clients: AsyncDisposable[] = [];
  return {
    ...composed,
    runtime,
    async client(path) {
      const client = grpcClient(policyv1.PolicyService, {
        address: `127.0.0.1:${composed.port}`,
        expectedServer: 'policy-service',
        identity: await authority.identity(path),
        trust: authority.trust,
        deadlineMs: 10_000,
      });
      clients.push(client);
      return client;
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients) await client[Symbol.asyncDispose]();
      await composed[Symbol.asyncDispose]();
    },
  };
}
