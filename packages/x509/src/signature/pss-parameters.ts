/** RSASSA-PSS-params (RFC 4055 section 3.1), in a signature and as a restriction in a key. */
import { DerError } from '../der/error.ts';
import { readDer, type DerReader } from '../der/reader.ts';
import { NULL, SEQUENCE, contextConstructed } from '../der/tags.ts';
import type { PssParameters } from './types.ts';

/** RFC 4055 section 2.1. */
const HASHES: Readonly<Record<string, PssParameters['hash']>> = {
  '1.3.14.3.2.26': 'sha1',
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
};
const ID_MGF1 = '1.2.840.113549.1.1.8'; // RFC 4055 section 2.2
/** A salt is shorter than the longest modulus; node:crypto takes 31 bits. */
const MAX_SALT_LENGTH = 2_048;

/** Undefined: malformed, an unknown hash, or a combination that is not supported. */
export function readPssParameters(der: Uint8Array): PssParameters | undefined {
  const parsed = readDer(der, 256, decodePss);
  return parsed.ok ? parsed.value : undefined;
}

function decodePss(reader: DerReader): PssParameters {
  const start = reader.offset;
  const outer = reader.open(SEQUENCE);
  const hash = explicit(reader, 0, decodeHash) ?? 'sha1';
  const maskHash = explicit(reader, 1, decodeMaskHash) ?? 'sha1';
  const saltLength = explicit(reader, 2, (inner) => inner.unsigned()) ?? 20;
  const trailerField = explicit(reader, 3, (inner) => inner.unsigned()) ?? 1; // both forms must be known
  reader.close(outer);
  if (hash !== maskHash) throw new DerError('another hash in the mask than for the message', start);
  if (saltLength > MAX_SALT_LENGTH) throw new DerError('a salt longer than any modulus', start);
  if (trailerField !== 1) throw new DerError('another trailer field than 1', start);
  return { hash, saltLength };
}

function explicit<T>(reader: DerReader, number: number, decode: (reader: DerReader) => T): T | undefined {
  if (!reader.isNext(contextConstructed(number))) return undefined;
  const outer = reader.open(contextConstructed(number));
  const value = decode(reader);
  reader.close(outer);
  return value;
}

function decodeMaskHash(reader: DerReader): PssParameters['hash'] {
  const outer = reader.open(SEQUENCE);
  if (reader.oid() !== ID_MGF1) reader.fail('another mask generation function than MGF1');
  const hash = decodeHash(reader);
  reader.close(outer);
  return hash;
}

/** RFC 4055 section 2.1: parameters of these are NULL or absent, and both must be taken. */
function decodeHash(reader: DerReader): PssParameters['hash'] {
  const outer = reader.open(SEQUENCE);
  const hash = HASHES[reader.oid()];
  if (hash === undefined) reader.fail('an unknown hash');
  if (reader.hasMore && reader.octets(NULL).length > 0) reader.fail('a NULL with octets');
  reader.close(outer);
  return hash;
}
