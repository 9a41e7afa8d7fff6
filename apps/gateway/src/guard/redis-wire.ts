/** What goes into the scripts and comes out: fixed sizes, binary, no more than a frame's worth. */
import { MAX_MESSAGES_PER_FRAME, WINDOW_SPAN, type SequenceRange } from '@sallyport/channel';
import type { RecordClaim, RecordVerdict } from '../app/ports.ts';
import { RECORD_FLAGS } from './redis-script-limits.ts';

/** sequence u64 | first sent u64. */
const TIMES_BYTES = 16;
/** state u8 | offset u32 | length u32. */
const PLACE_BYTES = 9;
const DONE = 1;
/** digest 32 | gateway 16 | admission u64 | generation u32 | 5 bytes that make a hash table (`redis-scripts.ts`). */
const CLAIM_BYTES = 65;
const GENERATION_AT = 56;

export const CORRELATION_BYTES = 16;
const DIGEST_BYTES = 32;
const NONCE_BYTES = 16;

/**
 * The arguments of the admit script that tell of records: first sequence, flags, times, nonces, claims. `holder` says who
 * asks. Throws `RangeError` for what no frame can hold.
 */
export function packRecords(
  records: readonly RecordClaim[],
  holder: Buffer,
  generation: number,
): (string | Buffer)[] {
  if (records.length === 0 || records.length > MAX_MESSAGES_PER_FRAME)
    throw new RangeError(`a frame has 1 to ${MAX_MESSAGES_PER_FRAME} records`);
  const first = records[0]?.seq ?? 0;
  const flags = Buffer.alloc(records.length);
  const times = Buffer.alloc(records.length * TIMES_BYTES);
  const nonces: Buffer[] = [];
  const claims: Buffer[] = [];
  let isInOrder = true;
  for (const [index, { seq, nonce, request }] of records.entries()) {
    if (nonce.length !== NONCE_BYTES) throw new RangeError(`a nonce has ${NONCE_BYTES} bytes`);
    isInOrder &&= seq === first + index;
    writeU64(times, index * TIMES_BYTES, seq);
    nonces.push(bufferOf(nonce));
    if (request === undefined) continue;
    const { correlation, digest, firstSentAtMs } = request;
    if (digest.length !== DIGEST_BYTES) throw new RangeError(`a digest has ${DIGEST_BYTES} bytes`);
    flags[index] = RECORD_FLAGS.request + (firstSentAtMs === undefined ? 0 : RECORD_FLAGS.resend);
    if (firstSentAtMs !== undefined)
      writeU64(times, index * TIMES_BYTES + 8, Math.max(0, Math.trunc(firstSentAtMs)));
    const claim = Buffer.alloc(CLAIM_BYTES, '-');
    claim.set(digest);
    holder.copy(claim, DIGEST_BYTES);
    claim.writeUInt32BE(generation, GENERATION_AT);
    claims.push(correlationBytes(correlation), claim);
  }
  return [String(isInOrder ? first : 0), flags, times, ...nonces, ...claims];
}

export type PackedConclusion = {
  /** Hex. */
  readonly correlation: string;
  readonly isDone: boolean;
  /** Where its answer lies in the blob; length 0 = none is kept. */
  readonly offset: number;
  readonly length: number;
};

/** The places, then a correlation each. */
export function packConclusions(conclusions: readonly PackedConclusion[]): Buffer[] {
  const places = Buffer.alloc(conclusions.length * PLACE_BYTES);
  for (const [index, { isDone, offset, length }] of conclusions.entries()) {
    const at = index * PLACE_BYTES;
    places[at] = isDone ? DONE : 0;
    places.writeUInt32BE(offset, at + 1);
    places.writeUInt32BE(length, at + 5);
  }
  return [places, ...conclusions.map(({ correlation }) => correlationBytes(correlation))];
}

/** Throws `RangeError` for what is none. */
export function correlationBytes(correlation: string): Buffer {
  const bytes = Buffer.from(correlation, 'hex');
  if (bytes.length !== CORRELATION_BYTES || correlation.length !== 2 * CORRELATION_BYTES)
    throw new RangeError('a correlation is 16 bytes in hex');
  return bytes;
}

/** The letters of the admit script. */
export const VERDICT_OF: Readonly<Record<string, RecordVerdict>> = {
  n: 'new',
  d: 'duplicate',
  s: 'stale',
  t: 'too_far_ahead',
  D: 'done',
  r: 'running',
  u: 'unknown',
  c: 'correlation_reuse',
  b: 'busy',
};

/** What is missing below `highest`, as `SequenceWindow.missing` has it; an empty window misses nothing. */
export function missingRanges(window: Uint8Array, highest: number, limit: number): SequenceRange[] {
  if (window.length === 0) return [];
  const isSeen = (sequence: number): boolean => {
    const bit = sequence % WINDOW_SPAN;
    return (((window[bit >>> 3] ?? 0) >>> (bit & 7)) & 1) === 1;
  };
  const ranges: SequenceRange[] = [];
  for (let sequence = Math.max(1, highest - WINDOW_SPAN + 1); sequence < highest; sequence += 1) {
    if (isSeen(sequence)) continue;
    const first = sequence;
    while (sequence + 1 < highest && !isSeen(sequence + 1)) sequence += 1;
    if (ranges.length === limit) break;
    ranges.push({ first, count: sequence - first + 1 });
  }
  return ranges;
}

function writeU64(into: Buffer, at: number, value: number): void {
  into.writeUInt32BE(Math.floor(value / 2 ** 32), at);
  into.writeUInt32BE(value % 2 ** 32, at + 4);
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
