/**
 * A message's header (docs/protocol.md section 7.1), authenticated exactly as transmitted: it is the AEAD's additional
 * data, and the content tag at its end covers the rest of it.
 */
import {
  CORRELATION_LENGTH,
  DIRECTION,
  KIND,
  nameOf,
  NONCE_LENGTH,
  PROTOCOL_VERSION,
  SID_LENGTH,
  type Direction,
  type Kind,
} from './constants.ts';
import { readResend, RESEND_BLOCK_LENGTH, writeResend } from './extensions.ts';
import { asciiText, isPrintableAscii, Reader, writeU16, writeU32, writeU64 } from './wire.ts';

export const CONTENT_TAG_LENGTH = 32;
/** Everything but the three texts, the extensions and their length bytes. */
const FIXED_LENGTH = 72 + 4 + CONTENT_TAG_LENGTH;
const LENGTH_BYTES = 3 + 2;

export interface MessageHeader {
  /** 16 bytes. */
  readonly sid: Uint8Array;
  readonly epoch: number;
  readonly direction: Direction;
  readonly sequence: number;
  /** Gateway time, milliseconds since the Unix epoch. */
  readonly sentAtMs: number;
  /** 16 bytes. */
  readonly nonce: Uint8Array;
  readonly kind: Kind;
  /** 16 bytes: ties a response or a refusal to its request. */
  readonly correlation: Uint8Array;
  /** Printable ASCII, at most 255 bytes; empty exactly for response, refusal and control. */
  readonly destination: string;
  /** A media type in printable ASCII, or empty. */
  readonly contentType: string;
  /** W3C traceparent, or empty. Unsigned advice of the sender: never an input of a policy. */
  readonly trace: string;
  /**
   * Present in a resend: when its request or notification was first sent, in gateway time (extension 0x8002). The sender's
   * word, covered by tag and signature like the rest.
   */
  readonly firstSentAtMs?: number | undefined;
  /** Length of the plaintext, in bytes. */
  readonly length: number;
}

export interface ReadHeader extends MessageHeader {
  /** 32 bytes; the end of the header. */
  readonly tag: Uint8Array;
}

/** Responses, refusals and control messages go to the other end; requests and notifications name where. */
export function namesDestination(kind: Kind): boolean {
  return kind === 'request' || kind === 'notification';
}

/** Length of the whole header, tag included; undefined when a text is too long, not printable ASCII, or not the kind's. */
export function headerLength({
  kind,
  destination,
  contentType,
  trace,
  firstSentAtMs,
}: Pick<MessageHeader, 'kind' | 'destination' | 'contentType' | 'trace' | 'firstSentAtMs'>):
  number | undefined {
  if (destination.length > 0 !== namesDestination(kind)) return undefined;
  if (!isHeaderText(destination) || !isHeaderText(contentType) || !isHeaderText(trace)) return undefined;
  if (firstSentAtMs !== undefined && !isResendable(kind, firstSentAtMs)) return undefined;
  const extensions = firstSentAtMs === undefined ? 0 : RESEND_BLOCK_LENGTH;
  return FIXED_LENGTH + LENGTH_BYTES + destination.length + contentType.length + trace.length + extensions;
}

/** Writes the header up to its tag at the start of `out`; returns how many bytes that are. `headerLength` allowed it. */
export function writeHeaderStart(out: Uint8Array, header: MessageHeader): number {
  out[0] = PROTOCOL_VERSION;
  out[1] = 0; // flags: none are defined
  out.set(header.sid, 2);
  writeU32(out, 18, header.epoch);
  out[22] = DIRECTION[header.direction];
  writeU64(out, 23, header.sequence);
  writeU64(out, 31, header.sentAtMs);
  out.set(header.nonce, 39);
  out[55] = KIND[header.kind];
  out.set(header.correlation, 56);
  const at = writeText(
    out,
    writeText(out, writeText(out, 72, header.destination), header.contentType),
    header.trace,
  );
  const { firstSentAtMs } = header;
  const extensions = firstSentAtMs === undefined ? 0 : RESEND_BLOCK_LENGTH;
  writeU16(out, at, extensions);
  if (firstSentAtMs !== undefined) writeResend(out, at + 2, firstSentAtMs);
  const lengthAt = at + 2 + extensions;
  writeU32(out, lengthAt, header.length);
  return lengthAt + 4;
}

/** Reads one whole header. What is wrong with it is recorded on `reader`, whose byte strings are views. */
export function readHeader(reader: Reader, maxBytes: number): ReadHeader {
  if (reader.u8() !== PROTOCOL_VERSION) reader.fail('unknown_version');
  if (reader.u8() !== 0) reader.fail('bad_field'); // flags
  const sid = reader.bytes(SID_LENGTH);
  const epoch = reader.u32();
  const direction = nameOf(DIRECTION, reader.u8());
  const sequence = reader.u64();
  const sentAtMs = reader.u64();
  const nonce = reader.bytes(NONCE_LENGTH);
  const kind = nameOf(KIND, reader.u8());
  const correlation = reader.bytes(CORRELATION_LENGTH);
  const destination = readText(reader);
  const contentType = readText(reader);
  const trace = readText(reader);
  const firstSentAtMs = readResend(reader, maxBytes);
  const length = reader.u32();
  const tag = reader.bytes(CONTENT_TAG_LENGTH);
  const isNamed = destination.length > 0;
  if (direction === undefined || kind === undefined || isNamed !== namesDestination(kind))
    reader.fail('bad_field');
  // Only what takes effect is sent again, and never before it was first sent.
  const isResend = firstSentAtMs !== undefined;
  if (isResend && (kind === undefined || !namesDestination(kind) || firstSentAtMs > sentAtMs))
    reader.fail('bad_field');
  return {
    sid,
    epoch,
    direction: direction ?? 'c2s',
    sequence,
    sentAtMs,
    nonce,
    kind: kind ?? 'control',
    correlation,
    destination,
    contentType,
    trace,
    ...(isResend ? { firstSentAtMs } : {}),
    length,
    tag,
  };
}

/** Parses a header alone, as evidence carries it. Total. */
export function parseHeader(bytes: Uint8Array, maxBytes: number): ReadHeader | undefined {
  if (bytes.length > maxBytes) return undefined;
  const reader = new Reader(bytes);
  const header = readHeader(reader, maxBytes);
  return reader.end() === undefined ? header : undefined;
}

function isResendable(kind: Kind, firstSentAtMs: number): boolean {
  return namesDestination(kind) && Number.isSafeInteger(firstSentAtMs) && firstSentAtMs >= 0;
}

/** At most 255 characters of printable ASCII, so that characters and bytes are one. */
function isHeaderText(text: string): boolean {
  if (text.length > 255) return false;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code < 0x20 || code > 0x7e) return false;
  }
  return true;
}

/** Returns where the text ends. */
function writeText(out: Uint8Array, at: number, text: string): number {
  out[at] = text.length;
  for (let index = 0; index < text.length; index += 1) out[at + 1 + index] = text.charCodeAt(index);
  return at + 1 + text.length;
}

function readText(reader: Reader): string {
  const bytes = reader.lp8();
  if (bytes.length === 0) return '';
  if (!isPrintableAscii(bytes)) reader.fail('bad_field');
  return asciiText(bytes);
}
