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
import type { GrpcClient, PrincipalCall } from '@sallyport/service/grpc';
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
import { composeKeyService, type Overrides } from '../src/compose.ts';
import { HOUR } from './support.ts';

export const TRUST_DOMAIN = 'sallyport.test';
export const clock = systemClock();
export type KeyClient = GrpcClient<typeof keyv1.KeyService>;

/** What outlives a run of the service. */
export interface World extends AsyncDisposable {
  readonly home: string;
  readonly rootKeyFile: string;
  readonly spoolDirectory: string;
  readonly bus: Bus;
  readonly log: MemoryLog;
  /** All audit events, in order. */
  readonly events: AuditEvent[];
  /** Principals' calls as the edge reported them. */
  readonly calls: PrincipalCall[];
  /** Names of spans and their attributes. */
  readonly spans: unknown[];
  readonly authority: TestAuthority;
  openDatabase(): Promise<DatabaseHost>;
}

export async function createWorld(): Promise<World> {
  const home = await mkdtemp(join(tmpdir(), 'key-service-'));
  const authority = await createTestAuthority(TRUST_DOMAIN);
  const bus = memoryBus({ clock });
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
    authority,
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
  const runtime = await testRuntime('key-service', world);
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
  const clients = testClients(keyv1.KeyService, {
    authority: world.authority,
    expectedServer: 'key-service',
    port: composed.port,
  });
  return {
    ...composed,
    runtime,
    as: (path) => clients.as(path),
    [Symbol.asyncDispose]: async () => {
      await clients[Symbol.asyncDispose]();
      await composed[Symbol.asyncDispose]();
    },
  };
}

function listTrail(world: World): Overrides {
  return {
    startAuditTrail: memoryTrail(world.events),
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
