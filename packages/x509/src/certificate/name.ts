/** Names (RFC 5280 section 4.1.2.4) and algorithm identifiers (section 4.1.1.2) from DER. */
import type { DerReader } from '../der/reader.ts';
import { SEQUENCE, SET } from '../der/tags.ts';
import type { AlgorithmIdentifier, AttributeTypeAndValue, Name } from './types.ts';

/** As a whole certificate may have: a list has a thousand times that, and its issuer is compared before its signature. */
const MAX_NAME_BYTES = 65_536;

/** An empty name is one: whether it may be is for its place to say. */
export function decodeName(reader: DerReader): Name {
  const start = reader.offset;
  const outer = reader.open(SEQUENCE);
  if (reader.end - start > MAX_NAME_BYTES) reader.fail(`a name of more than ${MAX_NAME_BYTES} octets`, start);
  const rdns: AttributeTypeAndValue[][] = [];
  while (reader.hasMore) rdns.push(decodeRdn(reader));
  reader.close(outer);
  return { der: reader.bytes.subarray(start, reader.offset), rdns };
}

/** RelativeDistinguishedName: SET SIZE (1..MAX) OF, ascending by the octets of its elements (X.690 section 11.6). */
export function decodeRdn(reader: DerReader, identifier: number = SET): AttributeTypeAndValue[] {
  const outer = reader.open(identifier);
  if (!reader.hasMore) reader.fail('an RDN without attributes');
  const rdn: AttributeTypeAndValue[] = [];
  let previous: Uint8Array | undefined;
  while (reader.hasMore) {
    const start = reader.offset;
    rdn.push(decodeAttribute(reader));
    if (rdn.length === 1 && !reader.hasMore) break; // nearly all: nothing to compare
    const current = reader.bytes.subarray(start, reader.offset);
    if (previous !== undefined && Buffer.compare(previous, current) > 0)
      reader.fail('the elements of a SET OF do not ascend', start);
    previous = current;
  }
  reader.close(outer);
  return rdn;
}

function decodeAttribute(reader: DerReader): AttributeTypeAndValue {
  const outer = reader.open(SEQUENCE);
  const type = reader.oid();
  const start = reader.offset;
  const identifier = reader.bytes[start] ?? 0;
  const element = reader.element();
  reader.close(outer);
  const tag = (identifier & 0xc0) === 0 ? identifier & 0x1f : identifier;
  return { type, tag, value: contentsOf(element) };
}

/** The inside of an element that was checked. */
function contentsOf(element: Uint8Array): Uint8Array {
  const length = element[1] ?? 0;
  return element.subarray(length < 0x80 ? 2 : 2 + (length & 0x7f));
}

/** The parameters may be of any type; what they are is for whoever knows the algorithm. */
export function decodeAlgorithmIdentifier(reader: DerReader): AlgorithmIdentifier {
  const start = reader.offset;
  const outer = reader.open(SEQUENCE);
  const oid = reader.oid();
  const parameters = reader.hasMore ? reader.element() : undefined;
  reader.close(outer);
  return { oid, parameters, der: reader.bytes.subarray(start, reader.offset) };
}
