/** Textual encoding (RFC 7468): blocks between `-----BEGIN label-----` and `-----END label-----`, anything around them. */
import { DEFAULT_LIMITS, type Limits } from '../limits.ts';
import type { Parsed } from '../parsed.ts';
import { parseCertificate } from './parse-certificate.ts';
import type { Certificate } from './types.ts';

/** The largest CRL that is read, 64 MiB, is 88 million characters. */
const MAX_CHARACTERS = 100_663_296;
const MAX_BLOCKS = 10_000;
const BEGIN = '-----BEGIN ';
const END = '-----END ';
const DASHES = '-----';

export interface PemBlock {
  /** `CERTIFICATE`, `X509 CRL` … */
  readonly label: string;
  readonly der: Uint8Array;
  /** Of BEGIN, in the text. */
  readonly offset: number;
}

/**
 * What the blocks hold, in order: those with this label, or all. Text before, between and behind them is passed over
 * (section 2), lines may be of any length and end in LF, CR LF or CR; base64 is strict: no other character, whole padding, no
 * bits left over. A failure when one block is broken or there is none.
 */
export function readPem(input: string | Uint8Array, label?: string): Parsed<Uint8Array[]> {
  const blocks = readPemBlocks(input, label);
  return blocks.ok ? { ok: true, value: blocks.value.map(({ der }) => der) } : blocks;
}

/**
 * The certificates of a file: PEM with any number of CERTIFICATE blocks, or the DER of one. The offset of a failure is that
 * in the file: for PEM, of the block whose certificate is malformed, and `problem` says where in its DER.
 */
export function parseCertificates(
  input: string | Uint8Array,
  limits: Pick<Limits, 'certificateBytes'> = DEFAULT_LIMITS,
): Parsed<Certificate[]> {
  if (input instanceof Uint8Array && isDer(input)) {
    const parsed = parseCertificate(input, limits);
    return parsed.ok ? { ok: true, value: [parsed.value] } : parsed;
  }
  const blocks = readPemBlocks(input, 'CERTIFICATE');
  if (!blocks.ok) return blocks;
  const certificates: Certificate[] = [];
  for (const [index, { der, offset }] of blocks.value.entries()) {
    const parsed = parseCertificate(der, limits);
    if (!parsed.ok) {
      const where = `certificate ${index + 1}, octet ${parsed.failure.offset} of its DER`;
      return failure(offset, `${where}: ${parsed.failure.problem}`);
    }
    certificates.push(parsed.value);
  }
  return { ok: true, value: certificates };
}

/** A SEQUENCE of more than 127 octets, or an empty one: in text, `0` is never followed by such an octet. */
export function isDer(input: Uint8Array): boolean {
  return input[0] === 0x30 && ((input[1] ?? 0) >= 0x80 || input.length === 2 + (input[1] ?? 0));
}

/** As `readPem`, with what each block says of itself. */
export function readPemBlocks(input: string | Uint8Array, wanted?: string): Parsed<PemBlock[]> {
  if (input.length > MAX_CHARACTERS) return failure(MAX_CHARACTERS, `more than ${MAX_CHARACTERS} characters`);
  const text = typeof input === 'string' ? input : octetsText(input);
  const blocks: PemBlock[] = [];
  let at = nextLine(text, BEGIN, 0);
  while (at !== -1) {
    const block = readBlock(text, at);
    if (!block.ok) return block;
    if (wanted === undefined || block.value.label === wanted) {
      const der = decodeBase64(text, block.value.bodyStart, block.value.bodyEnd);
      if (!der.ok) return der;
      if (blocks.length === MAX_BLOCKS) return failure(at, `more than ${MAX_BLOCKS} blocks`);
      blocks.push({ label: block.value.label, der: der.value, offset: at });
    }
    at = nextLine(text, BEGIN, block.value.end);
  }
  return blocks.length > 0
    ? { ok: true, value: blocks }
    : failure(0, wanted === undefined ? 'no PEM block' : `no PEM block of type ${wanted}`);
}

/** A character for each octet, so that offsets stay. */
const octetsText = ({ buffer, byteOffset, byteLength }: Uint8Array): string =>
  Buffer.from(buffer, byteOffset, byteLength).toString('latin1');

/** Where the next line begins with `start`. A byte order mark may stand before the first. */
function nextLine(text: string, start: string, from: number): number {
  for (let at = text.indexOf(start, from); at !== -1; at = text.indexOf(start, at + 1)) {
    const before = text[at - 1];
    if (before === undefined || before === '\n' || before === '\r') return at;
    if (text.slice(0, at) === '\uFEFF' || text.slice(0, at) === '\u00EF\u00BB\u00BF') return at;
  }
  return -1;
}

interface BlockPlace {
  readonly label: string;
  readonly bodyStart: number;
  readonly bodyEnd: number;
  readonly end: number;
}

function readBlock(text: string, at: number): Parsed<BlockPlace> {
  const labelStart = at + BEGIN.length;
  const labelEnd = text.indexOf(DASHES, labelStart);
  const label = labelEnd === -1 ? '' : text.slice(labelStart, Math.min(labelEnd, labelStart + 65));
  // Section 3: words of printable characters, parted by one space or hyphen
  if (!/^[!-,.-~]+(?:[ -][!-,.-~]+)*$/u.test(label) || label.length > 64)
    return failure(at, 'a BEGIN line without a label of at most 64 characters');
  const bodyStart = labelEnd + DASHES.length;
  const bodyEnd = text.indexOf(DASHES, bodyStart);
  const closing = `${END}${label}${DASHES}`;
  if (bodyEnd === -1) return failure(at, `${label} without its END line`);
  if (!text.startsWith(closing, bodyEnd)) return failure(bodyEnd, `-----END ${label}----- expected`);
  return { ok: true, value: { label, bodyStart, bodyEnd, end: bodyEnd + closing.length } };
}

/** RFC 4648 section 4, with white space anywhere (RFC 7468 section 3 has it at the ends of lines). */
function decodeBase64(text: string, start: number, end: number): Parsed<Uint8Array> {
  const body = text.slice(start, end);
  const foreign = /[^A-Za-z0-9+/=\t\n\v\f\r ]/u.exec(body);
  if (foreign !== null) return failure(start + foreign.index, 'a character that is not of base64');
  const base64 = body.replaceAll(/[\t\n\v\f\r ]+/gu, '');
  const octets = Buffer.from(base64, 'base64');
  if (octets.length === 0) return failure(start, 'an empty block');
  if (octets.toString('base64') !== base64) return failure(start, 'base64 with wrong padding');
  return { ok: true, value: new Uint8Array(octets) };
}

const failure = (
  offset: number,
  problem: string,
): { ok: false; failure: { offset: number; problem: string } } => ({
  ok: false,
  failure: { offset, problem },
});
