/** A certificate as a place in the graph of who issued whom: what building compares, computed once per certificate. */
import type { Certificate, Name, SubjectPublicKeyInfo } from '../certificate/types.ts';
import { nameKey } from '../names/name-key.ts';

export interface Node {
  readonly certificate: Certificate;
  readonly subject: string;
  readonly issuer: string;
  /** Name and key: what a path contains once at most. */
  readonly identity: string;
  readonly subjectKeyId: string | undefined;
  readonly authorityKeyId: string | undefined;
}

const nodes = new WeakMap<Certificate, Node>();

export function nodeOf(certificate: Certificate): Node {
  const known = nodes.get(certificate);
  if (known !== undefined) return known;
  const { subjectKeyIdentifier, authorityKeyIdentifier } = certificate;
  const node: Node = {
    certificate,
    subject: nameKey(certificate.subject),
    issuer: nameKey(certificate.issuer),
    identity: identityOf(certificate.subject, certificate.subjectPublicKeyInfo),
    subjectKeyId: octetsKey(subjectKeyIdentifier),
    authorityKeyId: octetsKey(authorityKeyIdentifier?.keyIdentifier),
  };
  nodes.set(certificate, node);
  return node;
}

export function identityOf(name: Name, key: SubjectPublicKeyInfo): string {
  return `${latin1(key.der)}\n${nameKey(name)}`; // a DER value ends where it says: no two pairs make the same text
}

function octetsKey(octets: Uint8Array | undefined): string | undefined {
  return octets === undefined ? undefined : latin1(octets);
}

function latin1(octets: Uint8Array): string {
  return Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength).toString('latin1');
}
