/** Both ends of a session without a handshake, for tests of what comes after it. */
import { DEFAULT_LIMITS, DEFAULT_SUITES, encodeBinding, parseBinding, Session } from '@sallyport/channel';
import { AES_256_GCM, ED25519, randomBytes, secretKey } from '@sallyport/crypto';

export type EpochStart = ConstructorParameters<typeof Session>[0]['start'];
export type Pair = { readonly client: Session; readonly gateway: Session };

export const NOW_MS = 1_800_000_000_000;

export function sessionPair(
  options: { readonly maxEpochMessages?: number; readonly maxFrameBytes?: number } = {},
  start?: EpochStart,
): Pair {
  const sid = randomBytes(16);
  const [clientKeys, gatewayKeys] = [ED25519.generate(), ED25519.generate()];
  const bytes = encodeBinding({
    sid,
    transcriptHash: randomBytes(32),
    tenant: 'default',
    principal: 'user:alice',
    method: 'certificate',
    assurance: 1,
    signatureAlgorithm: ED25519.id,
    clientPublicKey: ED25519.rawPublicKey(clientKeys.publicKey),
    trustDomain: 'sallyport.test',
    notBeforeMs: NOW_MS,
    notAfterMs: NOW_MS + 3_600_000,
    credentialDigest: randomBytes(32),
  });
  const binding = parseBinding(bytes);
  const [kex] = DEFAULT_SUITES.kex;
  if (!binding.ok || kex === undefined) throw new Error('no binding');
  const common = {
    sid,
    suite: { kex, aead: AES_256_GCM, signature: ED25519 },
    keys: {
      c2s: secretKey(randomBytes(32)),
      s2c: secretKey(randomBytes(32)),
      resumption: secretKey(randomBytes(32)),
    },
    binding,
    signedBinding: { bytes, keyId: 'binding-1', signature: randomBytes(64) },
    limits: { ...DEFAULT_LIMITS, ...options },
    lease: { notAfterMs: NOW_MS + 3_600_000 },
    clock: () => NOW_MS,
    start,
  };
  return {
    client: new Session({
      ...common,
      role: 'client',
      signingKey: clientKeys.privateKey,
      peerKey: gatewayKeys.publicKey,
    }),
    gateway: new Session({
      ...common,
      role: 'gateway',
      signingKey: gatewayKeys.privateKey,
      peerKey: clientKeys.publicKey,
    }),
  };
}
