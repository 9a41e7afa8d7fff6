/** auth-service as a process would run it: real mutual TLS, PGlite on disk, the bus in process, and a stub of key-service. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createGatewayIdentity, type GatewayIdentity } from '@sallyport/channel';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { ECDSA_P256, ED25519 } from '@sallyport/crypto';
import { authv1, keyv1 } from '@sallyport/proto';
import { memoryBus, type Bus } from '@sallyport/service/bus';
import { systemClock } from '@sallyport/service/clock';
import { openPglite, type DatabaseHost } from '@sallyport/service/database';
import { callerNotAllowed, unimplemented } from '@sallyport/service/errors';
import {
  implement,
  startGrpcServer,
  type CallContext,
  type GrpcClient,
  type GrpcServer,
} from '@sallyport/service/grpc';
import { issue } from '@sallyport/service/identity';
import type { ComposedService, ServiceRuntime } from '@sallyport/service/runtime';
import {
  createTestAuthority,
  memoryLog,
  testClients,
  testRuntime,
  type MemoryLog,
  type TestAuthority,
} from '@sallyport/service/testing';
import type { TokenKey } from '../src/app/ports.ts';
import { composeAuthService, type AuthServiceConfig, type Overrides } from '../src/compose.ts';
import { DAY, derOf, HOUR, TRUST_DOMAIN, type Leaf } from './pki.ts';
import { fakeKeys, PUBLIC_ORIGIN, type FakeKeys } from './support.ts';
import { fakeTokenKeys, type FakeTokenKeys } from './token-keys.ts';

export const clock = systemClock();
export type AuthClient = GrpcClient<typeof authv1.AuthService>;

/** What outlives a run of the service. */
export interface World extends AsyncDisposable {
  readonly home: string;
  readonly spoolDirectory: string;
  readonly bus: Bus;
  readonly log: MemoryLog;
  readonly keys: FakeKeys;
  readonly tokenKeys: FakeTokenKeys;
  readonly keyServer: GrpcServer;
  /** Names of spans and their attributes. */
  readonly spans: unknown[];
  readonly authority: TestAuthority;
  readonly gateway: GatewayIdentity;
  /** An Ed25519 leaf for the channel. */
  leaf(path: string): Promise<Leaf>;
  openDatabase(): Promise<DatabaseHost>;
}

export async function createWorld(): Promise<World> {
  const stack = new AsyncDisposableStack();
  const home = await mkdtemp(join(tmpdir(), 'auth-service-'));
  stack.defer(() => rm(home, { recursive: true }));
  await mkdir(join(home, 'database'));
  const authority = await createTestAuthority(TRUST_DOMAIN);
  const bus = stack.use(memoryBus({ clock }));
  const leaf = async (path: string): Promise<Leaf> => {
    const issued = await issue({
      ca: authority.ca,
      clock,
      spiffeId: `spiffe://${TRUST_DOMAIN}/${path}`,
      keyAlgorithm: 'Ed25519',
      usages: path.startsWith('svc/') ? ['server'] : ['client'],
    });
    return { chainDer: [derOf(issued.certPem)], key: issued.key };
  };
  const channel = await leaf('svc/gateway');
  const keys = fakeKeys();
  const tokenKeys = fakeTokenKeys();
  const log = memoryLog();
  const keyServer = stack.use(await stubKeyService(keys, tokenKeys, authority, log));
  return {
    home,
    spoolDirectory: join(home, 'spool'),
    bus,
    log,
    keys,
    tokenKeys,
    keyServer,
    spans: [],
    authority,
    gateway: createGatewayIdentity({
      chainDer: channel.chainDer,
      trustDomain: TRUST_DOMAIN,
      certificateKey: channel.key,
      notAfterMs: clock.now() + DAY,
    }),
    leaf,
    openDatabase: () => openPglite({ dataDir: join(home, 'database') }),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

const DOMAIN_KEYS = ['auth/psk', 'auth/password', 'auth/oauth'];

function published({ keyId, algorithm, publicKey, isActive, createdAt }: TokenKey) {
  const row = algorithm === 'EdDSA' ? ED25519 : ECDSA_P256;
  return {
    ...{ keyId, purpose: 'access-token', algorithm: row.name, publicKey: row.rawPublicKey(publicKey) },
    state: isActive ? keyv1.KeyState.ACTIVE : keyv1.KeyState.DEACTIVATED,
    createdAt: timestampFromMs(createdAt),
  };
}

/** key-service over the wire, as far as auth-service needs it: with the same owners, keys and refusals. */
async function stubKeyService(
  keys: FakeKeys,
  tokenKeys: FakeTokenKeys,
  authority: TestAuthority,
  log: MemoryLog,
) {
  const no = () => Promise.reject(unimplemented('a stub'));
  const owned = (context: CallContext, name: string, ...expected: readonly string[]) => {
    const { caller } = context;
    if (caller.kind !== 'service' || caller.name !== 'auth-service' || !expected.includes(name))
      throw callerNotAllowed(`${name} is not yours`);
  };
  return startGrpcServer({
    identity: await authority.identity('svc/key-service'),
    trust: authority.trust,
    port: 0,
    services: [
      implement(keyv1.KeyService, {
        encrypt: async ({ key, items }, context) => {
          owned(context, key, ...DOMAIN_KEYS);
          return {
            ciphertexts: await Promise.all(items.map((item) => keys.encrypt(item.plaintext, item.aad))),
          };
        },
        decrypt: async ({ key, items }, context) => {
          owned(context, key, ...DOMAIN_KEYS);
          return {
            plaintexts: await Promise.all(items.map((item) => keys.decrypt(item.ciphertext, item.aad))),
          };
        },
        sign: async ({ purpose, message, algorithm }, context) => {
          owned(context, purpose, 'session-binding', 'access-token');
          if (purpose === 'session-binding') return keys.signBinding(message);
          return tokenKeys.sign(algorithm === 'P-256' ? 'ES256' : 'EdDSA', message);
        },
        destroySessionKeys: async ({ sessionIds }) => {
          await keys.destroySessionKeys(sessionIds);
          return { destroyed: sessionIds.length };
        },
        listPublicKeys: async ({ purpose }) => {
          if (keys.isAway) throw new Error('away');
          if (purpose !== 'access-token') return { keys: [] };
          return { keys: (await tokenKeys.list()).map(published) };
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
  /** Of the authorization server. */
  readonly httpPort?: number;
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
  overrides: Overrides & {
    readonly keyAddress?: string;
    readonly config?: Pick<AuthServiceConfig, 'publicOrigin' | 'oauth'>;
  } = {},
): Promise<Started> {
  const runtime = await testRuntime('auth-service', world);
  const { keyAddress = world.keyServer.address, config, ...rest } = overrides;
  const composed = await composeAuthService(
    {
      host: '127.0.0.1',
      port: 0,
      spoolDirectory: world.spoolDirectory,
      keyAddress,
      policyAddress: '127.0.0.1:1',
      anchors: { pem: world.authority.ca.certPem },
      trustDomain: TRUST_DOMAIN,
      sessionLifetimeMs: 8 * HOUR,
      publicOrigin: PUBLIC_ORIGIN,
      ...config,
    },
    runtime,
    { database },
    { authorizePrincipal, ...rest },
  );
  const clients = testClients(authv1.AuthService, {
    authority: world.authority,
    expectedServer: 'auth-service',
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
