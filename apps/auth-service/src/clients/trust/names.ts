/** A certificate's names as rules see them. */
import type { AttributeTypeAndValue, Certificate, Name } from '@sallyport/x509';
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
    commonName: commonNames(subject),
  };
}

/** One at most: of two, whoever issues may have vouched for the other one. */
function commonNames({ rdns }: Name): readonly string[] {
  const [only, ...more] = rdns.flat().filter(({ type }) => type === COMMON_NAME);
  if (only === undefined || more.length > 0) return [];
  const text = textOf(only);
  return text === undefined ? [] : [text];
}

/** The string types of RFC 5280 section 4.1.2.4; others could be read in more than one way, and so could broken octets. */
function textOf({ tag, value }: AttributeTypeAndValue): string | undefined {
  if (tag !== UTF8_STRING && (tag !== PRINTABLE_STRING || value.some((octet) => octet >= 0x80)))
    return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(value);
  } catch {
    return undefined;
  }
}

/** RFC 5280 section 7.5: the host of a mailbox is compared without case, the local part as it stands. */
function lowerHost(mailbox: string): string {
  const at = mailbox.lastIndexOf('@') + 1;
  return mailbox.slice(0, at) + mailbox.slice(at).toLowerCase();
}
