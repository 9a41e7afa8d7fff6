/** The one URI name of a certificate, read from its octets: Node's text form of names is for people. */
import type { X509Certificate } from 'node:crypto';
import { parseCertificate, type Certificate } from '@sallyport/x509';

export type UriSanProblem = 'unreadable' | 'no_uri_san' | 'several_uri_sans';
export type UriSan =
  { readonly ok: true; readonly value: string } | { readonly ok: false; readonly problem: UriSanProblem };

/** The certificate's only URI name (SPIFFE X509-SVID section 2: exactly one). Never throws. */
export function uriSanOf(certificate: X509Certificate): UriSan {
  const parsed = parseCertificate(certificate.raw);
  return parsed.ok ? uriNameOf(parsed.value) : { ok: false, problem: 'unreadable' };
}

/** As `uriSanOf`, of a certificate that is parsed. */
export function uriNameOf({ subjectAltName = [] }: Certificate): UriSan {
  const uris = subjectAltName.flatMap((name) => (name.kind === 'uri' ? [name.value] : []));
  const [value] = uris;
  if (value === undefined) return { ok: false, problem: 'no_uri_san' };
  return uris.length > 1 ? { ok: false, problem: 'several_uri_sans' } : { ok: true, value };
}
