/** Sealing a frame of 1 to 256 messages (docs/protocol.md section 7). Pure but for the randomness it is given. */
import type { KeyObject } from 'node:crypto';
import { aead, merkleRoot, sha256, type AeadRow, type SignatureRow } from '@sallyport/crypto';
import type { SessionLimits } from './accept.ts';
import { batchSignatureInput, messageLeaf } from './batch.ts';
import { failure, type Failure, type SealCause } from './causes.ts';
import {
  CORRELATION_LENGTH,
  FRAME_HEADER_LENGTH,
  FRAME_TYPE,
  NONCE_LENGTH,
  PROTOCOL_VERSION,
  type Direction,
  type Kind,
} from './constants.ts';
import { CONTENT_TAG_LENGTH, headerLength, writeHeaderStart } from './header.ts';
import { contentTag, messageKey, type MessageSeeds } from './message-keys.ts';
import { writeU16, writeU32, writeU64 } from './wire.ts';

export interface OutgoingMessage {
  readonly kind: Kind;
  /** 16 bytes: random in a request or notification, that of the request in its response or refusal, zero in control. */
  readonly correlation: Uint8Array;
  /** Where a request or notification goes; empty for the other kinds. */
  readonly destination: string;
  readonly contentType: string;
  /** W3C traceparent, or empty. */
  readonly trace: string;
  readonly payload: Uint8Array;
  /** Makes it a resend: when this request or notification first left, in gateway time, not later than now. */
  readonly firstSentAtMs?: number | undefined;
}

export interface SealContext {
  readonly sid: Uint8Array;
  readonly direction: Direction;
  readonly epoch: number;
  readonly aead: AeadRow;
  readonly signature: SignatureRow;
  readonly signingKey: KeyObject;
  readonly bindingHash: Uint8Array;
  readonly seeds: MessageSeeds;
  readonly limits: SessionLimits;
}

export interface FrameStamp {
  readonly firstSequence: number;
  readonly sentAtMs: number;
  /** 16 random bytes for each message, one after the other. */
  readonly nonces: Uint8Array;
}

/** The frame, or why these messages do not make one. Payloads are read, never kept. */
export function sealFrame(
  context: SealContext,
  messages: readonly OutgoingMessage[],
  stamp: FrameStamp,
): Uint8Array | Failure<SealCause> {
  const { limits, aead: row } = context;
  if (messages.length < 1 || messages.length > limits.maxMessagesPerFrame) return failure('bad_count');
  let length = FRAME_HEADER_LENGTH + 8 + 2 + 4 + context.signature.signatureLength;
  const headerLengths: number[] = [];
  for (const message of messages) {
    const bytes = headerLength(message);
    if (bytes === undefined || message.correlation.length !== CORRELATION_LENGTH) return failure('bad_field');
    if ((message.firstSentAtMs ?? 0) > stamp.sentAtMs) return failure('bad_field');
    if (bytes > limits.maxHeaderBytes) return failure('oversized');
    length += 4 + bytes + 4 + message.payload.length + row.tagLength;
    headerLengths.push(bytes);
  }
  if (length > limits.maxFrameBytes) return failure('oversized');
  const frame = new Uint8Array(length);
  frame[0] = PROTOCOL_VERSION;
  frame[1] = FRAME_TYPE.messages;
  frame.set(context.sid, 2);
  writeU64(frame, FRAME_HEADER_LENGTH, stamp.firstSequence);
  writeU16(frame, FRAME_HEADER_LENGTH + 8, messages.length);
  let at = FRAME_HEADER_LENGTH + 10;
  const leaves: Uint8Array[] = [];
  messages.forEach((message, index) => {
    at = writeRecord(context, frame, at, message, headerLengths[index] ?? 0, stamp, index, leaves);
  });
  const claim = {
    bindingHash: context.bindingHash,
    direction: context.direction,
    epoch: context.epoch,
    firstSequence: stamp.firstSequence,
    count: messages.length,
    root: merkleRoot(leaves),
  };
  writeU32(frame, at, context.signature.signatureLength);
  frame.set(context.signature.sign(context.signingKey, batchSignatureInput(claim)), at + 4);
  return frame;
}

/** Writes lp header ‖ lp sealed at `at`, adds the leaf, and returns where the next record begins. */
function writeRecord(
  context: SealContext,
  frame: Uint8Array,
  at: number,
  message: OutgoingMessage,
  headerBytes: number,
  stamp: FrameStamp,
  index: number,
  leaves: Uint8Array[],
): number {
  const sequence = stamp.firstSequence + index;
  const nonce = stamp.nonces.subarray(index * NONCE_LENGTH, (index + 1) * NONCE_LENGTH);
  const { payload } = message;
  writeU32(frame, at, headerBytes);
  const headerAt = at + 4;
  const sealedAt = headerAt + headerBytes;
  const header = frame.subarray(headerAt, sealedAt);
  const startLength = writeHeaderStart(header, {
    sid: context.sid,
    epoch: context.epoch,
    direction: context.direction,
    sequence,
    sentAtMs: stamp.sentAtMs,
    nonce,
    kind: message.kind,
    correlation: message.correlation,
    destination: message.destination,
    contentType: message.contentType,
    trace: message.trace,
    firstSentAtMs: message.firstSentAtMs,
    length: payload.length,
  });
  const seed = context.seeds.keyOf(sequence);
  const tag = contentTag(seed, header.subarray(0, startLength), payload);
  header.set(tag, headerBytes - CONTENT_TAG_LENGTH);
  const sealedLength = payload.length + context.aead.tagLength;
  const sealed = frame.subarray(sealedAt + 4, sealedAt + 4 + sealedLength);
  aead(context.aead).sealInto(
    {
      key: messageKey(seed, tag, context.aead.keyLength),
      iv: nonce.subarray(0, context.aead.ivLength),
      aad: header,
      plaintext: payload,
    },
    sealed,
  );
  writeU32(frame, sealedAt, sealedLength);
  leaves.push(messageLeaf(header, sha256(sealed)));
  return sealedAt + 4 + sealedLength;
}
