/** Whether a leaf carries the name that the caller expects (RFC 9525). */
import type { Certificate, GeneralName } from '../certificate/types.ts';
import type { ExpectedName } from '../input.ts';
import type { Failure } from '../reasons.ts';
import { dnsMatches, fullHostName, internationalHostName, presentedDns } from './dns.ts';
import { internationalMailbox, presentedMailbox, sameMailbox } from './email.ts';
import { parseIp } from './ip.ts';
import { comparableUri } from './uri.ts';

/** Undefined: the certificate carries it. The subject is never looked at (RFC 9525 section 2), only subjectAltName. */
export function matchName(
  expected: ExpectedName,
  certificate: Pick<Certificate, 'subjectAltName'>,
): Failure | undefined {
  const matches = matcherOf(expected);
  if (matches === undefined)
    return mismatch('RFC 9525 section 6.1', `"${expected.value}" is no name of the kind ${expected.kind}`);
  if (certificate.subjectAltName?.some(matches) === true) return undefined;
  return mismatch(
    'RFC 9525 section 6.2',
    `no subjectAltName is the ${expected.kind} name "${expected.value}"`,
  );
}

type Matcher = (presented: GeneralName) => boolean;

/** Undefined when the expected name is malformed: it then matches nothing. */
function matcherOf(expected: ExpectedName): Matcher | undefined {
  switch (expected.kind) {
    case 'dns':
      return dnsMatcher(expected.value);
    case 'ip':
      return ipMatcher(expected.value);
    case 'email':
      return emailMatcher(expected.value);
    case 'uri':
      return uriMatcher(expected.value);
  }
}

/** What a caller took from a URL's authority may be an address, and is then matched as one (RFC 9525 section 4.1). */
function dnsMatcher(value: string): Matcher | undefined {
  if (parseIp(value) !== undefined) return ipMatcher(value);
  const ascii = internationalHostName(value);
  const host = ascii === undefined ? undefined : fullHostName(ascii);
  if (host === undefined) return undefined;
  return (presented) => {
    if (presented.kind !== 'dns') return false;
    const dns = presentedDns(presented.value);
    return dns !== undefined && dnsMatches(dns, host); // RFC 9525 section 6.3
  };
}

function ipMatcher(value: string): Matcher | undefined {
  const address = parseIp(value);
  if (address === undefined) return undefined;
  // RFC 9525 section 6.4: octet for octet; an IPv4 address is not its mapped IPv6 address.
  return (presented) =>
    presented.kind === 'ip' &&
    presented.value.length === address.length &&
    Buffer.compare(presented.value, address) === 0;
}

function emailMatcher(value: string): Matcher | undefined {
  const mailbox = internationalMailbox(value);
  if (mailbox === undefined) return undefined;
  return (presented) => {
    const other = presentedMailbox(presented);
    return other !== undefined && sameMailbox(other, mailbox); // RFC 5280 section 7.5
  };
}

function uriMatcher(value: string): Matcher | undefined {
  const uri = comparableUri(value);
  if (uri === undefined) return undefined;
  return (presented) => presented.kind === 'uri' && comparableUri(presented.value) === uri; // RFC 5280 section 7.4
}

function mismatch(section: string, detail: string): Failure {
  return { reason: 'name_mismatch', section, detail };
}
