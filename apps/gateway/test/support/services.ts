/** auth-, key- and policy-service as the gateway meets them: real gRPC servers, and behind them as little as will do. */
import { generateKeyPairSync, sign, X509Certificate, type KeyObject } from 'node:crypto';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  bindingSignatureInput,
  checkClientProof,
  credentialDigest,
  encodeBinding,
  readHandshake,
  type RawHandshake,
} from '@sallyport/channel';
import { ED25519, randomBytes, toHex, fromHex } from '@sallyport/crypto';
import { builtInRoles, readPolicyWasm } from '@sallyport/policies';
import { buildBundle } from '@sallyport/policy-engine';
import { authv1, keyv1, policyv1 } from '@sallyport/proto';
import type { Clock } from '@sallyport/service/clock';
import { SallyportError, unimplemented } from '@sallyport/service/errors';
import { implement, startGrpcServer, type ServiceImplementation } from '@sallyport/service/grpc';
import { parseSpiffeId, type Identity, type Trust } from '@sallyport/service/identity';
import type { Log } from '@sallyport/service/log';

export type StandIns = AsyncDisposable & {
  readonly auth: string;
  readonly key: string;
  readonly policy: string;
  /** What the gateway told them, in order. */
  readonly calls: string[];
  /** Set to make a service fail. */
  readonly broken: Set<'authenticate' | 'session_key' | 'data_key' | 'leases' | 'revocations' | 'policy'>;
  /** Sessions (hex) that auth-service would list as revoked, numbered from 1. */
  readonly revoked: string[];
};

export type StandInOptions = {
  readonly identities: Readonly<Record<'auth-service' | 'key-service' | 'policy-service', Identity>>;
  readonly trust: Trust;
  readonly clock: Clock;
  readonly log: Log;
  readonly bindings: Readonly<Record<string, readonly string[]>>;
  readonly leaseMs: number;
  /** Module of the bundle. Default: the one that is built in. */
  readonly policyWasm?: Uint8Array | undefined;
};

const SESSION_MS = 3_600_000;

export async function startStandIns(options: StandInOptions): Promise<StandIns> {
  const { identities, trust, clock, log } = options;
  const calls: string[] = [];
  const broken: StandIns['broken'] = new Set();
  const revoked: string[] = [];
  const bundleKey = generateKeyPairSync('ed25519');
  const bindingKey = ED25519.generate();
  const bundle = await bundleOf(options, bundleKey.privateKey);
  /** By binding, by wrapped key, by session id: in hex. */
  const sessionKeys = new Map<string, Uint8Array>();
  const dataKeys = new Map<string, Uint8Array>();
  const destroyed = new Set<string>();
  await using building = new AsyncDisposableStack();

  const serve = async (name: keyof StandInOptions['identities'], service: ServiceImplementation) => {
    const server = building.use(
      await startGrpcServer({
        identity: identities[name],
        trust,
        port: 0,
        services: [service],
        authorizePrincipal: () =>
          Promise.resolve({ allowed: false, reasons: ['none'], requires: [], revision: 1n }),
        onDecision: () => Promise.resolve(),
        clock,
        log,
      }),
    );
    return server.address;
  };

  function must(
    step: 'authenticate' | 'session_key' | 'data_key' | 'leases' | 'revocations' | 'policy',
  ): void {
    if (step !== 'revocations' && step !== 'policy') calls.push(step);
    if (broken.has(step)) throw new SallyportError('unavailable', 'the stand-in was told to fail');
  }

  const auth = await serve(
    'auth-service',
    complete(authv1.AuthService, {
      authenticateHandshake: async ({ transcript }: authv1.AuthenticateHandshakeRequest) => {
        must('authenticate');
        if (transcript === undefined) throw new SallyportError('credential_invalid', 'no transcript');
        const bytes = judge(transcript, trust, clock.now());
        const bindingSignature = ED25519.sign(bindingKey.privateKey, bindingSignatureInput(bytes));
        return { binding: bytes, bindingSignature, bindingKeyId: 'binding-1', pskExport: new Uint8Array() };
      },
      closeSession: async ({ sessionId, cause }: authv1.CloseSessionRequest) => {
        calls.push(`close ${toHex(sessionId)} ${cause}`);
        return {};
      },
      listRevocations: async ({ afterNumber }: authv1.ListRevocationsRequest) => {
        must('revocations');
        const all = revoked.map((id, index) => ({
          number: BigInt(index + 1),
          sessionId: fromHex(id) ?? new Uint8Array(),
          cause: 'test',
        }));
        return {
          revocations: all.filter(({ number }) => number > afterNumber),
          lastNumber: BigInt(revoked.length),
        };
      },
    }),
  );
  const key = await serve(
    'key-service',
    complete(keyv1.KeyService, {
      createSessionKey: async ({ binding }: keyv1.CreateSessionKeyRequest) => {
        must('session_key');
        const name = toHex(binding);
        const sessionKey = sessionKeys.get(name) ?? randomBytes(32);
        sessionKeys.set(name, sessionKey);
        if (destroyed.has(toHex(binding.subarray(1, 17))))
          throw new SallyportError('already_exists', 'the stand-in destroyed it');
        return { sessionKey, leaseNotAfter: timestampFromMs(clock.now() + options.leaseMs) };
      },
      generateDataKey: async () => {
        must('data_key');
        const [plaintext, wrapped] = [randomBytes(32), randomBytes(60)];
        dataKeys.set(toHex(wrapped), plaintext.slice());
        return { dataKeyId: toHex(wrapped.subarray(0, 16)), plaintext, wrapped };
      },
      decrypt: async ({ items }: keyv1.DecryptRequest) => {
        must('data_key');
        const plaintexts = items.map(({ ciphertext }) => dataKeys.get(toHex(ciphertext)));
        if (plaintexts.includes(undefined)) throw new SallyportError('decryption_failed', 'not ours');
        return { plaintexts };
      },
      renewLeases: async ({ sessionIds }: keyv1.RenewLeasesRequest) => {
        must('leases');
        const notAfter = timestampFromMs(clock.now() + options.leaseMs);
        return { leases: sessionIds.map((sessionId) => ({ sessionId, notAfter })) };
      },
      destroySessionKeys: async ({ sessionIds }: keyv1.DestroySessionKeysRequest) => {
        calls.push(...sessionIds.map((id) => `destroy ${toHex(id)}`));
        for (const id of sessionIds) destroyed.add(toHex(id));
        return { destroyed: sessionIds.length };
      },
      listPublicKeys: async () => ({
        keys: [
          {
            keyId: 'bundle-1',
            purpose: 'policy-bundle',
            algorithm: 'Ed25519',
            publicKey: ED25519.rawPublicKey(bundleKey.publicKey),
            state: keyv1.KeyState.ACTIVE,
          },
        ],
      }),
    }),
  );
  const policy = await serve(
    'policy-service',
    complete(policyv1.PolicyService, {
      getBundle: async ({ currentRevision }: policyv1.GetBundleRequest) => {
        must('policy');
        return { revision: 1n, bundle: currentRevision === 1n ? new Uint8Array() : bundle };
      },
      reportRevision: async () => ({}),
    }),
  );
  const parts = building.move();
  return { auth, key, policy, calls, broken, revoked, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

/** The methods given, and refusals for the rest. */
function complete(
  service: Parameters<typeof implement>[0],
  handlers: Readonly<Record<string, unknown>>,
): ServiceImplementation {
  const rest = Object.fromEntries(
    service.methods.map(({ localName }) => [
      localName,
      () => Promise.reject(unimplemented('not in this stand-in')),
    ]),
  );
  return implement(service, { ...rest, ...handlers } as unknown as Parameters<typeof implement>[1]);
}

/** What auth-service says of a client by certificate: the binding's bytes. */
function judge(raw: RawHandshake, trust: Trust, nowMs: number): Uint8Array {
  const view = readHandshake(raw);
  if (!view.ok || view.clientAuth.credential.method !== 'certificate')
    throw new SallyportError('credential_invalid', 'not a certificate handshake');
  const [der] = view.clientAuth.credential.chainDer;
  if (der === undefined) throw new SallyportError('credential_invalid', 'no certificate');
  const leaf = new X509Certificate(der);
  if (!leaf.verify(new X509Certificate(trust.caPem).publicKey) || checkClientProof(view, leaf.publicKey))
    throw new SallyportError('credential_invalid', 'not who it says');
  return encodeBinding({
    sid: view.sid,
    transcriptHash: view.hashes.afterClientAuth,
    tenant: 'default',
    principal: principalOf(leaf),
    method: view.method,
    assurance: 1,
    signatureAlgorithm: view.suite.signature.id,
    clientPublicKey: view.clientAuth.publicKey,
    trustDomain: trust.trustDomain,
    notBeforeMs: nowMs,
    notAfterMs: nowMs + SESSION_MS,
    credentialDigest: credentialDigest(der),
  });
}

function principalOf(leaf: X509Certificate): string {
  const name = leaf.subjectAltName?.replace(/^URI:/u, '') ?? '';
  const parsed = parseSpiffeId(name);
  const match = /\/(user|workload|device)\/(.+)$/u.exec(parsed === undefined ? '' : name);
  if (match === null) throw new SallyportError('credential_invalid', 'not a principal');
  return `${match[1] ?? ''}:${match[2] ?? ''}`;
}

async function bundleOf(
  { bindings, policyWasm }: Pick<StandInOptions, 'bindings' | 'policyWasm'>,
  key: KeyObject,
): Promise<Uint8Array> {
  return buildBundle(
    {
      revision: 1,
      wasm: policyWasm ?? (await readPolicyWasm()),
      roles: builtInRoles,
      bindings: Object.entries(bindings).flatMap(([principal, roles]) =>
        roles.map((role) => ({ tenant: 'default', principal, role })),
      ),
    },
    { keyId: 'bundle-1', sign: (bytes) => Promise.resolve(new Uint8Array(sign(null, bytes, key))) },
  );
}
