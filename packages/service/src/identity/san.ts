/** The one URI name of a certificate, read from its bytes: Node's text form of names is for people. */
import './metadata.ts';
import type { X509Certificate } from 'node:crypto';
import { SubjectAlternativeNameExtension, X509Certificate as ParsedCertificate } from '@peculiar/x509';

// RFC 5280 section 4.2.1.6.
const SUBJECT_ALT_NAME = '2.5.29.17';

export type UriSanProblem = 'unreadable' | 'no_uri_san' | 'several_uri_sans';
export type UriSan =
  { readonly ok: true; readonly value: string } | { readonly ok: false; readonly problem: UriSanProblem };

/** The certificate's only URI name (SPIFFE X509-SVID section 2: exactly one). Never throws. */
export function uriSanOf(certificate: X509Certificate): UriSan {
  try {
    const extensions = new ParsedCertificate(certificate.raw).extensions.filter(
      (extension) => extension.type === SUBJECT_ALT_NAME,
    );
    // RFC 5280 section 4.2: one instance of an extension; two readers could each pick their own.
    if (extensions.length > 1) return { ok: false, problem: 'several_uri_sans' };
    const uris = extensions.flatMap((extension) =>
      new SubjectAlternativeNameExtension(extension.rawData).names.items.filter(
        (name) => name.type === 'url',
      ),
    );
    const [first] = uris;
    if (first === undefined) return { ok: false, problem: 'no_uri_san' };
    if (uris.length > 1) return { ok: false, problem: 'several_uri_sans' };
    return { ok: true, value: first.value };
  } catch {
    return { ok: false, problem: 'unreadable' };
  }
}
