/** The extensions of a list (RFC 5280 section 5.2). */
import { decodeExtensions } from '../../certificate/extensions.ts';
import {
  decodeDistributionPointName,
  decodeDistributionPoints,
  decodeGeneralNames,
  decodeReasons,
} from '../../certificate/general-name.ts';
import { decodeAuthorityKeyIdentifier } from '../../certificate/known-extensions.ts';
import type { Oid } from '../../certificate/types.ts';
import type { DerReader } from '../../der/reader.ts';
import { SEQUENCE, contextConstructed, contextPrimitive } from '../../der/tags.ts';
import type { CertificateList, IssuingDistributionPoint } from './types.ts';

const ISSUER_ALT_NAME: Oid = '2.5.29.18';
const CRL_NUMBER: Oid = '2.5.29.20';
const DELTA_CRL_INDICATOR: Oid = '2.5.29.27';
export const ISSUING_DISTRIBUTION_POINT: Oid = '2.5.29.28';
export const AUTHORITY_KEY_IDENTIFIER: Oid = '2.5.29.35';
const FRESHEST_CRL: Oid = '2.5.29.46';
const AUTHORITY_INFO_ACCESS: Oid = '1.3.6.1.5.5.7.1.1';

/** Sections 5.2.3, 5.2.6 and 5.2.7. */
const NEVER_CRITICAL: ReadonlySet<Oid> = new Set([CRL_NUMBER, FRESHEST_CRL, AUTHORITY_INFO_ACCESS]);
const KNOWN: ReadonlySet<Oid> = new Set([
  ...[ISSUER_ALT_NAME, CRL_NUMBER, DELTA_CRL_INDICATOR, ISSUING_DISTRIBUTION_POINT],
  ...[AUTHORITY_KEY_IDENTIFIER, FRESHEST_CRL, AUTHORITY_INFO_ACCESS],
]);

export type ListExtensions = Pick<
  CertificateList,
  | 'extensions'
  | 'authorityKeyIdentifier'
  | 'cRLNumber'
  | 'deltaCRLIndicator'
  | 'issuingDistributionPoint'
  | 'freshestCRL'
>;

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

export const NO_LIST_EXTENSIONS: ListExtensions = {
  extensions: [],
  authorityKeyIdentifier: undefined,
  cRLNumber: undefined,
  deltaCRLIndicator: undefined,
  issuingDistributionPoint: undefined,
  freshestCRL: undefined,
};

/** The one whose criticality forbids to use the list, or undefined (section 5.2). */
export function refusedExtension({ extensions }: Pick<CertificateList, 'extensions'>): Oid | undefined {
  return extensions.find(({ oid, critical }) => critical && (NEVER_CRITICAL.has(oid) || !KNOWN.has(oid)))
    ?.oid;
}

export function readListExtensions(reader: DerReader): ListExtensions {
  const found: Mutable<ListExtensions> = { ...NO_LIST_EXTENSIONS };
  found.extensions = decodeExtensions(reader, (oid) => decodeKnown(oid, reader, found));
  return found;
}

function decodeKnown(oid: Oid, reader: DerReader, into: Mutable<ListExtensions>): boolean {
  switch (oid) {
    case AUTHORITY_KEY_IDENTIFIER:
      into.authorityKeyIdentifier = decodeAuthorityKeyIdentifier(reader);
      return true;
    case ISSUER_ALT_NAME:
      decodeGeneralNames(reader);
      return true;
    case CRL_NUMBER:
      into.cRLNumber = readNumber(reader);
      return true;
    case DELTA_CRL_INDICATOR:
      into.deltaCRLIndicator = readNumber(reader);
      return true;
    case ISSUING_DISTRIBUTION_POINT:
      into.issuingDistributionPoint = decodeIssuingDistributionPoint(reader);
      return true;
    case FRESHEST_CRL:
      into.freshestCRL = decodeDistributionPoints(reader);
      return true;
    default:
      return false;
  }
}

/** CRLNumber ::= INTEGER (0..MAX), of 20 octets at the most (section 5.2.3). */
function readNumber(reader: DerReader): bigint {
  const offset = reader.offset;
  const octets = reader.integer();
  if ((octets[0] ?? 0) >= 0x80) reader.fail('a negative CRL number', offset);
  if (octets.length > 20) reader.fail('a CRL number of more than 20 octets', offset);
  return BigInt(`0x${Buffer.from(octets).toString('hex')}`);
}

/** Section 5.2.5. */
function decodeIssuingDistributionPoint(reader: DerReader): IssuingDistributionPoint {
  const start = reader.offset;
  const outer = reader.open(SEQUENCE);
  if (!reader.hasMore) reader.fail('an empty issuing distribution point', start); // MUST NOT be issued
  const name = reader.isNext(contextConstructed(0)) ? decodeDistributionPointName(reader) : undefined;
  const onlyContainsUserCerts = readFlag(reader, 1);
  const onlyContainsCACerts = readFlag(reader, 2);
  const onlySomeReasons = reader.isNext(contextPrimitive(3))
    ? decodeReasons(reader, contextPrimitive(3))
    : undefined;
  const indirectCRL = readFlag(reader, 4);
  const onlyContainsAttributeCerts = readFlag(reader, 5);
  reader.close(outer);
  return {
    name,
    onlyContainsUserCerts,
    onlyContainsCACerts,
    onlySomeReasons,
    indirectCRL,
    onlyContainsAttributeCerts,
  };
}

/** BOOLEAN DEFAULT FALSE; an explicit FALSE is let pass, as everywhere in this package. */
function readFlag(reader: DerReader, number: number): boolean {
  return reader.isNext(contextPrimitive(number)) && reader.boolean(contextPrimitive(number));
}
