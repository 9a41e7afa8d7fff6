/**
 * Name constraints, RFC 5280 section 4.2.1.10, as the state of section 6.1.2 (b) and (c). The permitted subtrees of the
 * certificates above are not intersected into one set: each certificate's own are kept, and a name must be within one of
 * each. That is the same, and it never grows beyond what the certificates say.
 */
import type { Certificate, GeneralName, Name, NameConstraints } from '../certificate/types.ts';
import type { Failure } from '../reasons.ts';
import type { Work } from '../work.ts';
import { isInDomain, presentedDns, type PresentedDns } from './dns.ts';
import {
  isMailboxName,
  isMailboxWithin,
  mailbox,
  presentedMailbox,
  type Mailbox,
  type MailboxSubtree,
} from './email.ts';
import { isInRange, type IpRange } from './ip.ts';
import { isWithin, mayBeWithin } from './name-key.ts';
import { readSubtrees, type Bases, type Subtrees } from './subtrees.ts';
import { isUriWithin, uriHost, type UriSubtree } from './uri.ts';

/** What the certificates above in the path permit and exclude. A value: `intersect` makes a new one. */
export interface ConstraintState {
  readonly levels: readonly Subtrees[];
}

/** What of a certificate is constrained. */
export type CertificateNames = Pick<Certificate, 'subject' | 'subjectAltName'>;

const UNCONSTRAINED: ConstraintState = { levels: [] };

/** Section 6.1.2 (b) and (c) before any subtrees, the caller's or a certificate's: everything is permitted. */
export function initialConstraints(): ConstraintState {
  return UNCONSTRAINED;
}

/** Section 6.1.4 (g): the state for the certificates below, or why these constraints cannot be applied. */
export function intersect(
  state: ConstraintState,
  constraints: NameConstraints,
  work: Work,
): ConstraintState | Failure {
  const subtrees = (constraints.permitted?.length ?? 0) + (constraints.excluded?.length ?? 0);
  if (subtrees === 0) {
    // Section 4.2.1.10: permittedSubtrees or excludedSubtrees MUST be present, each with a subtree at least.
    return refusal('RFC 5280 section 4.2.1.10', 'name constraints without a subtree');
  }
  work.spend('nameComparisons', subtrees);
  for (const { base } of [...(constraints.permitted ?? []), ...(constraints.excluded ?? [])])
    if (base.kind === 'directory') work.spend('nameBytes', base.value.der.length);
  return { levels: [...state.levels, readSubtrees(constraints)] };
}

/**
 * Section 6.1.3 (b) and (c). The caller leaves out self-issued certificates other than the last of the path. Without any
 * constraints above nothing is done.
 */
export function checkConstraints(
  state: ConstraintState,
  certificate: CertificateNames,
  work: Work,
): Failure | undefined {
  for (const level of state.levels) {
    const failure = checkLevel(level, certificate, work);
    if (failure !== undefined) return failure;
  }
  return undefined;
}

function checkLevel(level: Subtrees, certificate: CertificateNames, work: Work): Failure | undefined {
  const { subject, subjectAltName } = certificate;
  if (level.directory !== undefined && subject.rdns.length > 0) {
    const failure = checkName(level.directory, 'subject', subject, DIRECTORY, work);
    if (failure !== undefined) return failure;
  }
  // Section 4.2.1.10: addresses in the subject are constrained where there is no subjectAltName.
  if (level.email !== undefined && subjectAltName === undefined) {
    const failure = checkSubjectEmail(level.email, subject, work);
    if (failure !== undefined) return failure;
  }
  for (const name of subjectAltName ?? []) {
    const failure = checkAlternativeName(level, name, work);
    if (failure !== undefined) return failure;
  }
  return undefined;
}

function checkAlternativeName(level: Subtrees, name: GeneralName, work: Work): Failure | undefined {
  if (level.unsupported.has(name.kind)) {
    // Section 4.2.1.10: process the constraint or reject the certificate.
    return refusal(
      'RFC 5280 section 4.2.1.10',
      `constraints on names of the form ${name.kind} are not processed`,
    );
  }
  switch (name.kind) {
    case 'dns':
      return level.dns && checkName(level.dns, 'dNSName', presentedDns(name.value), DNS, work);
    case 'ip':
      return level.ip && checkName(level.ip, 'iPAddress', ipAddress(name.value), IP, work);
    case 'uri':
      // Section 4.2.1.10: a URI without a host name MUST be refused where URIs are constrained.
      return level.uri && checkName(level.uri, 'uniformResourceIdentifier', uriHost(name.value), URI, work);
    case 'directory':
      return level.directory && checkDirectory(level.directory, name.value, work);
    default:
      // RFC 9598 section 6: constraints on rfc822Name bind SmtpUTF8Mailbox too.
      if (level.email === undefined || !isMailboxName(name)) return undefined;
      return checkName(level.email, 'mailbox', presentedMailbox(name), EMAIL, work);
  }
}

function checkDirectory(bases: Bases<Name>, name: Name, work: Work): Failure | undefined {
  work.spend('nameBytes', name.der.length);
  return checkName(bases, 'directoryName', name, DIRECTORY, work);
}

/** PKCS #9 emailAddress. */
const EMAIL_ADDRESS = '1.2.840.113549.1.9.1';

function checkSubjectEmail(bases: Bases<MailboxSubtree>, subject: Name, work: Work): Failure | undefined {
  for (const rdn of subject.rdns) {
    for (const { type, value } of rdn) {
      if (type !== EMAIL_ADDRESS) continue;
      const failure = checkName(
        bases,
        'emailAddress',
        mailbox(Buffer.from(value).toString('latin1')),
        EMAIL,
        work,
      );
      if (failure !== undefined) return failure;
    }
  }
  return undefined;
}

/** How names of one form are held against a base: whether the whole name is in it, and whether anything of the name is. */
interface Comparison<N, B> {
  readonly within: (name: N, base: B) => boolean;
  readonly touches: (name: N, base: B) => boolean;
}

const DIRECTORY: Comparison<Name, Name> = { within: isWithin, touches: mayBeWithin };
const EMAIL: Comparison<Mailbox, MailboxSubtree> = { within: isMailboxWithin, touches: isMailboxWithin };
const URI: Comparison<string, UriSubtree> = { within: isUriWithin, touches: isUriWithin };
const IP: Comparison<Uint8Array, IpRange> = { within: isInRange, touches: isInRange };
const DNS: Comparison<PresentedDns, string> = { within: isDnsWithin, touches: doesDnsTouch };

/** Section 6.1.3 (b) and (c) for one name and one certificate's constraints. A malformed name is undefined and refused. */
function checkName<N, B>(
  bases: Bases<B>,
  what: string,
  name: N | undefined,
  comparison: Comparison<N, B>,
  work: Work,
): Failure | undefined {
  if (bases.unusable !== undefined)
    return refusal('RFC 5280 section 4.2.1.10', `${what} under ${bases.unusable}`);
  if (name === undefined)
    return refusal('RFC 5280 section 6.1.3 (b)', `a malformed ${what} under constraints of its form`);
  if (bases.permitted !== undefined) {
    work.spend('nameComparisons', bases.permitted.length);
    if (!bases.permitted.some((base) => comparison.within(name, base)))
      return refusal('RFC 5280 section 6.1.3 (b)', `${what} is in no permitted subtree`);
  }
  if (bases.excluded !== undefined) {
    work.spend('nameComparisons', bases.excluded.length);
    if (bases.excluded.some((base) => comparison.touches(name, base)))
      return refusal('RFC 5280 section 6.1.3 (c)', `${what} is in an excluded subtree`);
  }
  return undefined;
}

/** A wildcard's hosts are all below its parent: they are in the subtrees that hold the parent, and in no smaller one. */
function isDnsWithin(name: PresentedDns, base: string): boolean {
  return isInDomain('host' in name ? name.host : name.parent, base);
}

/** A wildcard also covers an excluded host that is one label below its parent. */
function doesDnsTouch(name: PresentedDns, base: string): boolean {
  if (isDnsWithin(name, base)) return true;
  return 'parent' in name && base.slice(base.indexOf('.') + 1) === name.parent && base.includes('.');
}

function ipAddress(octets: Uint8Array): Uint8Array | undefined {
  return octets.length === 4 || octets.length === 16 ? octets : undefined;
}

function refusal(section: string, detail: string): Failure {
  return { reason: 'name_constraints', section, detail };
}
