/** auth-service as a process would run it: real mutual TLS, PGlite on disk, the bus in process, and a stub of key-service. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createGatewayIdentity, type GatewayIdentity } from '@sallyport/channel';
import { authv1, keyv1 } from '@sallyport/proto';
import { memoryBus, type Bus } from '@sallyport/service/bus';
import { systemClock } from '@sallyport/service/clock';
import { openPglite, type DatabaseHost } from '@sallyport/service/database';
import { callerNotAllowed, unimplemented } from '@sallyport/service/errors';
import {
  grpcClient,
  implement,
  startGrpcServer,
  type CallContext,
  type GrpcClient,
  type GrpcServer,
} from '@sallyport/service/grpc';
import { createDevelopmentCa, issue, type DevelopmentCa, type Identity } from '@sallyport/service/identity';
import type { Log } from '@sallyport/service/log';
import { createMetrics } from '@sallyport/service/metrics';
import type { ComposedService, ServiceRuntime } from '@sallyport/service/runtime';
import type { Tracer } from '@sallyport/service/telemetry';
import { composeAuthService, type Overrides } from '../src/compose.ts';
import { DAY, derOf, HOUR, TRUST_DOMAIN, type Leaf } from './pki.ts';
import { fakeKeys, type FakeKeys } from './support.ts';

export const clock = systemClock();
export type AuthClient = GrpcClient<typeof authv1.AuthService>;

interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly fields: unknown;
}

function memoryLog(): Log & { readonly lines: LogLine[] } {
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

/** What outlives a run of the service. */
export interface World extends AsyncDisposable {
  readonly home: string;
  readonly spoolDirectory: string;
  readonly bus: Bus;
  readonly log: ReturnType<typeof memoryLog>;
  readonly keys: FakeKeys;
  readonly keyServer: GrpcServer;
  /** Names of spans and their attributes. */
  readonly spans: unknown[];
  readonly ca: DevelopmentCa;
  readonly gateway: GatewayIdentity;
  identity(path: string): Promise<Identity>;
  /** An Ed25519 leaf for the channel. */
  leaf(path: string): Promise<Leaf>;
  openDatabase(): Promise<DatabaseHost>;
}

export async function createWorld(): Promise<World> {
  const stack = new AsyncDisposableStack();
  const home = await mkdtemp(join(tmpdir(), 'auth-service-'));
  stack.defer(() => rm(home, { recursive: true }));
  await mkdir(join(home, 'database'));
  const ca = await createDevelopmentCa({ trustDomain: TRUST_DOMAIN, clock });
  const bus = stack.use(memoryBus({ clock }));
  const identities = new Map<string, Promise<Identity>>();
  const identity = (path: string) => {
    const isService = path.startsWith('svc/');
    const known =
      identities.get(path) ??
      issue({
        ca,
        clock,
        spiffeId: `spiffe://${TRUST_DOMAIN}/${path}`,
        keyAlgorithm: isService ? 'P-256' : 'Ed25519',
        usages: isService ? ['server', 'client'] : ['client'],
      });
    identities.set(path, known);
    return known;
  };
  const leaf = async (path: string): Promise<Leaf> => {
    const issued = await issue({
      ca,
      clock,
      spiffeId: `spiffe://${TRUST_DOMAIN}/${path}`,
      keyAlgorithm: 'Ed25519',
      usages: path.startsWith('svc/') ? ['server'] : ['client'],
    });
    return { chainDer: [derOf(issued.certPem)], key: issued.key };
  };
  const channel = await leaf('svc/gateway');
  const keys = fakeKeys();
  const log = memoryLog();
  const trust = { caPem: ca.certPem, trustDomain: TRUST_DOMAIN };
  const keyServer = stack.use(await stubKeyService(keys, await identity('svc/key-service'), trust, log));
  return {
    home,
    spoolDirectory: join(home, 'spool'),
    bus,
    log,
    keys,
    keyServer,
    spans: [],
    ca,
    gateway: createGatewayIdentity({
      chainDer: channel.chainDer,
      trustDomain: TRUST_DOMAIN,
      certificateKey: channel.key,
      notAfterMs: clock.now() + DAY,
    }),
    identity,
    leaf,
    openDatabase: () => openPglite({ dataDir: join(home, 'database') }),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** key-service over the wire, as far as auth-service needs it: with the same owners, keys and refusals. */
function stubKeyService(keys: FakeKeys, identity: Identity, trust: ServiceRuntime['trust'], log: Log) {
  const no = () => Promise.reject(unimplemented('a stub'));
  const owned = (context: CallContext, name: string, expected: string) => {
    if (context.caller.kind !== 'service' || context.caller.name !== 'auth-service' || name !== expected)
      throw callerNotAllowed(`${name} is not yours`);
  };
  return startGrpcServer({
    identity,
    trust,
    port: 0,
    services: [
      implement(keyv1.KeyService, {
        encrypt: async ({ key, items }, context) => {
          owned(context, key, 'auth/psk');
          return {
            ciphertexts: await Promise.all(items.map((item) => keys.encrypt(item.plaintext, item.aad))),
          };
        },
        decrypt: async ({ key, items }, context) => {
          owned(context, key, 'auth/psk');
          return {
            plaintexts: await Promise.all(items.map((item) => keys.decrypt(item.ciphertext, item.aad))),
          };
        },
        sign: async ({ purpose, message }, context) => {
          owned(context, purpose, 'session-binding');
          return keys.signBinding(message);
        },
        destroySessionKeys: async ({ sessionIds }) => {
          await keys.destroySessionKeys(sessionIds);
          return { destroyed: sessionIds.length };
        },
        listPublicKeys: async () => {
          if (keys.isAway) throw new Error('away');
          return { keys: [] };
        },
        generateDataKey: no,
        createSessionKey: no,
        renewLeases: no,
        listKeys: no,
        rotateKey: no,
      }),
    ],
    authorizePrincipal: no,
    onDecision: no,
    clock,
    log,
  });
}

export interface Started extends ComposedService {
  readonly runtime: ServiceRuntime;
  /** A client that proves to be `svc/gateway`, `user/admin`, … */
  as(path: string): Promise<AuthClient>;
}

/** What policy was asked, and its answer: `user:admin` may do everything, `user:guest` nothing; for others it is away. */
export const asked: string[] = [];
const authorizePrincipal: NonNullable<Overrides['authorizePrincipal']> = async ({ id }, action, resource) => {
  asked.push(`${id} ${action} ${resource.kind}:${resource.name}`);
  if (id !== 'user:admin' && id !== 'user:guest') throw new Error('policy is away');
  return { allowed: id === 'user:admin', reasons: ['test'], requires: ['role:admin'], revision: 1n };
};

export async function startAuthService(
  world: World,
  database: DatabaseHost,
  overrides: Overrides & { readonly keyAddress?: string } = {},
): Promise<Started> {
  const span = {
    context: { traceId: '1'.repeat(32), spanId: '1'.repeat(16), sampled: false },
    set: (attributes: unknown) => void world.spans.push(attributes),
    event: (...event: unknown[]) => void world.spans.push(event),
    fail: (code: string) => void world.spans.push(code),
  };
  const tracer: Tracer = {
    span: (name, attributes, fn) => {
      world.spans.push({ name, attributes });
      return fn(span);
    },
    active: () => undefined,
  };
  const runtime: ServiceRuntime = {
    identity: await world.identity('svc/auth-service'),
    trust: { caPem: world.ca.certPem, trustDomain: TRUST_DOMAIN },
    bus: world.bus,
    clock,
    log: world.log,
    metrics: createMetrics({ service: 'auth-service' }),
    tracer,
  };
  const { keyAddress = world.keyServer.address, ...rest } = overrides;
  const composed = await composeAuthService(
    {
      host: '127.0.0.1',
      port: 0,
      spoolDirectory: world.spoolDirectory,
      keyAddress,
      policyAddress: '127.0.0.1:1',
      anchorsPem: world.ca.certPem,
      trustDomain: TRUST_DOMAIN,
      sessionLifetimeMs: 8 * HOUR,
    },
    runtime,
    { database },
    { authorizePrincipal, ...rest },
  );
  const clients = new Map<string, AuthClient>();
  return {
    ...composed,
    runtime,
    as: async (path) => {
      const client =
        clients.get(path) ??
        grpcClient(authv1.AuthService, {
          address: `127.0.0.1:${composed.port}`,
          expectedServer: 'auth-service',
          identity: await world.identity(path),
          trust: runtime.trust,
          deadlineMs: 10_000,
        });
      clients.set(path, client);
      return client;
    },
    [Symbol.asyncDispose]: async () => {
      for (const client of clients.values()) await client.close();
      await composed[Symbol.asyncDispose]();
    },
  };
}
