/** Decodes certificate revocation lists (RFC 5280 section 5.1). */
import { hash } from 'node:crypto';
import { decodeAlgorithmIdentifier, decodeName } from '../../certificate/name.ts';
import { readDer, type DerReader } from '../../der/reader.ts';
import { GENERALIZED_TIME, INTEGER, SEQUENCE, UTC_TIME, contextConstructed } from '../../der/tags.ts';
import { DEFAULT_LIMITS, type Limits } from '../../limits.ts';
import type { Parsed } from '../../parsed.ts';
import { readEntries } from './entries.ts';
import { NO_LIST_EXTENSIONS, readListExtensions } from './extensions.ts';
import { boundPart } from './part-size.ts';
import { readProfileTime } from './profile-time.ts';
import type { CertificateList } from './types.ts';

/** `der` is copied; a failure says at which octet. Nothing is said about signature, times or scope. */
export function parseCertificateList(
  der: Uint8Array,
  limits: Pick<Limits, 'crlBytes'> = DEFAULT_LIMITS,
): Parsed<CertificateList> {
  return readDer(der, limits.crlBytes, decodeCertificateList);
}

function decodeCertificateList(reader: DerReader): CertificateList {
  const outer = reader.open(SEQUENCE);
  const start = reader.offset;
  const list = decodeTbsCertList(reader);
  const tbs = reader.bytes.subarray(start, reader.offset);
  const signatureAlgorithm = decodeAlgorithmIdentifier(reader); // section 5.1.1.2
  const signatureValue = reader.bitString(); // section 5.1.1.3
  reader.close(outer);
  const fingerprint = hash('sha256', reader.bytes);
  return { der: reader.bytes, fingerprint, tbs, ...list, signatureAlgorithm, signatureValue };
}

/** Section 5.1.2. */
function decodeTbsCertList(
  reader: DerReader,
): Omit<CertificateList, 'der' | 'fingerprint' | 'tbs' | 'signatureAlgorithm' | 'signatureValue'> {
  const outer = reader.open(SEQUENCE);
  const version = readVersion(reader);
  const signature = decodeAlgorithmIdentifier(reader); // section 5.1.2.2
  boundPart(reader);
  const issuer = decodeName(reader);
  if (issuer.rdns.length === 0) reader.fail('a list without the name of its issuer'); // section 5.1.2.3
  const thisUpdateMs = readProfileTime(reader);
  const hasNext = reader.isNext(UTC_TIME) || reader.isNext(GENERALIZED_TIME);
  const nextUpdateMs = hasNext ? readProfileTime(reader) : undefined;
  const entries = readEntries(reader, version);
  const extensions = readCrlExtensions(reader, version);
  reader.close(outer);
  return { version, signature, issuer, thisUpdateMs, nextUpdateMs, entries, ...extensions };
}

/** Section 5.1.2.1: absent is version 1; where it is there it is 1, which means version 2. */
function readVersion(reader: DerReader): 1 | 2 {
  if (!reader.isNext(INTEGER)) return 1;
  const offset = reader.offset;
  if (reader.unsigned() !== 1) reader.fail('a version that no list has', offset);
  return 2;
}

/** Section 5.1.2.7: `[0] EXPLICIT Extensions`, in version 2 alone. */
function readCrlExtensions(reader: DerReader, version: 1 | 2): typeof NO_LIST_EXTENSIONS {
  if (!reader.hasMore) return NO_LIST_EXTENSIONS;
  if (version === 1) reader.fail('a list has extensions in version 2 alone');
  boundPart(reader);
  const outer = reader.open(contextConstructed(0));
  const extensions = readListExtensions(reader);
  reader.close(outer);
  return extensions;
}
