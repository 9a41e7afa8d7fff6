/** GeneralName (RFC 5280 section 4.2.1.6) and what is made of it: lists, distribution points, subtrees of constraints. */
import type { DerReader } from '../der/reader.ts';
import { SEQUENCE, contextConstructed, contextPrimitive } from '../der/tags.ts';
import { decodeName, decodeRdn } from './name.ts';
import {
  REVOCATION_REASONS,
  type DistributionPoint,
  type DistributionPointName,
  type GeneralName,
  type ReasonFlag,
} from './types.ts';

const OTHER = contextConstructed(0);
const EMAIL = contextPrimitive(1);
const DNS = contextPrimitive(2);
const X400 = contextConstructed(3);
const DIRECTORY = contextConstructed(4);
const EDI = contextConstructed(5);
const URI = contextPrimitive(6);
const IP = contextPrimitive(7);
const REGISTERED = contextPrimitive(8);

/** An address of a name has 4 or 16 octets; that of a constraint has a mask as well (section 4.2.1.10). */
type AddressForm = 'address' | 'address and mask';

export function decodeGeneralName(reader: DerReader, form: AddressForm = 'address'): GeneralName {
  const identifier = reader.hasMore ? reader.bytes[reader.offset] : undefined;
  switch (identifier) {
    case DNS:
      return { kind: 'dns', value: reader.ia5(DNS) };
    case URI:
      return { kind: 'uri', value: reader.ia5(URI) };
    case EMAIL:
      return { kind: 'email', value: reader.ia5(EMAIL) };
    case IP:
      return { kind: 'ip', value: decodeAddress(reader, form) };
    case DIRECTORY:
      return { kind: 'directory', value: decodeExplicitName(reader) };
    case REGISTERED:
      return { kind: 'registered', value: reader.oid(REGISTERED) };
    case OTHER:
      return decodeOtherName(reader);
    case X400:
      return { kind: 'x400', value: reader.element() };
    case EDI:
      return { kind: 'edi', value: reader.element() };
    default:
      return reader.fail('a GeneralName expected');
  }
}

function decodeAddress(reader: DerReader, form: AddressForm): Uint8Array {
  const value = reader.octets(IP);
  const perAddress = form === 'address' ? 1 : 2;
  if (value.length !== 4 * perAddress && value.length !== 16 * perAddress)
    reader.fail(`an IP ${form} of ${value.length} octets`, reader.offset - value.length);
  return value;
}

/** Name is a CHOICE: its tag is EXPLICIT. */
function decodeExplicitName(reader: DerReader): ReturnType<typeof decodeName> {
  const outer = reader.open(DIRECTORY);
  const name = decodeName(reader);
  reader.close(outer);
  return name;
}

function decodeOtherName(reader: DerReader): GeneralName {
  const outer = reader.open(OTHER);
  const type = reader.oid();
  const inner = reader.open(contextConstructed(0));
  const value = reader.element();
  reader.close(inner);
  reader.close(outer);
  return { kind: 'other', type, value };
}

/** GeneralNames: SEQUENCE SIZE (1..MAX) OF GeneralName. */
export function decodeGeneralNames(reader: DerReader, identifier: number = SEQUENCE): GeneralName[] {
  const outer = reader.open(identifier);
  if (!reader.hasMore) reader.fail('GeneralNames without a name');
  const names: GeneralName[] = [];
  while (reader.hasMore) names.push(decodeGeneralName(reader));
  reader.close(outer);
  return names;
}

/** CRLDistributionPoints (section 4.2.1.13), also the value of freshestCRL. */
export function decodeDistributionPoints(reader: DerReader): DistributionPoint[] {
  const outer = reader.open(SEQUENCE);
  if (!reader.hasMore) reader.fail('no distribution point');
  const points: DistributionPoint[] = [];
  while (reader.hasMore) points.push(decodeDistributionPoint(reader));
  reader.close(outer);
  return points;
}

function decodeDistributionPoint(reader: DerReader): DistributionPoint {
  const start = reader.offset;
  const outer = reader.open(SEQUENCE);
  const name = reader.isNext(contextConstructed(0)) ? decodeDistributionPointName(reader) : undefined;
  const reasons = reader.isNext(contextPrimitive(1)) ? decodeReasons(reader, contextPrimitive(1)) : undefined;
  const crlIssuer = reader.isNext(contextConstructed(2))
    ? decodeGeneralNames(reader, contextConstructed(2))
    : undefined;
  reader.close(outer);
  // RFC 5280 section 4.2.1.13: either distributionPoint or cRLIssuer MUST be present
  if (name === undefined && crlIssuer === undefined)
    reader.fail('a distribution point without name and cRLIssuer', start);
  return { name, reasons, crlIssuer };
}

/** `[0] DistributionPointName`, a CHOICE and so EXPLICIT; also that of the issuing distribution point. */
export function decodeDistributionPointName(reader: DerReader): DistributionPointName {
  const outer = reader.open(contextConstructed(0));
  const name: DistributionPointName = reader.isNext(contextConstructed(1))
    ? { kind: 'relative', rdn: decodeRdn(reader, contextConstructed(1)) }
    : { kind: 'full', names: decodeGeneralNames(reader, contextConstructed(0)) };
  reader.close(outer);
  return name;
}

/** ReasonFlags; bits that section 4.2.1.13 does not name are left out. */
export function decodeReasons(reader: DerReader, identifier: number): ReasonFlag[] {
  const bits = reader.namedBits(identifier);
  return REVOCATION_REASONS.filter((_, bit) => (bits & (1 << bit)) !== 0);
}
