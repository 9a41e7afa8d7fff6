/** The extensions of one entry (RFC 5280 section 5.3). */
import { decodeExtensions } from '../../certificate/extensions.ts';
import { decodeGeneralNames } from '../../certificate/general-name.ts';
import type { GeneralName, Oid } from '../../certificate/types.ts';
import type { DerReader } from '../../der/reader.ts';
import { decodeRevocationReason } from '../reasons.ts';
import type { RevocationReason } from './types.ts';

const REASON_CODE: Oid = '2.5.29.21';
const INVALIDITY_DATE: Oid = '2.5.29.24';
const CERTIFICATE_ISSUER: Oid = '2.5.29.29';
const KNOWN: ReadonlySet<Oid> = new Set([REASON_CODE, INVALIDITY_DATE, CERTIFICATE_ISSUER]);

/** Extensions of a single reasonCode, whose last octet is to follow. */
export const REASON_CODE_PREFIX: readonly number[] = [
  0x30, 0x0c, 0x30, 0x0a, 0x06, 0x03, 0x55, 0x1d, 0x15, 0x04, 0x03, 0x0a, 0x01,
];

export interface EntryExtensions {
  readonly reason: RevocationReason;
  readonly invalidityDateMs: number | undefined;
  /** Undefined when the entry itself has none. */
  readonly certificateIssuer: readonly GeneralName[] | undefined;
  readonly unknownCriticalExtension: boolean;
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

export const NO_EXTENSIONS: EntryExtensions = {
  reason: 'unspecified', // section 5.3.1: an absent reasonCode says this
  invalidityDateMs: undefined,
  certificateIssuer: undefined,
  unknownCriticalExtension: false,
};

export function readEntryExtensions(reader: DerReader): EntryExtensions {
  const found: Mutable<EntryExtensions> = { ...NO_EXTENSIONS };
  const extensions = decodeExtensions(reader, (oid) => decodeKnown(oid, reader, found));
  found.unknownCriticalExtension = extensions.some(({ oid, critical }) => critical && !KNOWN.has(oid));
  return found;
}

function decodeKnown(oid: Oid, reader: DerReader, into: Mutable<EntryExtensions>): boolean {
  switch (oid) {
    case REASON_CODE:
      into.reason = decodeRevocationReason(reader);
      return true;
    case INVALIDITY_DATE:
      into.invalidityDateMs = reader.generalizedTime(); // section 5.3.2
      return true;
    case CERTIFICATE_ISSUER:
      into.certificateIssuer = decodeGeneralNames(reader);
      return true;
    default:
      return false;
  }
}
