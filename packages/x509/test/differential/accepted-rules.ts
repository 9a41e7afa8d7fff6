/**
 * Why a path that `openssl verify` refuses is valid. Each rule names the errors that it explains and looks for their cause
 * in the certificate that the error is about, so that the same error for another cause stays unexplained.
 */
import { isMailboxName } from '../../src/names/email.ts';
import { nameKey } from '../../src/names/name-key.ts';
import { OID } from '../support/pki.ts';
import type { AcceptedRule } from './rule.ts';
import {
  areEncodedAlike,
  bases,
  commonNames,
  has,
  hasSubjectEmail,
  hasUnseenCharacters,
  isConstrained,
  isSelfIssued,
  isSignedByAnotherKind,
  lists,
  pairs,
  pointsElsewhere,
} from './facts.ts';

const NAME_ERRORS = [47, 48, 53];
const WANTED = { client: OID.clientAuth, server: OID.serverAuth, any: undefined } as const;
/** Section 4.2 has them, and X509_supported_extension of OpenSSL 3.0 does not. */
const NOT_SUPPORTED = [
  OID.subjectKeyIdentifier,
  OID.authorityKeyIdentifier,
  OID.issuerAltName,
  OID.freshestCRL,
  OID.authorityInfoAccess,
];
const NETSCAPE_CERT_TYPE = '2.16.840.1.113730.1.1';

export const acceptedRules: readonly AcceptedRule[] = [
  {
    id: 'not-after-is-inside',
    errors: [10],
    section: 'RFC 5280 section 4.1.2.5',
    why: 'A validity is from notBefore through notAfter, inclusive; OpenSSL ends it a second earlier.',
    holds: ({ input }, at) => at.validity.notAfterMs === input.question.at.getTime(),
  },
  {
    id: 'next-update-is-inside',
    errors: [12],
    section: 'RFC 5280 section 6.3.3 (a)(1)',
    why: 'A list is outdated when the time is after nextUpdate; OpenSSL has it so when it is nextUpdate.',
    holds: (accepted) =>
      lists(accepted).some(({ nextUpdateMs }) => nextUpdateMs === accepted.input.question.at.getTime()),
  },
  {
    id: 'anchor-has-no-status',
    errors: [3, 8, 11, 12, 23, 36, 41, 44, 54],
    section: 'RFC 5280 section 6.1',
    why: 'The anchor is no certificate of the path, and its own status is not asked for; OpenSSL looks for it in the lists.',
    holds: ({ chain, input }, _, depth) => input.question.revocation && depth === chain.length - 1,
  },
  {
    id: 'anchor-is-a-name-and-a-key',
    errors: [2, 20, 22],
    section: 'RFC 5280 section 6.1.1 (d)',
    why: 'An anchor need not be self-signed; OpenSSL wants that of an anchor, unless -partial_chain is given.',
    holds: ({ chain }, at, depth) =>
      depth === chain.length - 1 &&
      (!isSelfIssued(at) || pointsElsewhere(at, at) || !areEncodedAlike(at) || isSignedByAnotherKind(at)),
  },
  {
    id: 'key-identifiers-are-hints',
    errors: [2, 18, 19, 20],
    section: 'RFC 5280 sections 4.2.1.1 and 6.1.3',
    why: 'Key identifiers help to build a path (RFC 4158 section 3.5.12); no step of section 6 compares them. OpenSSL takes nobody for an issuer whose identifiers differ.',
    holds: (accepted) => pairs(accepted).some(([issued, issuer]) => pointsElsewhere(issued, issuer)),
  },
  {
    id: 'names-are-prepared',
    errors: [20, 47, 48],
    section: 'RFC 5280 section 7.1',
    why: 'Names are compared after the preparation of RFC 4518, which maps soft hyphens and control characters to nothing; OpenSSL folds the case of ASCII letters and white space.',
    holds: (accepted) =>
      accepted.chain.some(({ issuer, subject }) => [issuer, subject].some(hasUnseenCharacters)) ||
      bases(accepted).some((base) => base.kind === 'directory' && hasUnseenCharacters(base.value)),
  },
  {
    id: 'strings-are-read-when-compared',
    errors: [0],
    section: 'RFC 5280 section 7.1',
    why: 'Characters of a name count where it is compared, and the issuer of an anchor is not (section 6.1.1 (d)); OpenSSL loads no certificate with a name that it cannot decode.',
    holds: ({ theirs }) => /anchors\.pem[^]*illegal characters/u.test(theirs.output),
  },
  {
    id: 'extensions-of-others',
    errors: [20],
    section: 'RFC 5280 section 4.2',
    why: 'An extension that is not recognised is ignored unless it is critical; OpenSSL decodes that of Netscape and refuses a malformed one.',
    holds: (accepted) => accepted.chain.some((one) => has(one, NETSCAPE_CERT_TYPE, false)),
  },
  {
    id: 'self-issued-is-not-self-signed',
    errors: [18, 19, 35],
    section: 'RFC 5280 section 3.2',
    why: 'A certificate with the same subject and issuer may be signed by another key; OpenSSL looks for no issuer of one whose key identifiers do not say so, and takes its key for that of its list.',
    holds: ({ chain }, at, depth) => depth < chain.length - 1 && isSelfIssued(at),
  },
  {
    id: 'self-issued-does-not-count',
    errors: [22],
    section: 'RFC 5280 section 6.1.4 (l)',
    why: 'Self-issued certificates are not counted in the length of a path; OpenSSL counts them against -verify_depth.',
    holds: ({ chain }) => chain.slice(1, -1).some(isSelfIssued),
  },
  {
    id: 'any-usage',
    errors: [26],
    section: 'RFC 5280 section 4.2.1.12',
    why: 'anyExtendedKeyUsage stands for every usage, and applications MAY refuse it: OpenSSL does where it is asked for a usage.',
    holds: ({ input }, { extendedKeyUsage: its }) => {
      const wanted = WANTED[input.question.purpose];
      return its?.includes(OID.anyExtendedKeyUsage) === true && wanted !== undefined && !its.includes(wanted);
    },
  },
  {
    id: 'key-usage-alone',
    errors: [26],
    section: 'RFC 5280 section 4.2.1.12',
    why: 'Which bits go with a usage is said for certificates that have both extensions; OpenSSL wants a fitting key usage in any case.',
    holds: (_, at, depth) => depth === 0 && at.keyUsage !== undefined && at.extendedKeyUsage === undefined,
  },
  {
    id: 'known-critical-extensions',
    errors: [34],
    section: 'RFC 5280 sections 4.2 and 6.1.4 (o)',
    why: 'We decode every extension of section 4.2; OpenSSL refuses some of them when they are critical. Our profile refuses most of these too: they MUST NOT be.',
    holds: (_, at) => NOT_SUPPORTED.some((oid) => has(at, oid, true)),
  },
  {
    id: 'common-name-is-no-host',
    errors: NAME_ERRORS,
    section: 'RFC 5280 section 4.2.1.10, RFC 9525 section 2',
    why: 'Constraints on dNSName bind dNSNames; OpenSSL binds a common name that looks like one where there is none.',
    holds: (accepted, at, depth) =>
      depth === 0 &&
      at.subjectAltName?.some(({ kind }) => kind === 'dns') !== true &&
      commonNames(at).some((text) => /^[\w-]+(\.[\w-]+)+$/u.test(text)) &&
      isConstrained(accepted, 'dns'),
  },
  {
    id: 'subject-email-beside-alternative-names',
    errors: NAME_ERRORS,
    section: 'RFC 5280 section 4.2.1.10',
    why: 'Constraints on rfc822Name bind emailAddress of the subject where there is no subjectAltName; OpenSSL binds it in any case.',
    holds: (accepted, at) =>
      hasSubjectEmail(at) && at.subjectAltName !== undefined && isConstrained(accepted, 'email'),
  },
  {
    id: 'empty-base-holds-all',
    errors: [47],
    section: 'RFC 5280 section 4.2.1.10',
    why: 'What an empty base of rfc822Name or URI holds is not said: here, as for dNSName, everything (so have Go and NSS), and in OpenSSL nothing. Excluded, it refuses everything here.',
    holds: (accepted, at) =>
      bases(accepted).some(
        (base) =>
          (base.kind === 'email' || base.kind === 'uri') &&
          base.value === '' &&
          (at.subjectAltName?.some((one) => one.kind === base.kind || isMailboxName(one)) === true ||
            hasSubjectEmail(at)),
      ),
  },
  {
    id: 'user-information-is-no-host',
    errors: NAME_ERRORS,
    section: 'RFC 3986 section 3.2, RFC 5280 section 4.2.1.10',
    why: 'A constraint on URIs is one on the host; OpenSSL takes what stands before an @ for a part of it.',
    holds: (accepted, at) =>
      at.subjectAltName?.some((one) => one.kind === 'uri' && /^[^/]*\/\/[^/]*@/u.test(one.value)) === true &&
      isConstrained(accepted, 'uri'),
  },
  {
    id: 'wildcard-below-one-label',
    errors: [62],
    section: 'RFC 9525 section 6.3',
    why: 'A wildcard is the whole left-most label of any name; OpenSSL wants two labels behind it.',
    holds: (_, at) =>
      at.subjectAltName?.some((one) => one.kind === 'dns' && /^\*\.[^.]+$/u.test(one.value)) === true,
  },
  {
    id: 'key-identifiers-of-lists-are-hints',
    errors: [3, 44],
    section: 'RFC 5280 sections 5.2.1 and 6.3.3 (f)',
    why: 'The key identifier of a list helps to find its signer; the signature tells. OpenSSL does not use a list whose identifier is not that of the issuer.',
    holds: (accepted, _, depth) => {
      const above = accepted.chain[depth + 1];
      return (
        above !== undefined &&
        lists(accepted).some(
          (list) => nameKey(list.issuer) === nameKey(above.subject) && pointsElsewhere(list, above),
        )
      );
    },
  },
  {
    id: 'list-signer-beside-the-path',
    errors: [3, 8, 12, 35, 54],
    section: 'RFC 5280 section 6.3.3 (f)',
    why: 'Who signs a list may have any path to the same anchor, and a status of its own; OpenSSL takes the first certificate of the name, and validates no path whose signer needs another.',
    holds: ({ input, chain }) =>
      input.question.revocation &&
      (input.certificates.some(({ role }) => role === 'signer') || chain.slice(1, -1).some(isSelfIssued)),
  },
  {
    id: 'delta-that-cannot-be-used',
    errors: [8, 36],
    section: 'RFC 5280 sections 5.2.4 and 6.3.3 (a)(1)',
    why: 'A complete list that is fresh tells the status without a delta: one that is forged or has an unknown critical extension changes nothing; OpenSSL refuses when it has chosen it.',
    holds: (accepted) => lists(accepted).some(({ deltaCRLIndicator }) => deltaCRLIndicator !== undefined),
  },
  {
    id: 'delta-that-has-expired',
    errors: [23],
    section: 'RFC 5280 section 6.3.3 (a)(1) and (c)',
    why: 'The delta that is combined is a current one, and a complete list that is fresh does without; OpenSSL takes revocations from a delta after its nextUpdate.',
    holds: (accepted) =>
      lists(accepted).some(
        ({ deltaCRLIndicator, nextUpdateMs }) =>
          deltaCRLIndicator !== undefined &&
          nextUpdateMs !== undefined &&
          nextUpdateMs < accepted.input.question.at.getTime(),
      ),
  },
  {
    id: 'profile-key-usage-of-cas',
    errors: [81, 92],
    section: 'RFC 5280 sections 4.2.1.3, 4.2.1.9 and 6.1.4 (n)',
    why: 'keyUsage MUST be in what CAs issue to CAs; section 6 looks at it if it is present, and so does our profile.',
    holds: (_, at) => at.basicConstraints?.ca === true && at.keyUsage === undefined,
  },
  {
    id: 'profile-basic-constraints-not-critical',
    errors: [89],
    section: 'RFC 5280 section 4.2.1.9',
    why: 'They MUST be critical in what CAs issue; NIST PKITS 4.6.4 wants an intermediate without that accepted, and our profile refuses it of anchors alone.',
    holds: ({ chain }, at, depth) => depth < chain.length - 1 && has(at, OID.basicConstraints, false),
  },
  {
    id: 'anchor-of-version-1',
    errors: [79],
    section: 'RFC 5280 section 6.1.1 (d)',
    why: 'An anchor is a name and a key; one of version 1 cannot say that it is a CA. OpenSSL wants it said with -x509_strict.',
    holds: ({ chain }, at, depth) => depth === chain.length - 1 && at.version === 1,
  },
];
