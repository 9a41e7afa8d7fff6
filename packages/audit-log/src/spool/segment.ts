/**
 * A segment of the spool as bytes.
 *
 *     header  "SALSPOOL" | version u8 = 1 | producer length u8 | producer | first seq u64 | crc32 of the header u32
 *     record  group flag (1 bit) and length (31 bits) | crc32 u32 | seq u64 | body
 *
 * After the last record come zeros, up to a multiple of `GROWTH_BYTES`: a write that changes neither the length of the file
 * nor where its bytes lie spares the file system a commit of its journal (docs/adr/0087). No record begins with a zero.
 *
 * Integers are big-endian. A record's crc32 covers its length word, its sequence and its body. The flag marks the
 * first record of a group, that is of one write: a group is only written after the one before it was made durable.
 * So when a record is damaged and a later group exists, durable bytes have changed; without one, the damage is the
 * torn tail of the last write, which nobody was told of.
 */
import { crc32 } from 'node:zlib';
import { fromUtf8, utf8 } from '@sallyport/crypto';

export const RECORD_OVERHEAD = 16;
export const MAX_RECORD_BYTES = 1024 * 1024;
/** The file of a segment grows by this much at a time. */
export const GROWTH_BYTES = 256 * 1024;
const MAGIC = utf8('SALSPOOL');
const VERSION = 1;
const GROUP_FLAG = 0x8000_0000;
const HEADER_FIXED = 22;

export function encodeHeader(producer: string, firstSeq: bigint): Uint8Array {
  const name = utf8(producer);
  const header = new Uint8Array(HEADER_FIXED + name.length);
  const view = new DataView(header.buffer);
  header.set(MAGIC);
  header[8] = VERSION;
  header[9] = name.length;
  header.set(name, 10);
  view.setBigUint64(10 + name.length, firstSeq);
  view.setUint32(18 + name.length, crc32(header.subarray(0, 18 + name.length)));
  return header;
}

export interface SegmentHeader {
  readonly producer: string;
  readonly firstSeq: bigint;
  /** Offset of the first record. */
  readonly length: number;
}

/** The header, or undefined when these are not the first bytes of a segment. */
export function parseHeader(bytes: Uint8Array): SegmentHeader | undefined {
  const nameLength = bytes[9];
  if (nameLength === undefined || bytes[8] !== VERSION || MAGIC.some((byte, i) => bytes[i] !== byte)) {
    return undefined;
  }
  const length = HEADER_FIXED + nameLength;
  if (bytes.length < length) return undefined;
  const view = viewOf(bytes);
  if (view.getUint32(length - 4) !== crc32(bytes.subarray(0, length - 4))) return undefined;
  const producer = fromUtf8(bytes.subarray(10, 10 + nameLength));
  return producer === undefined ? undefined : { producer, firstSeq: view.getBigUint64(length - 12), length };
}

/** Length of the file of a segment whose records end at `end`. */
export function fileLength(end: number): number {
  return Math.ceil(end / GROWTH_BYTES) * GROWTH_BYTES;
}

export function groupLength(bodies: readonly Uint8Array[]): number {
  return bodies.reduce((sum, body) => sum + RECORD_OVERHEAD + body.length, 0);
}

/** The records of one group, sequences counting from `firstSeq`, and zeros up to `length` bytes. */
export function encodeGroup(
  firstSeq: bigint,
  bodies: readonly Uint8Array[],
  length: number = groupLength(bodies),
): Uint8Array {
  const group = new Uint8Array(length);
  const view = viewOf(group);
  let offset = 0;
  for (const [i, body] of bodies.entries()) {
    const end = offset + RECORD_OVERHEAD + body.length;
    view.setUint32(offset, body.length + (i === 0 ? GROUP_FLAG : 0));
    view.setBigUint64(offset + 8, firstSeq + BigInt(i));
    group.set(body, offset + RECORD_OVERHEAD);
    view.setUint32(offset + 4, checksum(group.subarray(offset, end)));
    offset = end;
  }
  return group;
}

function checksum(record: Uint8Array): number {
  return crc32(record.subarray(8), crc32(record.subarray(0, 4)));
}

export interface SegmentRecord {
  readonly body: Uint8Array;
  readonly seq: bigint;
  readonly firstOfGroup: boolean;
  /** Offset after the record. */
  readonly end: number;
}

/** The record at `offset`, or undefined when there is no whole and undamaged one. The body is a view. */
export function parseRecord(bytes: Uint8Array, offset: number): SegmentRecord | undefined {
  if (offset + RECORD_OVERHEAD > bytes.length) return undefined;
  const view = viewOf(bytes);
  const word = view.getUint32(offset);
  const length = word % GROUP_FLAG;
  const start = offset + RECORD_OVERHEAD;
  const end = start + length;
  if (length === 0 || length > MAX_RECORD_BYTES || end > bytes.length) return undefined;
  const body = bytes.subarray(start, end);
  if (view.getUint32(offset + 4) !== checksum(bytes.subarray(offset, end))) return undefined;
  return { body, seq: view.getBigUint64(offset + 8), firstOfGroup: word >= GROUP_FLAG, end };
}

export interface SegmentScan {
  /** Offsets of the good records, in order. */
  readonly offsets: number[];
  /** Offset after the last good record. */
  readonly end: number;
  /** What follows `end`: nothing but zeros, the torn tail of the last write, or damage to what had been durable. */
  readonly rest: 'none' | 'torn' | 'damaged';
}

/** Reads records from `start` on, as long as they are whole and their sequence goes on. */
export function scanRecords(bytes: Uint8Array, start: number, firstSeq: bigint): SegmentScan {
  const offsets: number[] = [];
  let end = start;
  for (;;) {
    const record = parseRecord(bytes, end);
    if (record === undefined || record.seq !== firstSeq + BigInt(offsets.length)) break;
    offsets.push(end);
    end = record.end;
  }
  if (isZero(bytes, end)) return { offsets, end, rest: 'none' };
  const laterGroup = hasLaterGroup(bytes, end + 1, firstSeq + BigInt(offsets.length));
  return { offsets, end, rest: laterGroup ? 'damaged' : 'torn' };
}

/**
 * True when a group that comes after sequence `expected` begins at `from` or later. Text inside a body cannot look like
 * one: a record's head has zero bytes, which JSON always escapes.
 */
function hasLaterGroup(bytes: Uint8Array, from: number, expected: bigint): boolean {
  const view = viewOf(bytes);
  const mostSeq = expected + BigInt(Math.ceil(bytes.length / RECORD_OVERHEAD));
  for (let offset = from; offset + RECORD_OVERHEAD < bytes.length; offset++) {
    // The checksum is only worth computing where the flag and a plausible sequence already are.
    if (view.getUint8(offset) < 0x80) continue;
    const seq = view.getBigUint64(offset + 8);
    if (seq <= expected || seq > mostSeq) continue;
    if (parseRecord(bytes, offset) !== undefined) return true;
  }
  return false;
}

function isZero(bytes: Uint8Array, from: number): boolean {
  for (let offset = from; offset < bytes.length; offset++) if (bytes[offset] !== 0) return false;
  return true;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
