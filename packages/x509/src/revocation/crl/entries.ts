/**
 * The entries of a certificate revocation list (RFC 5280 section 5.3). `readEntries` checks every one of them once; after
 * that a serial number is looked for among the octets themselves, and only what is found becomes a value. A list that is
 * searched again and again gets an index: a hash table of offsets, 8 to 16 octets for each entry.
 */
import { DerReader } from '../../der/reader.ts';
import { INTEGER, SEQUENCE } from '../../der/tags.ts';
import { NO_EXTENSIONS, readEntryExtensions, REASON_CODE_PREFIX } from './entry-extensions.ts';
import { boundPart } from './part-size.ts';
import { readProfileTime } from './profile-time.ts';
import type { RevokedCertificate, RevokedCertificates } from './types.ts';

/** Reads `revokedCertificates`, where it is there; an entry has extensions in a list of version 2 alone (section 5.1.2.6). */
export function readEntries(reader: DerReader, version: 1 | 2): RevokedCertificates {
  if (!reader.isNext(SEQUENCE)) return new Entries(reader.bytes, 0, 0, 0, false, []);
  const outer = reader.open(SEQUENCE);
  if (!reader.hasMore) reader.fail('without revoked certificates the list of them is absent'); // section 5.1.2.6
  const start = reader.offset;
  const issuerOffsets: number[] = [];
  let count = 0;
  let hasUnknownCritical = false;
  while (reader.hasMore) {
    const offset = reader.offset;
    const entry = reader.open(SEQUENCE);
    if (!reader.isNext(INTEGER)) reader.fail('an entry begins with a serial number');
    reader.skip();
    readProfileTime(reader);
    if (reader.hasMore) {
      if (version === 1) reader.fail('entries have extensions in version 2 alone');
      if (!skipReasonCode(reader)) {
        boundPart(reader);
        const extensions = readEntryExtensions(reader);
        hasUnknownCritical ||= extensions.unknownCriticalExtension;
        if (extensions.certificateIssuer !== undefined) issuerOffsets.push(offset);
      }
    }
    reader.close(entry);
    count += 1;
  }
  const end = reader.offset;
  reader.close(outer);
  return new Entries(reader.bytes, start, end, count, hasUnknownCritical, issuerOffsets);
}

/** The extensions that nearly all entries with any have, a reasonCode and no more: passed over without making a value. */
function skipReasonCode(reader: DerReader): boolean {
  const { bytes, offset, end } = reader;
  const prefix = REASON_CODE_PREFIX;
  if (end - offset !== prefix.length + 1) return false;
  for (let index = 0; index < prefix.length; index += 1)
    if (bytes[offset + index] !== prefix[index]) return false;
  const reason = bytes[end - 1] ?? 0;
  if (reason > 10 || reason === 7) return false;
  reader.offset = end;
  return true;
}

/** An index costs as much as about ten scans (a million entries: 15 ms for a scan, 150 ms for the index). */
const SEARCHES_BEFORE_INDEX = 10;

class Entries implements RevokedCertificates {
  readonly count: number;
  readonly hasUnknownCriticalExtension: boolean;
  private readonly bytes: Uint8Array;
  private readonly start: number;
  private readonly end: number;
  /** Of the entries with a certificateIssuer, ascending. */
  private readonly issuerOffsets: readonly number[];
  private searches = 0;
  private carried:
    { readonly offset: number; readonly issuer: RevokedCertificate['certificateIssuer'] } | undefined;
  private built: Index | undefined;

  constructor(
    bytes: Uint8Array,
    start: number,
    end: number,
    count: number,
    hasUnknownCriticalExtension: boolean,
    issuerOffsets: readonly number[],
  ) {
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    this.count = count;
    this.hasUnknownCriticalExtension = hasUnknownCriticalExtension;
    this.issuerOffsets = issuerOffsets;
  }

  get hasCertificateIssuer(): boolean {
    return this.issuerOffsets.length > 0;
  }

  get repeatsSerialNumber(): boolean {
    return this.count > 1 && this.index.repeats;
  }

  private get index(): Index {
    this.built ??= buildIndex(this.bytes, this.start, this.end, this.count);
    return this.built;
  }

  *[Symbol.iterator](): Generator<RevokedCertificate> {
    for (let offset = this.start; offset < this.end; offset = contentsAt(this.bytes, offset).end)
      yield this.entryAt(offset);
  }

  find(serialNumber: Uint8Array): readonly RevokedCertificate[] {
    if (this.count === 0) return [];
    this.searches += 1;
    const index = this.built ?? (this.searches < SEARCHES_BEFORE_INDEX ? undefined : this.index);
    const offsets = index?.slots ? this.lookUp(index.slots, serialNumber) : this.scan(serialNumber);
    return offsets.map((offset) => this.entryAt(offset));
  }

  private scan(serialNumber: Uint8Array): number[] {
    const { bytes, end } = this;
    const found: number[] = [];
    for (let offset = this.start; offset < end;) {
      const entry = contentsAt(bytes, offset);
      if (hasSerial(bytes, entry.start, serialNumber)) found.push(offset);
      offset = entry.end;
    }
    return found;
  }

  private lookUp(slots: Uint32Array, serialNumber: Uint8Array): number[] {
    const found: number[] = [];
    const mask = slots.length - 1;
    for (let slot = hashOf(serialNumber, 0, serialNumber.length) & mask; ; slot = (slot + 1) & mask) {
      const offset = slots[slot] ?? 0;
      if (offset === 0) return found.sort((a, b) => a - b);
      if (hasSerial(this.bytes, contentsAt(this.bytes, offset).start, serialNumber)) found.push(offset);
    }
  }

  private entryAt(offset: number): RevokedCertificate {
    const reader = new DerReader(this.bytes, offset, this.end);
    reader.open(SEQUENCE);
    const serialNumber = reader.integer();
    const revocationDateMs = reader.time();
    const extensions = reader.hasMore ? readEntryExtensions(reader) : NO_EXTENSIONS;
    const certificateIssuer = extensions.certificateIssuer ?? this.carriedIssuer(offset);
    return { serialNumber, revocationDateMs, ...extensions, certificateIssuer };
  }

  /** Section 5.3.3: without the extension an entry has the certificate issuer of the one before it. */
  private carriedIssuer(offset: number): RevokedCertificate['certificateIssuer'] {
    const { issuerOffsets } = this;
    let low = 0;
    let high = issuerOffsets.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((issuerOffsets[middle] ?? 0) < offset) low = middle + 1;
      else high = middle;
    }
    const nearest = issuerOffsets[low - 1];
    if (nearest === undefined) return undefined;
    // Many entries may carry on thousands of names: the same value, so that these are prepared for comparison once.
    if (this.carried?.offset !== nearest)
      this.carried = { offset: nearest, issuer: this.entryAt(nearest).certificateIssuer };
    return this.carried.issuer;
  }
}

/** Of an element that was checked before. */
function contentsAt(bytes: Uint8Array, offset: number): { readonly start: number; readonly end: number } {
  const first = bytes[offset + 1] ?? 0;
  if (first < 0x80) return { start: offset + 2, end: offset + 2 + first };
  let length = 0;
  const start = offset + 2 + (first & 0x7f);
  for (let index = offset + 2; index < start; index += 1) length = length * 256 + (bytes[index] ?? 0);
  return { start, end: start + length };
}

/** Octet by octet: DER has one form for a number. */
function hasSerial(bytes: Uint8Array, offset: number, serialNumber: Uint8Array): boolean {
  const { start, end } = contentsAt(bytes, offset);
  if (end - start !== serialNumber.length) return false;
  for (let index = serialNumber.length - 1; index >= 0; index -= 1)
    if (bytes[start + index] !== serialNumber[index]) return false;
  return true;
}

interface Index {
  /** Undefined where serial numbers fall together so often that a table is no better than a scan. */
  readonly slots: Uint32Array | undefined;
  /** Also true where too many fall together to say. */
  readonly repeats: boolean;
}

/** Open addressing, half full at the most; 0 is a free slot, since no entry is at offset 0. */
function buildIndex(bytes: Uint8Array, start: number, end: number, count: number): Index {
  const slots = new Uint32Array(2 ** Math.ceil(Math.log2(count * 2)));
  const mask = slots.length - 1;
  let budget = count * 8; // whoever chose colliding numbers gets scans
  let repeats = false;
  for (let offset = start; offset < end;) {
    const entry = contentsAt(bytes, offset);
    const serial = contentsAt(bytes, entry.start);
    let slot = hashOf(bytes, serial.start, serial.end) & mask;
    for (let taken = slots[slot] ?? 0; taken !== 0; taken = slots[slot] ?? 0) {
      repeats ||= hasSerial(bytes, contentsAt(bytes, taken).start, bytes.subarray(serial.start, serial.end));
      slot = (slot + 1) & mask;
      budget -= 1;
      if (budget < 0) return { slots: undefined, repeats: true };
    }
    slots[slot] = offset;
    offset = entry.end;
  }
  return { slots, repeats };
}

/** FNV-1a, 32 bits, and the last steps of MurmurHash3: serial numbers that count up spread as random ones do. */
function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let index = start; index < end; index += 1) hash = Math.imul(hash ^ (bytes[index] ?? 0), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
