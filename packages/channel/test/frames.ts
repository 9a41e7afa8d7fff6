/** Sessions of fixed keys without a handshake, and the contexts to forge frames with. */
import { AES_256_GCM, ED25519, secretKey, utf8, X25519 } from '@sallyport/crypto';
import {
  DEFAULT_LIMITS,
  encodeBinding,
  Session,
  type OutgoingMessage,
  type SessionBinding,
} from '../src/index.ts';
import { bindingHash } from '../src/batch.ts';
import { MessageSeeds } from '../src/message-keys.ts';
import { sealFrame, type FrameStamp, type SealContext } from '../src/seal-frame.ts';
import { countingRandom, keysOf, NOW_MS, TRUST_DOMAIN } from './world.ts';

export const sid = Uint8Array.from({ length: 16 }, (_, at) => at + 1);
export const clientKeys = keysOf(11);
export const gatewayKeys = keysOf(12);
const epochKeys = {
  c2s: secretKey(new Uint8Array(32).fill(0xc2)),
  s2c: secretKey(new Uint8Array(32).fill(0x2c)),
  resumption: secretKey(new Uint8Array(32).fill(0x25)),
};

export const binding: SessionBinding = {
  sid,
  transcriptHash: new Uint8Array(32).fill(0x33),
  tenant: 'default',
  principal: 'user:alice',
  method: 'certificate',
  assurance: 1,
  signatureAlgorithm: ED25519.id,
  clientPublicKey: ED25519.rawPublicKey(clientKeys.publicKey),
  trustDomain: TRUST_DOMAIN,
  notBeforeMs: NOW_MS,
  notAfterMs: NOW_MS + 3_600_000,
  credentialDigest: new Uint8Array(32).fill(0x44),
};
export const bindingBytes = encodeBinding(binding);

const suite = { kex: X25519, aead: AES_256_GCM, signature: ED25519 };
const common = {
  sid,
  suite,
  keys: epochKeys,
  binding,
  signedBinding: { bytes: bindingBytes, keyId: 'binding-1', signature: new Uint8Array(64) },
  limits: DEFAULT_LIMITS,
  lease: { notAfterMs: NOW_MS + 3_600_000 },
};

export function clientSession(clock: () => number = () => NOW_MS, limits = DEFAULT_LIMITS): Session {
  return new Session({
    ...common,
    role: 'client',
    signingKey: clientKeys.privateKey,
    peerKey: gatewayKeys.publicKey,
    limits,
    clock,
    random: countingRandom(5),
  });
}

export function gatewaySession(clock: () => number = () => NOW_MS, limits = DEFAULT_LIMITS): Session {
  return new Session({
    ...common,
    role: 'gateway',
    signingKey: gatewayKeys.privateKey,
    peerKey: clientKeys.publicKey,
    limits,
    clock,
    random: countingRandom(6),
  });
}

export const request: OutgoingMessage = {
  kind: 'request',
  correlation: new Uint8Array(16).fill(7),
  destination: 'echo',
  contentType: 'application/json',
  trace: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  payload: utf8('{"hello":"world"}'),
};

/** What the client seals with; a test changes one thing of it. */
export function clientContext(): SealContext {
  return {
    sid,
    direction: 'c2s',
    epoch: 0,
    aead: AES_256_GCM,
    signature: ED25519,
    signingKey: clientKeys.privateKey,
    bindingHash: bindingHash(bindingBytes),
    seeds: new MessageSeeds(epochKeys.c2s),
    limits: { ...DEFAULT_LIMITS, maxMessagesPerFrame: 300, maxFrameBytes: 2 ** 22, maxHeaderBytes: 4096 },
  };
}

/** A frame by `clientContext` with changes; throws where it cannot be made. */
export function forge(
  change: Partial<SealContext> = {},
  messages: readonly OutgoingMessage[] = [request],
  stamp: Partial<FrameStamp> = {},
): Uint8Array {
  const nonces = countingRandom(9)(16 * messages.length);
  const frame = sealFrame({ ...clientContext(), ...change }, messages, {
    firstSequence: 1,
    sentAtMs: NOW_MS,
    nonces,
    ...stamp,
  });
  if (frame instanceof Uint8Array) return frame;
  throw new Error(`not sealed: ${frame.cause}`);
}
