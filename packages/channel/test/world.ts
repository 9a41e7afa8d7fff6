/** A small world to shake hands in: one gateway, one auth-service, a certificate client and a PSK client. No I/O. */
import { concatBytes, ED25519, secretKey, utf8, type SignatureKeyPair } from '@sallyport/crypto';
import {
  bindingSignatureInput,
  checkClientProof,
  ClientHandshake,
  createGatewayIdentity,
  credentialDigest,
  derivePskKey,
  encodeBinding,
  isPskClientProof,
  pskExport,
  pskServerProof,
  readHandshake,
  readPskProofRequest,
  ServerHandshake,
  type AcceptInput,
  type ClientHandshakeOptions,
  type Established,
  type RawHandshake,
  type ServerHandshakeOptions,
  type Session,
  type SessionBinding,
} from '../src/index.ts';

export const NOW_MS = 1_800_000_000_000;
export const TRUST_DOMAIN = 'sallyport.test';
export const GATEWAY_ID = `spiffe://${TRUST_DOMAIN}/svc/gateway`;

/** Ed25519 keys of a fixed seed. */
export function keysOf(fill: number): SignatureKeyPair {
  return ED25519.keyPairFromRaw(new Uint8Array(32).fill(fill));
}

/** A stand-in for a certificate: the channel never looks inside one. */
export function fakeCertificate(spiffeId: string, keys: SignatureKeyPair): Uint8Array {
  return concatBytes(ED25519.rawPublicKey(keys.publicKey), utf8(spiffeId));
}

export function readFakeChain(chainDer: readonly Uint8Array[]) {
  const [leaf] = chainDer;
  const publicKey = leaf && ED25519.publicKeyFromRaw(leaf.subarray(0, 32));
  if (leaf === undefined || publicKey === undefined) return undefined;
  return { publicKey, spiffeId: new TextDecoder().decode(leaf.subarray(32)) };
}

/** A deterministic source: block after block of a counter. */
export function countingRandom(start: number): (length: number) => Uint8Array {
  let next = start;
  return (length) => Uint8Array.from({ length }, () => (next = (next * 73 + 41) % 251));
}

export const gatewayCertificateKeys = keysOf(1);
export const clientCertificateKeys = keysOf(2);
export const bindingKeys = keysOf(3);
export const pskId = new Uint8Array(16).fill(0x1d);
export const pskKey = derivePskKey({
  psk: new Uint8Array(32).fill(0x9c),
  pskId,
  client: 'workload:batch',
  trustDomain: TRUST_DOMAIN,
});
export const sessionKey = secretKey(new Uint8Array(32).fill(0x5e));

export const identity = createGatewayIdentity({
  chainDer: [fakeCertificate(GATEWAY_ID, gatewayCertificateKeys)],
  trustDomain: TRUST_DOMAIN,
  certificateKey: gatewayCertificateKeys.privateKey,
  notAfterMs: NOW_MS + 3_600_000,
  signing: keysOf(4),
});

export const clientChain = [fakeCertificate(`spiffe://${TRUST_DOMAIN}/user/alice`, clientCertificateKeys)];

export const certificateClient: ClientHandshakeOptions = {
  credential: {
    method: 'certificate',
    chainDer: clientChain,
    sign: (message) => ED25519.sign(clientCertificateKeys.privateKey, message),
  },
  trustDomain: TRUST_DOMAIN,
  expectedGateway: GATEWAY_ID,
  verifyGatewayChain: readFakeChain,
  clock: () => NOW_MS,
  bindingKey: bindingKeys.publicKey,
};

export const pskClient: ClientHandshakeOptions = {
  ...certificateClient,
  credential: { method: 'psk', pskId, pskKey },
};

/** auth-service's answer to a request for mac_s. */
export function provePsk(raw: RawHandshake): Promise<Uint8Array> {
  const request = readPskProofRequest(raw);
  if (!request.ok) return Promise.reject(new Error(request.cause));
  return Promise.resolve(pskServerProof(pskKey, request.hashes.serverMac));
}

export const gatewayOptions: ServerHandshakeOptions = {
  identity,
  clock: () => NOW_MS,
  pskServerProof: provePsk,
};

/** What auth-service and key-service give for a good handshake. Throws with the cause otherwise. */
export function authenticate(raw: RawHandshake, change: Partial<SessionBinding> = {}): AcceptInput {
  const view = readHandshake(raw);
  if (!view.ok) throw new Error(view.cause);
  const { credential, mac, publicKey } = view.clientAuth;
  const leaf = credential.method === 'certificate' ? readFakeChain(credential.chainDer) : undefined;
  const cause = checkClientProof(view, leaf?.publicKey);
  if (cause !== undefined) throw new Error(cause);
  if (view.method === 'psk' && !(mac && isPskClientProof(pskKey, view.hashes.clientMac, mac))) {
    throw new Error('psk_proof');
  }
  const bytes = encodeBinding({
    sid: view.sid,
    transcriptHash: view.hashes.afterClientAuth,
    tenant: 'default',
    principal: view.method === 'psk' ? 'workload:batch' : 'user:alice',
    method: view.method,
    assurance: 1,
    signatureAlgorithm: view.suite.signature.id,
    clientPublicKey: publicKey,
    trustDomain: TRUST_DOMAIN,
    notBeforeMs: NOW_MS,
    notAfterMs: NOW_MS + 3_600_000,
    credentialDigest: credentialDigest(
      credential.method === 'certificate' ? (credential.chainDer[0] ?? pskId) : (view.pskId ?? pskId),
    ),
    ...change,
  });
  const signature = ED25519.sign(bindingKeys.privateKey, bindingSignatureInput(bytes));
  return {
    binding: { bytes, keyId: 'binding-1', signature },
    sessionKey,
    lease: { notAfterMs: NOW_MS + 3_600_000 },
    pskExport: view.method === 'psk' ? pskExport(pskKey, view.hashes.afterClientAuth) : undefined,
  };
}

export interface Pair {
  readonly client: Session;
  readonly gateway: Session;
  readonly established: Established;
}

/** A whole handshake; throws where one side refuses. */
export async function connect(
  clientOptions: ClientHandshakeOptions = certificateClient,
  serverOptions: ServerHandshakeOptions = gatewayOptions,
): Promise<Pair> {
  const client = new ClientHandshake(clientOptions);
  const server = new ServerHandshake(serverOptions);
  const serverHello = ok(await server.onClientHello(client.start()));
  const clientAuth = ok(await client.onServerHello(serverHello.frame));
  const request = ok(server.onClientAuth(clientAuth.frame));
  const accepted = ok(server.accept(authenticate(request.raw)));
  const established = ok(client.onAccept(accepted.frame));
  return { client: established.session, gateway: accepted.session, established };
}

/** The good case of a result; throws its cause otherwise. */
export function ok<Result extends { readonly ok: true } | { readonly ok: false; readonly cause: string }>(
  result: Result,
): Extract<Result, { readonly ok: true }> {
  if (isGood(result)) return result;
  throw new Error(`refused: ${'cause' in result ? String(result.cause) : ''}`);
}

function isGood<Result extends { readonly ok: boolean }>(
  result: Result,
): result is Extract<Result, { readonly ok: true }> {
  return result.ok;
}

/** A copy with one bit changed. */
export function flipBit(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = bytes.slice();
  copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return copy;
}
