/** key-service as a process would run it: real mutual TLS, PGlite on disk, the bus in process. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AuditEvent } from '@sallyport/audit-log';
import { encodeBinding, bindingSignatureInput, type SessionBinding } from '@sallyport/channel';
import { ED25519, randomBytes } from '@sallyport/crypto';
import { keyv1 } from '@sallyport/proto';
import { memoryBus, type Bus } from '@sallyport/service/bus';
import { systemClock } from '@sallyport/service/clock';
import { openPglite, type DatabaseHost } from '@sallyport/service/database';
import { grpcClient, type GrpcClient, type PrincipalCall } from '@sallyport/service/grpc';
import { createDevelopmentCa, issue, type DevelopmentCa, type Identity } from '@sallyport/service/identity';
import type { Log } from '@sallyport/service/log';
import { createMetrics } from '@sallyport/service/metrics';
import type { ComposedService, ServiceRuntime } from '@sallyport/service/runtime';
import type { Tracer } from '@sallyport/service/telemetry';
import { composeKeyService, type Overrides } from '../src/compose.ts';
import { HOUR } from './support.ts';

export const TRUST_DOMAIN = 'sallyport.test';
export const clock = systemClock();
export type KeyClient = GrpcClient<typeof keyv1.KeyService>;

export interface LogLine {
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
  readonly rootKeyFile: string;
  readonly spoolDirectory: string;
  readonly bus: Bus;
  readonly log: ReturnType<typeof memoryLog>;
  /** All audit events, in order. */
  readonly events: AuditEvent[];
  /** Principals' calls as the edge reported them. */
  readonly calls: PrincipalCall[];
  /** Names of spans and their attributes. */
  readonly spans: unknown[];
  identity(path: string): Promise<Identity>;
  readonly ca: DevelopmentCa;
  openDatabase(): Promise<DatabaseHost>;
}

export async function createWorld(): Promise<World> {
  const home = await mkdtemp(join(tmpdir(), 'key-service-'));
  const ca = await createDevelopmentCa({ trustDomain: TRUST_DOMAIN, clock });
  const bus = memoryBus({ clock });
  const identities = new Map<string, Promise<Identity>>();
  await mkdir(join(home, 'database'));
  return {
    home,
    rootKeyFile: join(home, 'root.key'),
    spoolDirectory: join(home, 'spool'),
    bus,
    log: memoryLog(),
    events: [],
    calls: [],
    spans: [],
    ca,
    identity: (path) => {
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
    },
    openDatabase: () => openPglite({ dataDir: join(home, 'database') }),
    [Symbol.asyncDispose]: async () => {
      await bus.close();
      await rm(home, { recursive: true });
    },
  };
}

export interface Started extends ComposedService {
  readonly runtime: ServiceRuntime;
  /** A client that proves to be `svc/gateway`, `user/admin`, … */
  as(path: string): Promise<KeyClient>;
}

/** `user:admin` may do everything, `user:guest` nothing, and policy is away for everybody else. */
const authorizePrincipal: NonNullable<Overrides['authorizePrincipal']> = async ({ id }) => {
  if (id !== 'user:admin' && id !== 'user:guest') throw new Error('policy is away');
  return { allowed: id === 'user:admin', reasons: ['test'], requires: ['role:admin'], revision: 1n };
};

export async function startKeyService(
  world: World,
  database: DatabaseHost,
  overrides: Overrides = {},
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
    identity: await world.identity('svc/key-service'),
    trust: { caPem: world.ca.certPem, trustDomain: TRUST_DOMAIN },
    bus: world.bus,
    clock,
    log: world.log,
    metrics: createMetrics({ service: 'key-service' }),
    tracer,
  };
  const composed = await composeKeyService(
    {
      host: '127.0.0.1',
      port: 0,
      rootKeyFile: world.rootKeyFile,
      spoolDirectory: world.spoolDirectory,
      policyAddress: '127.0.0.1:1',
      leaseMs: HOUR,
    },
    runtime,
    { database },
    { authorizePrincipal, ...listTrail(world), ...overrides },
  );
  const clients = new Map<string, KeyClient>();
  return {
    ...composed,
    runtime,
    as: async (path) => {
      const client =
        clients.get(path) ??
        grpcClient(keyv1.KeyService, {
          address: `127.0.0.1:${composed.port}`,
          expectedServer: 'key-service',
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

/** The audit trail as a list. */
function listTrail(world: World): Overrides {
  const trail = {
    ready: async () => undefined,
    record: async (event: AuditEvent) => void world.events.push(event),
    dispose: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
  return {
    startAuditTrail: async () => trail,
    recordPrincipalCalls: () => ({
      onDecision: async (call) => void world.calls.push(call),
      onOutcome: async () => undefined,
    }),
  };
}

/** A binding in the channel's own layout. */
export function binding(changes: Partial<SessionBinding> = {}): Uint8Array {
  return encodeBinding({
    sid: randomBytes(16),
    transcriptHash: randomBytes(32),
    tenant: 'default',
    principal: 'user:alice',
    method: 'certificate',
    assurance: 1,
    signatureAlgorithm: ED25519.id,
    clientPublicKey: ED25519.rawPublicKey(ED25519.generate().publicKey),
    trustDomain: TRUST_DOMAIN,
    notBeforeMs: clock.now(),
    notAfterMs: clock.now() + 8 * HOUR,
    credentialDigest: randomBytes(32),
    ...changes,
  });
}

/** As auth-service has it signed. */
export async function signedBinding(auth: KeyClient, bytes = binding()) {
  const { keyId, signature } = await auth.sign({
    purpose: 'session-binding',
    message: bindingSignatureInput(bytes),
  });
  return { binding: bytes, bindingSignature: signature, bindingKeyId: keyId };
}
