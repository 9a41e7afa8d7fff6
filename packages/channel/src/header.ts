/**
 * A message's header (docs/protocol.md section 7.1), authenticated exactly as transmitted: it is the AEAD's additional
 * data, and the content tag at its end covers the rest of it.
 */
import { utf8 } from '@sallyport/crypto';
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
import { skipExtensions } from './extensions.ts';
import { asciiText, isPrintableAscii, Reader, writeU32, writeU64 } from './wire.ts';

export const CONTENT_TAG_LENGTH = 32;
const EMPTY = new Uint8Array(0);
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

/** The texts of a header as bytes, or undefined when one is too long or not printable ASCII. */
export interface HeaderTexts {
  readonly destination: Uint8Array;
  readonly contentType: Uint8Array;
  readonly trace: Uint8Array;
  /** Length of the whole header, tag included. */
  readonly headerLength: number;
}

export function headerTexts(
  message: Pick<MessageHeader, 'kind' | 'destination' | 'contentType' | 'trace'>,
): HeaderTexts | undefined {
  const destination = textBytes(message.destination);
  const contentType = textBytes(message.contentType);
  const trace = textBytes(message.trace);
  if (destination.length > 0 !== namesDestination(message.kind)) return undefined;
  for (const text of [destination, contentType, trace]) {
    if (text.length > 255 || !isPrintableAscii(text)) return undefined;
  }
  const headerLength = FIXED_LENGTH + LENGTH_BYTES + destination.length + contentType.length + trace.length;
  return { destination, contentType, trace, headerLength };
}

/** Writes the header up to its tag at the start of `out`; returns how many bytes that are. */
export function writeHeaderStart(
  out: Uint8Array,
  header: Pick<
    MessageHeader,
    'sid' | 'epoch' | 'direction' | 'sequence' | 'sentAtMs' | 'nonce' | 'kind' | 'correlation' | 'length'
  >,
  texts: HeaderTexts,
): number {
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
  let at = 72;
  for (const text of [texts.destination, texts.contentType, texts.trace]) {
    out[at] = text.length;
    out.set(text, at + 1);
    at += 1 + text.length;
  }
  out[at] = 0; // lp16 extensions: none are defined
  out[at + 1] = 0;
  writeU32(out, at + 2, header.length);
  return at + 6;
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
  skipExtensions(reader, maxBytes);
  const length = reader.u32();
  const tag = reader.bytes(CONTENT_TAG_LENGTH);
  const isNamed = destination.length > 0;
  if (direction === undefined || kind === undefined || isNamed !== namesDestination(kind))
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

function textBytes(text: string): Uint8Array {
  return text === '' ? EMPTY : utf8(text);
}

function readText(reader: Reader): string {
  const bytes = reader.lp8();
  if (bytes.length === 0) return '';
  if (!isPrintableAscii(bytes)) reader.fail('bad_field');
  return asciiText(bytes);
}
