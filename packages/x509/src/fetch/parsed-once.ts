/**
 * Answers parsed once for as long as their octets are kept: a list of megabytes is asked about again and again, and
 * reading it takes longer than all the rest. Octets that were fetched are never written to.
 */
import type { Parsed } from '../parsed.ts';
import { parseCertificateList } from '../revocation/crl/parse.ts';
import type { CertificateList } from '../revocation/crl/types.ts';
import { parseOcspResponse } from '../revocation/ocsp/parse.ts';
import type { OcspResponse } from '../revocation/ocsp/types.ts';

export const listOf: (body: Uint8Array) => Parsed<CertificateList> = once(parseCertificateList);
export const ocspOf: (body: Uint8Array) => Parsed<OcspResponse> = once(parseOcspResponse);

function once<T>(parse: (body: Uint8Array) => Parsed<T>): (body: Uint8Array) => Parsed<T> {
  const known = new WeakMap<Uint8Array, Parsed<T>>();
  return (body) => {
    const found = known.get(body) ?? parse(body);
    known.set(body, found);
    return found;
  };
}
