/** The hashes that name an issuer in a CertID (RFC 6960 section 4.1.1): no signatures, so SHA-1 is as good as any. */
import { hash } from 'node:crypto';
import type { Oid } from '../../certificate/types.ts';

export type CertIdHash = 'sha1' | 'sha256' | 'sha384' | 'sha512';

export const CERT_ID_HASHES: Readonly<Record<CertIdHash, Oid>> = {
  sha1: '1.3.14.3.2.26',
  sha256: '2.16.840.1.101.3.4.2.1',
  sha384: '2.16.840.1.101.3.4.2.2',
  sha512: '2.16.840.1.101.3.4.2.3',
};

const BY_OID: ReadonlyMap<Oid, CertIdHash> = new Map(
  (['sha1', 'sha256', 'sha384', 'sha512'] as const).map((name) => [CERT_ID_HASHES[name], name]),
);

/** Undefined for a hash that this package does not compute. */
export function certIdHash(oid: Oid): CertIdHash | undefined {
  return BY_OID.get(oid);
}

export function digest(name: CertIdHash, octets: Uint8Array): Uint8Array {
  return hash(name, octets, 'buffer');
}
