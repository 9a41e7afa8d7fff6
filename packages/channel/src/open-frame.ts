/**
 * Opening a frame, in the order of docs/protocol.md section 8: shape, session and epoch, time, all records, one
 * signature. The replay guard comes after and is not here. A frame with one bad record is refused whole.
 */
import type { KeyObject } from 'node:crypto';
import {
  aead,
  constantTimeEqual,
  merkleRoot,
  sha256,
  type AeadRow,
  type SignatureRow,
} from '@sallyport/crypto';
import type { SessionLimits } from './accept.ts';
import { batchSignatureInput, messageLeaf } from './batch.ts';
import { failure, type Failure, type MessageCause, type ShapeCause } from './causes.ts';
import { FRAME_TYPE, type Direction } from './constants.ts';
import { parseFrame } from './frame.ts';
import { CONTENT_TAG_LENGTH, readHeader, type MessageHeader, type ReadHeader } from './header.ts';
import { contentTag, messageKey, type MessageSeeds } from './message-keys.ts';
import { Reader } from './wire.ts';

const SIGNATURE_CEILING = 4096;

export interface OpenContext {
  readonly sid: Uint8Array;
  /** The direction that the peer sends in. */
  readonly direction: Direction;
  readonly epoch: number;
  readonly aead: AeadRow;
  readonly signature: SignatureRow;
  readonly peerKey: KeyObject;
  readonly bindingHash: Uint8Array;
  readonly seeds: MessageSeeds;
  /** Sequences up to this one are closed; the messages of the epoch are counted from it. */
  readonly closedThrough: number;
  readonly limits: SessionLimits;
}

/** Byte fields are views of the frame; `payload` has memory of its own. */
export interface OpenedMessage extends MessageHeader {
  readonly payload: Uint8Array;
}

export interface OpenedFrame {
  readonly ok: true;
  readonly direction: Direction;
  readonly epoch: number;
  readonly firstSequence: number;
  readonly messages: readonly OpenedMessage[];
  /** What `evidenceOf` needs. */
  readonly proof: FrameProof;
}

export interface FrameProof {
  /** The headers as transmitted; views of the frame. */
  readonly headers: readonly Uint8Array[];
  /** H(ciphertext ‖ AEAD tag) of each message. */
  readonly sealedDigests: readonly Uint8Array[];
  readonly leaves: readonly Uint8Array[];
  readonly signature: Uint8Array;
}

interface RecordView {
  readonly header: ReadHeader;
  readonly headerBytes: Uint8Array;
  readonly sealed: Uint8Array;
}

interface ParsedFrame {
  readonly ok: true;
  readonly sid: Uint8Array;
  readonly firstSequence: number;
  readonly records: readonly RecordView[];
  readonly signature: Uint8Array;
}

/** `nowMs` is gateway time. Total: any input gives a value. The caller leaves `bytes` alone while the result is in use. */
export function openFrame(
  context: OpenContext,
  bytes: Uint8Array,
  nowMs: number,
): OpenedFrame | Failure<MessageCause> {
  const frame = parseMessages(bytes, context);
  if (!frame.ok) return frame;
  const cause = checkSession(context, frame) ?? checkTime(context, frame, nowMs);
  if (cause !== undefined) return failure(cause);
  const messages: OpenedMessage[] = [];
  const headers: Uint8Array[] = [];
  const sealedDigests: Uint8Array[] = [];
  const leaves: Uint8Array[] = [];
  for (const record of frame.records) {
    const payload = openRecord(context, record);
    if (typeof payload === 'string') return failure(payload);
    const digest = sha256(record.sealed);
    messages.push({ ...record.header, payload });
    headers.push(record.headerBytes);
    sealedDigests.push(digest);
    leaves.push(messageLeaf(record.headerBytes, digest));
  }
  const { direction, epoch } = context;
  const { firstSequence, signature } = frame;
  const claim = {
    bindingHash: context.bindingHash,
    direction,
    epoch,
    firstSequence,
    count: messages.length,
    root: merkleRoot(leaves),
  };
  if (!context.signature.verify(context.peerKey, batchSignatureInput(claim), signature))
    return failure('bad_signature');
  return {
    ok: true,
    direction,
    epoch,
    firstSequence,
    messages,
    proof: { headers, sealedDigests, leaves, signature },
  };
}

function parseMessages(
  bytes: Uint8Array,
  { limits, aead: row }: OpenContext,
): ParsedFrame | Failure<ShapeCause> {
  const frame = parseFrame(bytes);
  if (!frame.ok) return frame;
  if (frame.type !== FRAME_TYPE.messages) return failure('unexpected_type');
  if (bytes.length > limits.maxFrameBytes) return failure('oversized');
  const reader = new Reader(frame.body);
  const firstSequence = reader.u64();
  const count = reader.u16();
  if (reader.cause === undefined && (count < 1 || count > limits.maxMessagesPerFrame))
    reader.fail('bad_count');
  if (firstSequence < 1) reader.fail('bad_field');
  const records: RecordView[] = [];
  for (let index = 0; index < count && reader.cause === undefined; index += 1) {
    const headerBytes = reader.lp(limits.maxHeaderBytes);
    const sealed = reader.lp(limits.maxFrameBytes);
    if (reader.cause !== undefined) break;
    const inner = new Reader(headerBytes);
    const header = readHeader(inner, limits.maxHeaderBytes);
    const cause = inner.end();
    if (cause !== undefined) reader.fail(cause);
    else if (sealed.length !== header.length + row.tagLength) reader.fail('bad_field');
    records.push({ header, headerBytes, sealed });
  }
  const signature = reader.lp(SIGNATURE_CEILING);
  const cause = reader.end();
  return cause === undefined
    ? { ok: true, sid: frame.sid, firstSequence, records, signature }
    : failure(cause);
}

function checkSession(context: OpenContext, frame: ParsedFrame): MessageCause | undefined {
  if (!isSame(frame.sid, context.sid)) return 'wrong_session';
  let sequence = frame.firstSequence;
  for (const { header } of frame.records) {
    if (!isSame(header.sid, context.sid)) return 'wrong_session';
    if (header.direction !== context.direction) return 'wrong_direction';
    if (header.epoch !== context.epoch) return 'wrong_epoch';
    if (header.sequence !== sequence) return 'sequence_mismatch';
    sequence += 1;
  }
  const { closedThrough, limits } = context;
  if (frame.firstSequence <= closedThrough) return 'sequence_closed';
  return sequence - 1 - closedThrough > limits.maxEpochMessages ? 'epoch_exhausted' : undefined;
}

function checkTime(context: OpenContext, frame: ParsedFrame, nowMs: number): MessageCause | undefined {
  for (const { header } of frame.records) {
    if (header.sentAtMs < nowMs - context.limits.freshnessMs) return 'stale_time';
    if (header.sentAtMs > nowMs + context.limits.freshnessMs) return 'future_time';
  }
  return undefined;
}

function openRecord(context: OpenContext, record: RecordView): Uint8Array | MessageCause {
  const { header, headerBytes, sealed } = record;
  const seed = context.seeds.keyOf(header.sequence);
  const payload = aead(context.aead).open({
    key: messageKey(seed, header.tag, context.aead.keyLength),
    iv: header.nonce.subarray(0, context.aead.ivLength),
    aad: headerBytes,
    sealed,
  });
  if (payload === undefined) return 'decryption_failed';
  const headerStart = headerBytes.subarray(0, headerBytes.length - CONTENT_TAG_LENGTH);
  return constantTimeEqual(contentTag(seed, headerStart, payload), header.tag) ? payload : 'tag_mismatch';
}

/** Session ids are public. */
function isSame(a: Uint8Array, b: Uint8Array): boolean {
  for (let at = 0; at < b.length; at += 1) if (a[at] !== b[at]) return false;
  return a.length === b.length;
}
