/** Builders and fakes shared by this app's tests: the use cases over memory, and both ends of a handshake. */
import {
  ClientHandshake,
  createGatewayIdentity,
  derivePskKey,
  ServerHandshake,
  type ClientCredential,
  type ClientHandshakeOptions,
  type GatewayIdentity,
  type RawHandshake,
} from '@sallyport/channel';
import {
  aead,
  AES_256_GCM,
  concatBytes,
  ED25519,
  randomBytes,
  secretKey,
  sha256,
  toHex,
} from '@sallyport/crypto';
import { manualClock, type ManualClock } from '@sallyport/service/clock';
import { SallyportError, unavailable, type Reason } from '@sallyport/service/errors';
import type { FailureCount, Keys, PskStore, VerifyChain } from '../src/app/ports.ts';
import { authUseCases, type AuthUpkeep, type AuthUseCases } from '../src/app/use-cases.ts';
import { readAnchors } from '../src/clients/trust/material.ts';
import { trustDomainSpecs } from '../src/clients/trust/specs.ts';
import { chainVerifier } from '../src/clients/trust/verify-chain.ts';
import { NOBODY_DENIED } from '../src/domain/deny-list.ts';
import type { AuthEvent } from '../src/domain/events.ts';
import type { HandshakeCause } from '../src/domain/handshake-cause.ts';
import type { Revocation } from '../src/domain/session.ts';
import { memoryStore } from '../src/store/memory.ts';
import type { AuthStore } from '../src/store/store.ts';
import { fakeTokenKeys, type FakeTokenKeys } from './token-keys.ts';
import {
  createAuthority,
  createLeaf,
  DAY,
  NOW,
  spiffe,
  TRUST_DOMAIN,
  type Authority,
  type Leaf,
} from './pki.ts';

export const GATEWAY = spiffe('svc/gateway');

/** key-service with keys of its own: what it sealed opens under the same context only. */
export interface FakeKeys extends Keys {
  /** Names of the calls, in order. */
  readonly calls: string[];
  readonly destroyed: string[];
  readonly publicKey: ReturnType<typeof ED25519.generate>['publicKey'];
  isAway: boolean;
}

export function fakeKeys(): FakeKeys {
  const key = secretKey(randomBytes(32));
  const { publicKey, privateKey } = ED25519.generate();
  const row = aead(AES_256_GCM);
  const called = async (name: string) => {
    fake.calls.push(name);
    if (fake.isAway) throw unavailable('key-service is away');
  };
  const fake: FakeKeys = {
    calls: [],
    destroyed: [],
    publicKey,
    isAway: false,
    encrypt: async (plaintext, aad) => {
      await called('encrypt');
      const iv = randomBytes(12);
      return concatBytes(iv, row.seal({ key, iv, aad, plaintext }));
    },
    decrypt: async (ciphertext, aad) => {
      await called('decrypt');
      const opened = row.open({ key, iv: ciphertext.subarray(0, 12), aad, sealed: ciphertext.subarray(12) });
      if (opened === undefined) throw new SallyportError('decryption_failed', 'does not open');
      return Uint8Array.from(opened);
    },
    signBinding: async (message) => {
      await called('sign');
      return { keyId: 'binding-1', signature: ED25519.sign(privateKey, message) };
    },
    destroySessionKeys: async (sessionIds) => {
      await called('destroy');
      fake.destroyed.push(...sessionIds.map(toHex));
    },
  };
  return fake;
}

export interface TestApp {
  readonly auth: AuthUseCases & AuthUpkeep;
  readonly store: AuthStore;
  readonly keys: FakeKeys;
  readonly tokenKeys: FakeTokenKeys;
  readonly clock: ManualClock;
  /** What the audit spool took. */
  readonly recorded: AuthEvent[];
  readonly failures: FailureCount[];
  /** Each refusal's precise cause. */
  readonly causes: HandshakeCause[];
  /** What the bus took. */
  readonly announced: Revocation[];
  readonly problems: string[];
  readonly faults: { spoolFull: boolean; spoolFails: boolean; busDown: boolean };
}

export const PUBLIC_ORIGIN = 'https://localhost:8443';
export const SESSION_LIFETIME_MS = 8 * 3_600_000;

/** As `compose` makes it of a deployment that configures nothing but anchors. */
function ownChains(anchorsPem: string, trustDomain: string): VerifyChain {
  const material = {
    anchors: readAnchors(anchorsPem),
    intermediates: [],
    denied: NOBODY_DENIED,
    crls: [],
  };
  const specs = trustDomainSpecs({ name: trustDomain, anchors: { pem: anchorsPem } });
  return chainVerifier({
    domains: specs.map((spec) => ({ ...spec, material })),
    fetcher: () => undefined,
    onUnknownStatus: () => {},
  });
}

/** The use cases over memory, as `compose` wires them. */
export function testApp(
  anchorsPem: string,
  parts: {
    readonly store?: AuthStore;
    readonly keys?: FakeKeys;
    readonly clock?: ManualClock;
    readonly psks?: PskStore;
    readonly trustDomain?: string;
    readonly publicOrigin?: string;
    /** Between the verdict on a chain and its arrival, as while others are asked. */
    readonly afterVerdict?: (use: 'client' | 'gateway') => void;
  } = {},
): TestApp {
  const {
    store = memoryStore(),
    keys = fakeKeys(),
    clock = manualClock(NOW),
    trustDomain = TRUST_DOMAIN,
  } = parts;
  const verifyChain = ownChains(anchorsPem, trustDomain);
  const app = {
    store,
    keys,
    clock,
    recorded: [] as AuthEvent[],
    failures: [] as FailureCount[],
    causes: [] as HandshakeCause[],
    announced: [] as Revocation[],
    problems: [] as string[],
    faults: { spoolFull: false, spoolFails: false, busDown: false },
  };
  const { faults } = app;
  const tokenKeys = fakeTokenKeys();
  const spool = async () => {
    if (faults.spoolFails) throw unavailable('the spool could not be written');
  };
  const auth = authUseCases({
    ...store,
    psks: parts.psks ?? store.psks,
    keys,
    verifyChain: async (...asked) => {
      const verdict = await verifyChain(...asked);
      parts.afterVerdict?.(asked[1]);
      return verdict;
    },
    record: async (event) => {
      await spool();
      app.recorded.push(event);
    },
    recordFailures: async (count) => {
      await spool();
      app.failures.push(count);
    },
    onFailure: (cause) => void app.causes.push(cause),
    checkRecorder: async () => {
      if (faults.spoolFull) throw new SallyportError('spool_full', 'full');
    },
    announce: async (revocation) => {
      if (faults.busDown) throw new Error('bus down');
      app.announced.push(revocation);
    },
    onOwedProblem: (step) => void app.problems.push(step),
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    random: randomBytes,
    tenant: 'default',
    trustDomain,
    sessionLifetimeMs: SESSION_LIFETIME_MS,
    tokenKeys,
    passwordSeal: keys,
    // Cheap: that of the platform has a test of its own.
    hashPassword: async ({ password, salt }) => sha256(salt, password),
    publicOrigin: parts.publicOrigin ?? PUBLIC_ORIGIN,
  });
  return { auth, tokenKeys, ...app };
}

/** The reason an operation was refused for. Fails when it was not, or for something unexpected. */
export async function reasonOf(operation: Promise<unknown>): Promise<Reason> {
  try {
    await operation;
  } catch (error) {
    if (error instanceof SallyportError) return error.reason;
    throw error;
  }
  throw new Error('the operation was not refused');
}

export interface Pki {
  readonly authority: Authority;
  readonly gateway: GatewayIdentity;
  readonly alice: Leaf;
}

export async function createPki(): Promise<Pki> {
  const authority = await createAuthority();
  const alice = await createLeaf({ issuer: authority, uris: [spiffe('user/alice')] });
  return { authority, gateway: await gatewayOf(authority), alice };
}

export async function gatewayOf(
  issuer: Authority,
  options: Partial<Parameters<typeof createLeaf>[0]> & { readonly delegatedUntil?: number } = {},
): Promise<GatewayIdentity> {
  const leaf = await createLeaf({ issuer, uris: [GATEWAY], usages: ['server'], ...options });
  return createGatewayIdentity({
    chainDer: leaf.chainDer,
    trustDomain: TRUST_DOMAIN,
    certificateKey: leaf.key,
    notAfterMs: options.delegatedUntil ?? NOW + DAY,
  });
}

export function certificateOf({ chainDer, key }: Leaf): ClientCredential {
  return { method: 'certificate', chainDer, sign: (message) => ED25519.sign(key, message) };
}

export function pskOf(
  made: { readonly pskId: Uint8Array; readonly psk: Uint8Array },
  client = 'workload:batch',
): ClientCredential {
  const pskKey = derivePskKey({ psk: made.psk, pskId: made.pskId, client, trustDomain: TRUST_DOMAIN });
  return { method: 'psk', pskId: made.pskId, pskKey };
}

export interface ShakeOptions {
  readonly credential: ClientCredential;
  readonly gateway: GatewayIdentity;
  /** What the gateway has auth-service do. */
  readonly provePsk?: (raw: RawHandshake) => Promise<Uint8Array>;
  readonly gatewayNow?: number;
  readonly exporter?: Uint8Array;
  /** What the client takes for a gateway; default: any. */
  readonly client?: Partial<ClientHandshakeOptions>;
}

export interface Shaken {
  readonly client: ClientHandshake;
  readonly server: ServerHandshake;
  /** What the gateway gives to auth-service. */
  readonly raw: RawHandshake;
}

/** Both ends of a handshake up to ClientAuth. Throws the cause where an end refuses. */
export async function shake(options: ShakeOptions): Promise<Shaken> {
  const { credential, gateway, gatewayNow = NOW, exporter } = options;
  const client = new ClientHandshake({
    credential,
    trustDomain: TRUST_DOMAIN,
    expectedGateway: GATEWAY,
    verifyGatewayChain: readChain,
    clock: () => gatewayNow,
    ...(exporter === undefined ? {} : { exporter }),
    ...options.client,
  });
  const server = new ServerHandshake({
    identity: gateway,
    clock: () => gatewayNow,
    exporter,
    ...(options.provePsk === undefined ? {} : { pskServerProof: options.provePsk }),
  });
  const serverHello = ok(await server.onClientHello(client.start()));
  const clientAuth = ok(await client.onServerHello(serverHello.frame));
  const { raw } = ok(server.onClientAuth(clientAuth.frame));
  return { client, server, raw };
}

/** A client that takes any certificate for the gateway's: what is wrong with it is for auth-service to say. */
const readChain: ClientHandshakeOptions['verifyGatewayChain'] = async ([leaf]) => {
  const { X509Certificate } = await import('node:crypto');
  return leaf && { publicKey: new X509Certificate(leaf).publicKey, spiffeId: GATEWAY };
};

/** The good case of a result; throws its cause otherwise. */
export function ok<Result extends { readonly ok: true } | { readonly ok: false; readonly cause: string }>(
  result: Result,
): Extract<Result, { readonly ok: true }> {
  if (isGood(result)) return result;
  throw new Error(`refused: ${'cause' in result ? result.cause : ''}`);
}

function isGood<Result extends { readonly ok: boolean }>(
  result: Result,
): result is Extract<Result, { readonly ok: true }> {
  return result.ok;
}

/** A copy with one bit changed. */
export function flipBit(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return copy;
}
