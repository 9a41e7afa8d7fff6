/**
 * Key exchange: one table of algorithms, each in the shape of a KEM (offer, respond, finish).
 *
 * X25519MLKEM768 is the hybrid of draft-ietf-tls-ecdhe-mlkem: share of the client = encapsulation key ‖ X25519, of the
 * server = ciphertext ‖ X25519, secret = ML-KEM ‖ X25519. Either half alone keeps the secret.
 */
import type { KeyObject } from 'node:crypto';
import { concatBytes, randomBytes } from './bytes.ts';
import {
  ML_KEM_768,
  mlKem768Decapsulate,
  mlKem768Encapsulate,
  mlKem768PrivateKey,
  mlKem768Public,
} from './ml-kem.ts';
import { X25519_LENGTH, x25519Agree, x25519PrivateKey, x25519Public } from './x25519.ts';

export type KexName = 'X25519MLKEM768' | 'X25519';

/** Random bytes of the given length; a test may pass a deterministic source. */
export type RandomSource = (length: number) => Uint8Array;

export interface KexOffer {
  /** What goes on the wire. */
  readonly share: Uint8Array;
  /** The agreed secret, or undefined when the peer's share is malformed or degenerate. The caller wipes it. */
  finish(peerShare: Uint8Array): Uint8Array | undefined;
}

export interface KexRow {
  readonly name: KexName;
  /** Number in the IANA TLS Supported Groups registry; the wire format uses it. */
  readonly id: number;
  readonly clientShareLength: number;
  readonly serverShareLength: number;
  /** True when a quantum computer alone does not break the secret. */
  readonly isPostQuantum: boolean;
  /** A fresh key pair of the client. */
  offer(random?: RandomSource): KexOffer;
  /** The server's answer to a client's share, or undefined when that is malformed or degenerate. */
  respond(
    clientShare: Uint8Array,
    random?: RandomSource,
  ): { share: Uint8Array; secret: Uint8Array } | undefined;
}

export const X25519: KexRow = Object.freeze({
  name: 'X25519',
  id: 0x001d,
  clientShareLength: X25519_LENGTH,
  serverShareLength: X25519_LENGTH,
  isPostQuantum: false,
  offer(random: RandomSource = randomBytes) {
    const privateKey = freshX25519(random);
    return { share: x25519Public(privateKey), finish: (peer: Uint8Array) => x25519Agree(privateKey, peer) };
  },
  respond(clientShare: Uint8Array, random: RandomSource = randomBytes) {
    const privateKey = freshX25519(random);
    const secret = x25519Agree(privateKey, clientShare);
    return secret && { share: x25519Public(privateKey), secret };
  },
});

export const X25519MLKEM768: KexRow = Object.freeze({
  name: 'X25519MLKEM768',
  id: 0x11ec,
  clientShareLength: ML_KEM_768.encapsulationKey + X25519_LENGTH,
  serverShareLength: ML_KEM_768.ciphertext + X25519_LENGTH,
  isPostQuantum: true,
  offer(random: RandomSource = randomBytes) {
    const seed = random(ML_KEM_768.seed);
    const kemKey = mlKem768PrivateKey(seed);
    seed.fill(0);
    const ecKey = freshX25519(random);
    return {
      share: concatBytes(mlKem768Public(kemKey), x25519Public(ecKey)),
      finish: (peer: Uint8Array) => finishHybrid(kemKey, ecKey, peer),
    };
  },
  respond(clientShare: Uint8Array, random: RandomSource = randomBytes) {
    if (clientShare.length !== ML_KEM_768.encapsulationKey + X25519_LENGTH) return undefined;
    const ecKey = freshX25519(random);
    const ecSecret = x25519Agree(ecKey, clientShare.subarray(ML_KEM_768.encapsulationKey));
    if (ecSecret === undefined) return undefined;
    const kem = mlKem768Encapsulate(clientShare.subarray(0, ML_KEM_768.encapsulationKey));
    if (kem === undefined) return undefined;
    return {
      share: concatBytes(kem.ciphertext, x25519Public(ecKey)),
      secret: joinSecrets(kem.secret, ecSecret),
    };
  },
});

/** Every algorithm that may be used, the preferred one first: hybrid before classical. */
export const KEX_TABLE: readonly KexRow[] = Object.freeze([X25519MLKEM768, X25519]);

/** The row of this name, or undefined: an unknown algorithm is refused by the caller. */
export function kexRow(name: string): KexRow | undefined {
  return KEX_TABLE.find((row) => row.name === name);
}

/** The row of this wire number, or undefined. */
export function kexRowById(id: number): KexRow | undefined {
  return KEX_TABLE.find((row) => row.id === id);
}

function freshX25519(random: RandomSource): KeyObject {
  const raw = random(X25519_LENGTH);
  const key = x25519PrivateKey(raw);
  raw.fill(0);
  return key;
}

function finishHybrid(kemKey: KeyObject, ecKey: KeyObject, peer: Uint8Array): Uint8Array | undefined {
  if (peer.length !== ML_KEM_768.ciphertext + X25519_LENGTH) return undefined;
  const ecSecret = x25519Agree(ecKey, peer.subarray(ML_KEM_768.ciphertext));
  const kemSecret = mlKem768Decapsulate(kemKey, peer.subarray(0, ML_KEM_768.ciphertext));
  return ecSecret && kemSecret && joinSecrets(kemSecret, ecSecret);
}

function joinSecrets(kemSecret: Uint8Array, ecSecret: Uint8Array): Uint8Array {
  const secret = concatBytes(kemSecret, ecSecret);
  kemSecret.fill(0);
  ecSecret.fill(0);
  return secret;
}
