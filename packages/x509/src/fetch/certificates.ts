/**
 * What an id-ad-caIssuers location answers with (RFC 5280 section 4.2.2.1): one certificate in DER, or a "certs-only" CMS
 * message (RFC 5652 section 5.1, without signers). PEM, which some serve, is read too.
 */
import { parseCertificate } from '../certificate/parse-certificate.ts';
import { parseCertificates } from '../certificate/pem.ts';
import type { Certificate } from '../certificate/types.ts';
import { readDer, type DerReader } from '../der/reader.ts';
import * as tag from '../der/tags.ts';

// RFC 5652 section 5.1.
const SIGNED_DATA = '1.2.840.113549.1.7.2';
const MAX_BYTES = 65_536;
const MAX_CERTIFICATES = 32;
const CONTEXT_0 = 0xa0;

/** Those that parse; empty when `body` is none of the forms. */
export function certificatesOf(body: Uint8Array): readonly Certificate[] {
  const single = parseCertificate(body);
  if (single.ok) return [single.value];
  const bundle = readDer(body, MAX_BYTES, certificatesOfCms);
  if (bundle.ok)
    return bundle.value.flatMap((der) => {
      const parsed = parseCertificate(der);
      return parsed.ok ? [parsed.value] : [];
    });
  const text = parseCertificates(body);
  return text.ok ? text.value.slice(0, MAX_CERTIFICATES) : [];
}

function certificatesOfCms(reader: DerReader): readonly Uint8Array[] {
  const contentInfo = reader.open(tag.SEQUENCE);
  if (reader.oid() !== SIGNED_DATA) reader.fail('not a CMS signed-data message');
  const explicit = reader.open(CONTEXT_0);
  const signedData = reader.open(tag.SEQUENCE);
  reader.integer(); // version
  reader.skip(); // digestAlgorithms
  reader.skip(); // encapContentInfo
  const certificates: Uint8Array[] = [];
  if (reader.isNext(CONTEXT_0)) {
    const set = reader.open(CONTEXT_0);
    while (reader.hasMore) {
      const element = reader.element();
      if (certificates.length < MAX_CERTIFICATES) certificates.push(element);
    }
    reader.close(set);
  }
  while (reader.hasMore) reader.skip(); // crls, signerInfos
  reader.close(signedData);
  reader.close(explicit);
  reader.close(contentInfo);
  return certificates;
}
