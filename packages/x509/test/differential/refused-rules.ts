/** Why a path that `openssl verify` accepts is refused. The first rule that holds is the explanation. */
import { anchorFromKey } from '../../src/build/anchors.ts';
import { parseCertificate } from '../../src/certificate/parse-certificate.ts';
import type { Certificate } from '../../src/certificate/types.ts';
import type { Reason } from '../../src/reasons.ts';
import type { Refused, RefusedRule } from './rule.ts';
import { OID } from '../support/pki.ts';
import type { Case } from './case.ts';
import { lists } from './facts.ts';
import { judgeOurselves } from './ours.ts';

/** The failure, by what it says. */
const says =
  (reason: Reason, detail: RegExp) =>
  ({ failure }: Refused): boolean =>
    failure.reason === reason && detail.test(failure.detail);

/** Valid with the name and the key of each anchor, without what its certificate says (and without lists). */
const isForTheAnchor = ({ input }: Refused): boolean => {
  const question = { ...input.question, revocation: false };
  return judgeOurselves({ ...input, question }, false, ({ subject, subjectPublicKeyInfo }) =>
    anchorFromKey(subject, subjectPublicKeyInfo),
  ).valid;
};

/** What cannot be read is not there for us: the leaf, who would have issued it, a list. */
const unread = (problem: RegExp): Pick<RefusedRule, 'holds'> => ({
  holds: ({ ours }) => ours.unread.some((one) => problem.test(one)),
});

const certificatesOf = ({ certificates }: Case): readonly Certificate[] =>
  certificates.flatMap(({ der }) => {
    const parsed = parseCertificate(der);
    return parsed.ok ? [parsed.value] : [];
  });

const isAnyPolicyInhibited = (input: Case): boolean =>
  input.question.policies.inhibitAny === true ||
  certificatesOf(input).some(({ inhibitAnyPolicy }) => inhibitAnyPolicy !== undefined);

const leafHasWildcard = ({ input }: Refused): boolean =>
  input.certificates.some(({ role, der }) => role === 'leaf' && Buffer.from(der).includes('*.'));

const CONSTRAINED = 'name_constraints';

export const refusedRules: readonly RefusedRule[] = [
  {
    id: 'anchor-binds-policies',
    section: 'RFC 5937 section 3.2',
    why: 'Policies, policy constraints and inhibitAnyPolicy of an anchor bind what is below it; OpenSSL begins below the anchor.',
    holds: (refused) => refused.failure.reason === 'policy' && isForTheAnchor(refused),
  },
  {
    id: 'mapping-needs-any-policy',
    section: 'RFC 5280 sections 6.1.3 (d)(2) and 6.1.4 (b)(1)',
    why: 'Where anyPolicy is inhibited, a certificate that lists nothing else has no node to map; OpenSSL makes one of its mappings.',
    holds: ({ input, failure }) =>
      failure.reason === 'policy' &&
      isAnyPolicyInhibited(input) &&
      certificatesOf(input).some(
        ({ certificatePolicies, policyMappings }) =>
          policyMappings !== undefined &&
          certificatePolicies?.some(({ oid }) => oid === OID.anyPolicy) === true,
      ),
  },
  {
    id: 'anchor-is-a-ca',
    section: 'RFC 5280 sections 4.2.1.9 and 6.1.4 (k)',
    why: 'An anchor of version 3 without basicConstraints does not say that it is a CA; OpenSSL takes it for one when it is self-signed or may sign certificates.',
    holds: says('not_a_ca', /^the anchor is no CA/u),
  },
  {
    id: 'critical-extension-of-others',
    section: 'RFC 5280 sections 4.2, 6.1.4 (o) and 6.1.5 (f)',
    why: 'A critical extension that is not recognised refuses, in an anchor too (RFC 5937 section 3.2); OpenSSL recognises that of Netscape.',
    holds: says('unknown_critical_extension', /2\.16\.840\.1\.113730\.1\.1/u),
  },
  {
    id: 'basic-constraints-are-there',
    section: 'RFC 5280 section 6.1.4 (k)',
    why: 'An issuer says cA in basicConstraints and in nothing else; OpenSSL also takes keyCertSign for it.',
    holds: says('not_a_ca', /does not say/u),
  },
  {
    id: 'algorithm-inside-and-outside',
    section: 'RFC 5280 section 4.1.1.2',
    why: 'Both fields MUST be the same; OpenSSL compares them with -x509_strict alone, and not those of an anchor.',
    holds: says('algorithm_mismatch', /inside/u),
  },
  {
    id: 'algorithm-parameters',
    section: 'RFC 5758 section 3.2, RFC 8410 section 3, RFC 4055 section 5',
    why: 'Parameters of signature algorithms are absent, or NULL for RSA; OpenSSL does not look at them.',
    holds: says('algorithm_refused', /wrong parameters/u),
  },
  {
    id: 'curves',
    section: 'RFC 5480 section 2.1.1',
    why: 'Keys are on P-256, P-384 and P-521 here; OpenSSL knows secp256k1 and others.',
    holds: says('key_refused', /curve/u),
  },
  {
    id: 'ed448',
    section: 'RFC 5280 section 6.1.1 (d), RFC 8410',
    why: 'Which algorithms are taken is for the validator: Ed448 is not among ours.',
    holds: says('key_refused', /1\.3\.101\.113/u),
  },
  {
    id: 'malformed-base',
    section: 'RFC 5280 section 4.2.1.10',
    why: 'A base that is no name of its form (a leading period in a dNSName, a mask with holes, a whole URI) cannot be processed, and then the certificate below is refused; OpenSSL compares the characters.',
    holds: says(CONSTRAINED, /under a malformed/u),
  },
  {
    id: 'malformed-name-under-constraints',
    section: 'RFC 5280 sections 4.2.1.6 and 4.2.1.10',
    why: 'A name that is none of its form is in no subtree and may be in each; OpenSSL compares the characters.',
    holds: says(CONSTRAINED, /^a malformed/u),
  },
  {
    id: 'wildcard-touches-excluded',
    section: 'RFC 5280 section 4.2.1.10, RFC 9525 section 6.3',
    why: 'A wildcard stands for hosts that are excluded, although it is not written like them.',
    holds: (refused) => says(CONSTRAINED, /^dNSName is in an excluded/u)(refused) && leafHasWildcard(refused),
  },
  {
    id: 'host-behind-user-information',
    section: 'RFC 3986 section 3.2, RFC 5280 section 4.2.1.10',
    why: 'A constraint on URIs is one on the host; OpenSSL takes what stands before an @ for a part of it, and so for another host.',
    holds: says(CONSTRAINED, /^uniformResourceIdentifier is in an excluded/u),
  },
  {
    id: 'constraint-on-a-form-without-rules',
    section: 'RFC 5280 section 4.2.1.10',
    why: 'A constraint on a form whose rules are not known is processed or refuses each name of the form; OpenSSL goes by the type of an otherName.',
    holds: says(CONSTRAINED, /of the form \w+ are not processed/u),
  },
  {
    id: 'subject-is-no-address',
    section: 'RFC 9525 section 2',
    why: 'An expected name is looked for in subjectAltName alone; OpenSSL also looks at emailAddress and the common name of the subject.',
    holds: says('name_mismatch', /^no subjectAltName/u),
  },
  {
    id: 'mapped-any-policy',
    section: 'RFC 5280 section 6.1.4 (a)',
    why: 'anyPolicy is mapped; OpenSSL does not see it where the mappings are not used.',
    holds: says('policy', /anyPolicy is mapped/u),
  },
  {
    id: 'list-number',
    section: 'RFC 5280 section 5.2.3',
    why: 'Every list of version 2 has a number; OpenSSL does not ask for it.',
    holds: says('revocation_unknown', /no CRL number/u),
  },
  {
    id: 'list-algorithm-inside-and-outside',
    section: 'RFC 5280 section 5.1.1.2',
    why: 'Both fields of a list MUST be the same; OpenSSL does not compare them.',
    holds: says('revocation_unknown', /two signature algorithms/u),
  },
  {
    id: 'list-next-update',
    section: 'RFC 5280 section 5.1.2.5',
    why: 'nextUpdate is in every list; OpenSSL takes a list without it for fresh for ever.',
    holds: says('revocation_unknown', /no nextUpdate/u),
  },
  {
    id: 'unknown-critical-in-an-entry',
    section: 'RFC 5280 section 5.3',
    why: 'A list with any critical entry extension that cannot be processed tells no status; OpenSSL looks at the entry that it finds.',
    holds: says('revocation_unknown', /an entry with an unknown critical extension/u),
  },
  {
    id: 'delta-at-hand',
    section: 'RFC 5280 sections 5.2.4 and 6.3.3 (c)',
    why: 'A delta that fits a complete list is combined with it; OpenSSL uses none unless the certificate or the list says where deltas are.',
    holds: ({ input, failure }) =>
      failure.reason === 'revoked' &&
      lists({ input }).some(({ deltaCRLIndicator }) => deltaCRLIndicator !== undefined),
  },
  {
    id: 'indirect-list-of-the-point',
    section: 'RFC 5280 section 6.3.3',
    why: 'The lists of the distribution points are read first, and all of them here; OpenSSL takes the list of the issuer for enough.',
    holds: ({ input, failure }) =>
      failure.reason === 'revoked' &&
      lists({ input }).some(({ issuingDistributionPoint }) => issuingDistributionPoint?.indirectCRL === true),
  },
  {
    id: 'list-signer-may-sign-lists',
    section: 'RFC 5280 section 6.3.3 (f)',
    why: 'Whose key usage lacks cRLSign signs no lists; openssl verify says so in the path of the signer and goes on.',
    holds: says('revocation_unknown', /a signer without the key usage cRLSign/u),
  },
  {
    id: 'remove-from-complete-list',
    section: 'RFC 5280 section 5.3.1',
    why: 'removeFromCRL appears in deltas alone: a complete list that has it is no evidence; OpenSSL takes the certificate for good.',
    holds: says('revocation_unknown', /removeFromCRL in a complete list/u),
  },
  {
    id: 'profile-authority-key-identifier',
    section: 'RFC 5280 section 4.2.1.1',
    why: 'Every certificate has the key identifier of its issuer but one that is self-signed; OpenSSL does not ask for it in version 1.',
    holds: says('profile', /no key identifier of the issuer/u),
  },
  {
    id: 'profile-serial-number',
    section: 'RFC 5280 section 4.1.2.2',
    why: 'Serial numbers are positive and have 20 octets at most; OpenSSL has no rule about them.',
    holds: says('profile', /serial number/u),
  },
  {
    id: 'profile-host-names',
    section: 'RFC 5280 section 4.2.1.6',
    why: 'A dNSName is in the preferred name syntax; OpenSSL has no rule about it.',
    holds: says('profile', /is no host name/u),
  },
  {
    id: 'profile-usage-of-signature-keys',
    section: 'RFC 9295 section 3',
    why: 'Keys that only sign are not for encryption or agreement; OpenSSL has no rule about it.',
    holds: says('profile', /of a key that only signs/u),
  },
  {
    id: 'malformed-list',
    section: 'RFC 5280 section 5.1, X.690 sections 8 and 11',
    why: 'A list that is not what its ASN.1 says tells no status; OpenSSL does not look at all of it.',
    ...unread(/^list: /u),
  },
  {
    id: 'version-and-extensions',
    section: 'RFC 5280 sections 4.1.2.1 and 4.1.2.9',
    why: 'Versions are 1 to 3, and extensions appear in version 3 alone; OpenSSL reads them in any.',
    ...unread(/extensions in v|a version other/u),
  },
  {
    id: 'extension-twice',
    section: 'RFC 5280 section 4.2',
    why: 'A certificate has no extension twice; OpenSSL looks at those that it uses in each validation.',
    ...unread(/is there twice/u),
  },
  {
    id: 'address-length',
    section: 'RFC 5280 sections 4.2.1.6 and 4.2.1.10',
    why: 'Addresses have 4 or 16 octets, and with their mask 8 or 32; OpenSSL reads others and compares none of them.',
    ...unread(/an IP address/u),
  },
  {
    id: 'sizes-in-known-extensions',
    section: 'RFC 5280 appendix A',
    why: 'What is a list has an element at least; OpenSSL reads the extension where it uses it.',
    ...unread(/\bno (?:distribution point|element|name|polic)|without a|is empty|an empty/u),
  },
  {
    id: 'malformed-known-extension',
    section: 'RFC 5280 section 4.2, X.690 sections 8 and 11',
    why: 'Each extension of section 4.2 is decoded when a certificate is read; OpenSSL decodes those that a validation uses.',
    ...unread(
      /expected, not|is missing|after the last element|not a PrintableString|the input ends|beyond|minimal|bits|zero octets|INTEGER|BOOLEAN|OBJECT IDENTIFIER/u,
    ),
  },
];
