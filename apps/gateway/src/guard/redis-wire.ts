/** What goes into the scripts and comes out: fixed sizes, binary, no more than a frame's worth. */
import { MAX_MESSAGES_PER_FRAME, WINDOW_SPAN, type SequenceRange } from '@sallyport/channel';
import type { RecordClaim, RecordVerdict } from '../app/ports.ts';
import { RECORD_FLAGS } from './redis-scripts.ts';

/** seq u64 | nonce 16 | flags u8 | correlation 16 | digest 32 | first sent u64. */
const RECORD_BYTES = 81;
const CORRELATION_AT = 25;
const DIGEST_AT = 41;
const FIRST_SENT_AT = 73;
/** correlation 16 | state u8 | offset u32 | length u32. */
const CONCLUSION_BYTES = 25;
const DONE = 1;

export const CORRELATION_BYTES = 16;
const DIGEST_BYTES = 32;
const NONCE_BYTES = 16;

/** Throws `RangeError` for what no frame can hold. */
export function packRecords(records: readonly RecordClaim[]): Buffer {
  if (records.length === 0 || records.length > MAX_MESSAGES_PER_FRAME)
    throw new RangeError(`a frame has 1 to ${MAX_MESSAGES_PER_FRAME} records`);
  const packed = Buffer.alloc(records.length * RECORD_BYTES);
  for (const [index, { seq, nonce, request }] of records.entries()) {
    const at = index * RECORD_BYTES;
    if (nonce.length !== NONCE_BYTES) throw new RangeError(`a nonce has ${NONCE_BYTES} bytes`);
    writeU64(packed, at, seq);
    packed.set(nonce, at + 8);
    if (request === undefined) continue;
    const { correlation, digest, firstSentAtMs } = request;
    if (digest.length !== DIGEST_BYTES) throw new RangeError(`a digest has ${DIGEST_BYTES} bytes`);
    packed[at + 24] = RECORD_FLAGS.request + (firstSentAtMs === undefined ? 0 : RECORD_FLAGS.resend);
    writeCorrelation(packed, at + CORRELATION_AT, correlation);
    packed.set(digest, at + DIGEST_AT);
    if (firstSentAtMs !== undefined)
      writeU64(packed, at + FIRST_SENT_AT, Math.max(0, Math.trunc(firstSentAtMs)));
  }
  return packed;
}

export type PackedConclusion = {
  /** Hex. */
  readonly correlation: string;
  readonly isDone: boolean;
  /** Where its answer lies in the blob; length 0 = none is kept. */
  readonly offset: number;
  readonly length: number;
};

export function packConclusions(conclusions: readonly PackedConclusion[]): Buffer {
  const packed = Buffer.alloc(conclusions.length * CONCLUSION_BYTES);
  for (const [index, { correlation, isDone, offset, length }] of conclusions.entries()) {
    const at = index * CONCLUSION_BYTES;
    writeCorrelation(packed, at, correlation);
    packed[at + 16] = isDone ? DONE : 0;
    packed.writeUInt32BE(offset, at + 17);
    packed.writeUInt32BE(length, at + 21);
  }
  return packed;
}

export function correlationBytes(correlation: string): Buffer {
  const bytes = Buffer.alloc(CORRELATION_BYTES);
  writeCorrelation(bytes, 0, correlation);
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

function writeCorrelation(into: Buffer, at: number, hex: string): void {
  if (
    into.write(hex, at, CORRELATION_BYTES, 'hex') !== CORRELATION_BYTES ||
    hex.length !== 2 * CORRELATION_BYTES
  )
    throw new RangeError('a correlation is 16 bytes in hex');
}
