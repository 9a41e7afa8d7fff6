/** A certificate's names as rules see them. */
import type { Certificate } from '@sallyport/x509';
import type { CertificateNames } from '../../domain/identity-rule.ts';

// RFC 5280 appendix A.1: id-at-commonName.
const COMMON_NAME = '2.5.4.3';
const UTF8_STRING = 12;
const PRINTABLE_STRING = 19;

export function namesOf({ subject, subjectAltName = [] }: Certificate): CertificateNames {
  const ofKind = (kind: 'uri' | 'dns' | 'email'): readonly string[] =>
    subjectAltName.flatMap((name) => (name.kind === kind ? [name.value] : []));
  return {
    uri: ofKind('uri'),
    dns: ofKind('dns').map((host) => host.toLowerCase()),
    email: ofKind('email').map(lowerHost),
    commonName: subject.rdns.flat().flatMap(({ type, tag, value }) =>
      // The string types of RFC 5280 section 4.1.2.4; others could be read in more than one way.
      type === COMMON_NAME && (tag === UTF8_STRING || tag === PRINTABLE_STRING)
        ? [new TextDecoder().decode(value)]
        : [],
    ),
  };
}

/** RFC 5280 section 7.5: the host of a mailbox is compared without case, the local part as it stands. */
function lowerHost(mailbox: string): string {
  const at = mailbox.lastIndexOf('@') + 1;
  return mailbox.slice(0, at) + mailbox.slice(at).toLowerCase();
}
