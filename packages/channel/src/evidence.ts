/**
 * Evidence: one message of a frame, provable to anybody with public keys alone (docs/protocol.md section 11).
 *
 * Digests stand for the contents. Who also gets the message's seed and plaintext (an opening) can check what was said;
 * a seed opens that one message and no other.
 */
import type { KeyObject } from 'node:crypto';
import {
  constantTimeEqual,
  inclusionPath,
  rootFromInclusion,
  secretKey,
  signatureRowById,
  type SignatureRow,
} from '@sallyport/crypto';
import { batchSignatureInput, bindingHash, messageLeaf } from './batch.ts';
import { parseBinding, verifyBindingSignature, type SessionBinding } from './binding.ts';
import { failure, type Failure } from './causes.ts';
import { MAX_HEADER_BYTES, MAX_MESSAGES_PER_FRAME } from './constants.ts';
import type { Delegation } from './server-hello.ts';
import type { SignedBinding } from './accept.ts';
import { verifyDelegation } from './gateway-identity.ts';
import { CONTENT_TAG_LENGTH, parseHeader, type ReadHeader } from './header.ts';
import { contentTag, SEED_LENGTH } from './message-keys.ts';
import type { OpenedFrame } from './open-frame.ts';
import type { Session } from './session.ts';

export interface Evidence {
  /** The message's header as transmitted. */
  readonly header: Uint8Array;
  /** H(ciphertext ‖ AEAD tag). */
  readonly sealedDigest: Uint8Array;
  /** Number of messages in the frame, and the sequence of its first. */
  readonly count: number;
  readonly firstSequence: number;
  /** From the message's leaf to the root (RFC 9162 section 2.1.3). */
  readonly path: readonly Uint8Array[];
  readonly signature: Uint8Array;
  /** spk of the sender, raw. */
  readonly signerKey: Uint8Array;
  readonly binding: SignedBinding;
}

export type EvidenceCause =
  'header' | 'binding' | 'binding_signature' | 'wrong_session' | 'signer' | 'position' | 'path' | 'signature';

/** The evidence of message `index` of a frame that `session` opened. Copies: it outlives the frame. Throws RangeError. */
export function evidenceOf(session: Session, frame: OpenedFrame, index: number): Evidence {
  const { headers, sealedDigests, leaves, signature } = frame.proof;
  const header = headers[index];
  const sealedDigest = sealedDigests[index];
  if (header === undefined || sealedDigest === undefined)
    throw new RangeError(`the frame has no message ${index}`);
  return {
    header: header.slice(),
    sealedDigest: sealedDigest.slice(),
    count: frame.messages.length,
    firstSequence: frame.firstSequence,
    path: inclusionPath(leaves, index).map((hash) => hash.slice()),
    signature: signature.slice(),
    signerKey: session.suite.signature.rawPublicKey(session.peerKey),
    binding: session.signedBinding,
  };
}

/** Who vouches for the signing key when the gateway was the sender; its certificate chain the caller has validated. */
export interface GatewayVoucher {
  readonly certificateKey: KeyObject;
  readonly delegation: Delegation;
}

export interface VerifiedEvidence {
  readonly ok: true;
  readonly header: ReadHeader;
  readonly binding: SessionBinding;
}

/**
 * Verifies one message. `bindingKey` is auth-service's key of the binding's key id. A message of a client is signed by the
 * key that the binding names; one of the gateway needs its voucher. Total.
 */
export function verifyEvidence(
  evidence: Evidence,
  bindingKey: KeyObject,
  voucher?: GatewayVoucher,
): VerifiedEvidence | Failure<EvidenceCause> {
  const header = parseHeader(evidence.header, MAX_HEADER_BYTES);
  if (header === undefined) return failure('header');
  const binding = parseBinding(evidence.binding.bytes);
  if (!binding.ok) return failure('binding');
  if (!verifyBindingSignature(bindingKey, evidence.binding.bytes, evidence.binding.signature)) {
    return failure('binding_signature');
  }
  if (!constantTimeEqual(header.sid, binding.sid)) return failure('wrong_session');
  const signer = signerOf(evidence, header, binding, voucher);
  if (signer === undefined) return failure('signer');
  const { count, firstSequence, path, sealedDigest } = evidence;
  const index = header.sequence - firstSequence;
  if (!Number.isSafeInteger(count) || count < 1 || count > MAX_MESSAGES_PER_FRAME) return failure('position');
  if (!Number.isSafeInteger(firstSequence) || firstSequence < 1 || index < 0 || index >= count) {
    return failure('position');
  }
  if (sealedDigest.length !== 32) return failure('path');
  const root = rootFromInclusion({
    leafHash: messageLeaf(evidence.header, sealedDigest),
    index,
    size: count,
    path,
  });
  if (root === undefined) return failure('path');
  const { direction, epoch } = header;
  const claim = {
    bindingHash: bindingHash(evidence.binding.bytes),
    direction,
    epoch,
    firstSequence,
    count,
    root,
  };
  if (!signer.row.verify(signer.key, batchSignatureInput(claim), evidence.signature))
    return failure('signature');
  return { ok: true, header, binding };
}

/** Whether the opening is of this header: with its seed a message's plaintext has one content tag. */
export function verifyOpening(
  header: Uint8Array,
  opening: { seed: Uint8Array; plaintext: Uint8Array },
): boolean {
  const parsed = parseHeader(header, MAX_HEADER_BYTES);
  if (parsed === undefined || parsed.length !== opening.plaintext.length) return false;
  if (opening.seed.length !== SEED_LENGTH) return false; // HMAC pads: a longer seed could be the same key
  const start = header.subarray(0, header.length - CONTENT_TAG_LENGTH);
  return constantTimeEqual(contentTag(secretKey(opening.seed), start, opening.plaintext), parsed.tag);
}

function signerOf(
  evidence: Evidence,
  header: ReadHeader,
  binding: SessionBinding,
  voucher: GatewayVoucher | undefined,
): { row: SignatureRow; key: KeyObject } | undefined {
  if (header.direction === 'c2s') {
    if (!constantTimeEqual(evidence.signerKey, binding.clientPublicKey)) return undefined;
  } else if (
    voucher === undefined ||
    !verifyDelegation(voucher.certificateKey, evidence.signerKey, voucher.delegation, header.sentAtMs)
  ) {
    return undefined;
  }
  return rawSigner(evidence.signerKey, binding.signatureAlgorithm);
}

function rawSigner(raw: Uint8Array, algorithm: number): { row: SignatureRow; key: KeyObject } | undefined {
  const row = signatureRowById(algorithm);
  const key = row?.publicKeyFromRaw(raw);
  return row && key && { row, key };
}
