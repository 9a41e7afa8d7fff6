/** The list of extensions (RFC 5280 section 4.2) of certificates, CRLs, their entries and OCSP answers. */
import type { DerReader } from '../der/reader.ts';
import { BOOLEAN, OCTET_STRING, SEQUENCE } from '../der/tags.ts';
import type { Extension, Oid } from './types.ts';

/**
 * Decodes the value of an extension from a reader that stands at its first octet and must be left behind its last, so that
 * offsets are those of the whole. False, with nothing read: the extension is not known and stays octets.
 */
export type DecodeValue = (oid: Oid, reader: DerReader) => boolean;

/** From here on a set finds what is there twice: a hostile list has thousands. */
const FEW = 24;

/** Extensions: SEQUENCE SIZE (1..MAX) OF Extension, none of them twice (RFC 5280 section 4.2). */
export function decodeExtensions(reader: DerReader, decodeValue: DecodeValue): Extension[] {
  const outer = reader.open(SEQUENCE);
  if (!reader.hasMore) reader.fail('Extensions without an extension');
  const extensions: Extension[] = [];
  let seen: Set<Oid> | undefined;
  while (reader.hasMore) {
    const extension = decodeExtension(reader, decodeValue);
    if (extensions.length === FEW) seen = new Set(extensions.map(({ oid }) => oid));
    if (seen?.has(extension.oid) ?? isAmong(extensions, extension.oid))
      reader.fail(`the extension ${extension.oid} is there twice`, extension.offset);
    seen?.add(extension.oid);
    extensions.push(extension);
  }
  reader.close(outer);
  return extensions;
}

function isAmong(extensions: readonly Extension[], wanted: Oid): boolean {
  for (const { oid } of extensions) if (oid === wanted) return true;
  return false;
}

function decodeExtension(reader: DerReader, decodeValue: DecodeValue): Extension {
  const offset = reader.offset;
  const outer = reader.open(SEQUENCE);
  const oid = reader.oid();
  // DER leaves a DEFAULT out; FALSE is written by enough issuers that it is read (ADR 0090).
  const critical = reader.isNext(BOOLEAN) ? reader.boolean() : false;
  const holder = reader.open(OCTET_STRING);
  const start = reader.offset;
  const value = reader.bytes.subarray(start, reader.end);
  if (!decodeValue(oid, reader)) reader.offset = reader.end;
  reader.close(holder);
  reader.close(outer);
  return { oid, critical, value, offset };
}
