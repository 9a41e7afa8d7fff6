/**
 * One signature over the messages of a frame (docs/protocol.md section 7.4): a Merkle tree of RFC 9162, so that each
 * message stays verifiable alone.
 */
import { sha256, signatureInput } from '@sallyport/crypto';
import { DIRECTION, MAX_HEADER_BYTES, type Direction } from './constants.ts';
import { writeU16, writeU32, writeU64 } from './wire.ts';

/** Filled and hashed without a pause; a copy of every header was garbage. */
const leafInput = new Uint8Array(5 + MAX_HEADER_BYTES + 32);

/** leaf = H(0x00 ‖ lp header ‖ H(ciphertext ‖ AEAD tag)); `sealedDigest` is the inner hash. */
export function messageLeaf(header: Uint8Array, sealedDigest: Uint8Array): Uint8Array {
  const length = 5 + header.length + sealedDigest.length;
  const input = length <= leafInput.length ? leafInput : new Uint8Array(length);
  input[0] = 0x00;
  writeU32(input, 1, header.length);
  input.set(header, 5);
  input.set(sealedDigest, 5 + header.length);
  return sha256(input.subarray(0, length));
}

export interface BatchClaim {
  /** sb = H(session binding), 32 bytes. */
  readonly bindingHash: Uint8Array;
  readonly direction: Direction;
  readonly epoch: number;
  readonly firstSequence: number;
  /** 1 to 256. */
  readonly count: number;
  readonly root: Uint8Array;
}

/** The exact bytes that a batch signature signs. */
export function batchSignatureInput(claim: BatchClaim): Uint8Array {
  const fixed = new Uint8Array(32 + 1 + 4 + 8 + 2);
  fixed.set(claim.bindingHash);
  fixed[32] = DIRECTION[claim.direction];
  writeU32(fixed, 33, claim.epoch);
  writeU64(fixed, 37, claim.firstSequence);
  writeU16(fixed, 45, claim.count);
  return signatureInput('batch', fixed, claim.root);
}

/** sb: what ties signatures to one session. */
export function bindingHash(bindingBytes: Uint8Array): Uint8Array {
  return sha256(bindingBytes);
}
