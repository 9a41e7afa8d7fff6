/**
 * Why a path that `openssl verify` refuses is valid. Each rule names the errors that it explains and looks at the case for
 * what causes them, so that the same error for another cause stays unexplained.
 */
import { nameKey } from '../../src/names/name-key.ts';
import { parseCertificateList } from '../../src/revocation/crl/parse.ts';
import type { CertificateList } from '../../src/revocation/crl/types.ts';
import type { Certificate, GeneralName } from '../../src/certificate/types.ts';
import { OID } from '../support/pki.ts';
import type { Accepted, AcceptedRule } from './compare.ts';

const lists = ({ input }: Accepted): readonly CertificateList[] =>
  input.crls.flatMap((der) => {
    const parsed = parseCertificateList(der);
    return parsed.ok ? [parsed.value] : [];
  });

const isSelfIssued = ({ subject, issuer }: Certificate): boolean => nameKey(subject) === nameKey(issuer);

const pairs = ({ chain }: Accepted): readonly (readonly [issued: Certificate, issuer: Certificate])[] =>
  chain.slice(1).map((issuer, place) => [chain[place] as Certificate, issuer] as const);

const same = (a: Uint8Array | undefined, b: Uint8Array | undefined): boolean =>
  a !== undefined && b !== undefined && Buffer.compare(a, b) === 0;

/** What is in authorityKeyIdentifier is not what the issuer says of itself. */
function pointsElsewhere(issued: Certificate, issuer: Certificate): boolean {
  const { keyIdentifier, serialNumber } = issued.authorityKeyIdentifier ?? {};
  const { subjectKeyIdentifier } = issuer;
  if (
    keyIdentifier !== undefined &&
    subjectKeyIdentifier !== undefined &&
    !same(keyIdentifier, subjectKeyIdentifier)
  )
    return true;
  return serialNumber !== undefined && !same(serialNumber, issuer.serialNumber);
}

const isEncodedAlike = ({ subject, issuer }: Certificate): boolean => same(subject.der, issuer.der);

/** An RSA signature on an EC key, as it says: nobody signed that with this key. */
const SIGNERS: Readonly<Record<string, RegExp>> = {
  '1.2.840.113549.1.1.1': /^1\.2\.840\.113549\.1\.1\./u,
  '1.2.840.10045.2.1': /^1\.2\.840\.10045\.4\./u,
};
function hasForeignAlgorithm({ subjectPublicKeyInfo, signatureAlgorithm }: Certificate): boolean {
  const { oid } = subjectPublicKeyInfo.algorithm;
  const fitting = SIGNERS[oid];
  return fitting === undefined ? oid !== signatureAlgorithm.oid : !fitting.test(signatureAlgorithm.oid);
}

const critical =
  (oids: readonly string[]) =>
  ({ chain }: Accepted): boolean =>
    chain.some(({ extensions }) => extensions.some((one) => one.critical && oids.includes(one.oid)));

/** Bases of name constraints anywhere in the path. */
const bases = ({ chain }: Accepted): readonly GeneralName[] =>
  chain.flatMap(({ nameConstraints: its }) =>
    [...(its?.permitted ?? []), ...(its?.excluded ?? [])].map(({ base }) => base),
  );

const commonNames = ({ subject }: Certificate): readonly string[] =>
  subject.rdns
    .flat()
    .filter(({ type }) => type === '2.5.4.3')
    .map(({ value }) => Buffer.from(value).toString('latin1'));

const hasSubjectEmail = ({ subject }: Certificate): boolean =>
  subject.rdns.flat().some(({ type }) => type === '1.2.840.113549.1.9.1');

const NAME_ERRORS = [47, 48, 53];
const WANTED = { client: OID.clientAuth, server: OID.serverAuth, any: undefined } as const;

export const acceptedRules: readonly AcceptedRule[] = [
  {
    id: 'not-after-is-inside',
    errors: [10],
    section: 'RFC 5280 section 4.1.2.5',
    why: 'A validity is from notBefore through notAfter, inclusive; OpenSSL ends it a second earlier.',
    holds: ({ chain, input }) =>
      chain.some(({ validity }) => validity.notAfterMs === input.question.at.getTime()),
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
    id: 'anchor-is-a-name-and-a-key',
    errors: [2, 20],
    section: 'RFC 5280 section 6.1.1 (d)',
    why: 'An anchor need not be self-signed; OpenSSL wants that of an anchor, unless -partial_chain is given.',
    holds: ({ chain }) => {
      const anchor = chain.at(-1) as Certificate;
      return (
        !isSelfIssued(anchor) ||
        pointsElsewhere(anchor, anchor) ||
        !isEncodedAlike(anchor) ||
        hasForeignAlgorithm(anchor)
      );
    },
  },
  {
    id: 'key-identifiers-are-hints',
    errors: [18, 19, 20],
    section: 'RFC 5280 sections 4.2.1.1 and 6.1.3',
    why: 'Key identifiers help to build a path (RFC 4158 section 3.5.12); no step of section 6 compares them. OpenSSL takes nobody for the issuer whose identifiers differ.',
    holds: (accepted) => pairs(accepted).some(([issued, issuer]) => pointsElsewhere(issued, issuer)),
  },
  {
    id: 'names-are-prepared',
    errors: [20],
    section: 'RFC 5280 section 7.1',
    why: 'Names are compared after the preparation of RFC 4518, which maps soft hyphens to nothing; OpenSSL folds the case of ASCII letters and white space.',
    holds: (accepted) =>
      pairs(accepted).some(([issued, issuer]) =>
        [issued.issuer, issuer.subject].some(({ der }) => Buffer.from(der).includes(Buffer.from('\u{ad}'))),
      ),
  },
  {
    id: 'self-issued-is-not-self-signed',
    errors: [18],
    section: 'RFC 5280 section 3.2',
    why: 'A certificate with the same subject and issuer may be signed by another key; OpenSSL looks for no issuer of such a leaf.',
    holds: ({ chain }) => isSelfIssued(chain[0] as Certificate),
  },
  {
    id: 'anchor-is-not-in-the-path',
    errors: [3, 23],
    section: 'RFC 5280 section 6.1',
    why: 'The anchor is no certificate of the path, and its own status is not asked for; OpenSSL looks for it in the lists.',
    holds: (accepted) => {
      const anchor = accepted.chain.at(-1) as Certificate;
      return lists(accepted).some((list) => list.entries.find(anchor.serialNumber).length > 0);
    },
  },
  {
    id: 'any-usage',
    errors: [26],
    section: 'RFC 5280 section 4.2.1.12',
    why: 'anyExtendedKeyUsage stands for every usage, and applications MAY refuse it: OpenSSL does where it is asked for a usage.',
    holds: ({ chain, input }) => {
      const wanted = WANTED[input.question.purpose];
      return chain.some(
        ({ extendedKeyUsage: its }) =>
          its?.includes(OID.anyExtendedKeyUsage) === true && wanted !== undefined && !its.includes(wanted),
      );
    },
  },
  {
    id: 'key-usage-alone',
    errors: [26],
    section: 'RFC 5280 section 4.2.1.12',
    why: 'What usages a key usage goes with is said for certificates that have both extensions; OpenSSL asks for a fitting key usage in any case.',
    holds: ({ chain }) => chain[0]?.keyUsage !== undefined && chain[0].extendedKeyUsage === undefined,
  },
  {
    id: 'known-critical-extensions',
    errors: [34],
    section: 'RFC 5280 sections 4.2 and 6.1.4 (o)',
    why: 'We decode every extension of section 4.2; OpenSSL refuses some of them when they are critical. Our profile refuses these too: they MUST NOT be.',
    holds: critical([
      OID.subjectKeyIdentifier,
      OID.authorityKeyIdentifier,
      OID.issuerAltName,
      OID.freshestCRL,
      OID.authorityInfoAccess,
    ]),
  },
  {
    id: 'common-name-is-no-host',
    errors: NAME_ERRORS,
    section: 'RFC 5280 section 4.2.1.10, RFC 9525 section 2',
    why: 'Constraints on dNSName bind dNSNames; OpenSSL binds a common name that looks like one where there is none.',
    holds: (accepted) => {
      const leaf = accepted.chain[0] as Certificate;
      const hasDns = leaf.subjectAltName?.some(({ kind }) => kind === 'dns') === true;
      return (
        !hasDns &&
        commonNames(leaf).some((text) => /^[\w-]+(\.[\w-]+)+$/u.test(text)) &&
        bases(accepted).some(({ kind }) => kind === 'dns')
      );
    },
  },
  {
    id: 'subject-email-beside-alternative-names',
    errors: NAME_ERRORS,
    section: 'RFC 5280 section 4.2.1.10',
    why: 'Constraints on rfc822Name bind emailAddress of the subject where there is no subjectAltName; OpenSSL binds it in any case.',
    holds: (accepted) =>
      accepted.chain.some((one) => hasSubjectEmail(one) && one.subjectAltName !== undefined) &&
      bases(accepted).some(({ kind }) => kind === 'email'),
  },
  {
    id: 'empty-base-holds-all',
    errors: [47],
    section: 'RFC 5280 section 4.2.1.10',
    why: 'What an empty base of rfc822Name or URI holds is not said; we have it as for dNSName, everything (so have Go and NSS), and OpenSSL nothing. Excluded, it refuses everything here.',
    holds: (accepted) =>
      bases(accepted).some((base) => (base.kind === 'email' || base.kind === 'uri') && base.value === ''),
  },
  {
    id: 'wildcard-below-one-label',
    errors: [62],
    section: 'RFC 9525 section 6.3',
    why: 'A wildcard is the whole left-most label of any name; OpenSSL wants two labels behind it.',
    holds: ({ chain, input }) =>
      input.question.name?.kind === 'dns' &&
      chain[0]?.subjectAltName?.some((one) => one.kind === 'dns' && /^\*\.[^.]+$/u.test(one.value)) === true,
  },
  {
    id: 'list-signer-beside-the-path',
    errors: [3, 8, 12, 35, 54],
    section: 'RFC 5280 section 6.3.3 (f)',
    why: 'Who signs a list may have any path to the same anchor, and a status of its own; OpenSSL takes the first certificate of the name, and validates no path whose signer needs another.',
    holds: ({ input }) =>
      input.question.revocation && input.certificates.some(({ role }) => role === 'signer'),
  },
  {
    id: 'profile-key-usage-of-cas',
    errors: [81, 92],
    section: 'RFC 5280 sections 4.2.1.3, 4.2.1.9 and 6.1.4 (n)',
    why: 'keyUsage MUST be in what CAs issue to CAs; section 6 looks at it if it is present, and so does our profile.',
    holds: ({ chain }) => chain.slice(1).some(({ keyUsage }) => keyUsage === undefined),
  },
  {
    id: 'profile-basic-constraints-not-critical',
    errors: [89],
    section: 'RFC 5280 section 4.2.1.9',
    why: 'They MUST be critical in what CAs issue; NIST PKITS 4.6.4 wants an intermediate without that accepted, and our profile refuses it of anchors alone.',
    holds: ({ chain }) =>
      chain
        .slice(1, -1)
        .some(({ extensions }) =>
          extensions.some(({ oid, critical: is }) => oid === OID.basicConstraints && !is),
        ),
  },
  {
    id: 'anchor-of-version-1',
    errors: [79],
    section: 'RFC 5280 section 6.1.1 (d)',
    why: 'An anchor is a name and a key; one of version 1 cannot say that it is a CA. OpenSSL wants it said with -x509_strict.',
    holds: ({ chain }) => chain.at(-1)?.version === 1,
  },
];
