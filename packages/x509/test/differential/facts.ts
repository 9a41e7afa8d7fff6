/** What rules ask of a certificate, a path or the lists of a case. */
import type { Certificate, GeneralName, Name } from '../../src/certificate/types.ts';
import { nameKey } from '../../src/names/name-key.ts';
import { parseCertificateList } from '../../src/revocation/crl/parse.ts';
import type { CertificateList } from '../../src/revocation/crl/types.ts';
import type { Accepted } from './rule.ts';

export const lists = ({ input }: Pick<Accepted, 'input'>): readonly CertificateList[] =>
  input.crls.flatMap((der) => {
    const parsed = parseCertificateList(der);
    return parsed.ok ? [parsed.value] : [];
  });

export const isSelfIssued = ({ subject, issuer }: Certificate): boolean =>
  nameKey(subject) === nameKey(issuer);

export const pairs = ({
  chain,
}: Accepted): readonly (readonly [issued: Certificate, issuer: Certificate])[] =>
  chain.slice(1).map((issuer, place) => [chain[place] as Certificate, issuer] as const);

const same = (a: Uint8Array | undefined, b: Uint8Array | undefined): boolean =>
  a !== undefined && b !== undefined && Buffer.compare(a, b) === 0;

/** What is in authorityKeyIdentifier is not what the issuer says of itself. */
export function pointsElsewhere(
  issued: Pick<Certificate, 'authorityKeyIdentifier'>,
  issuer: Certificate,
): boolean {
  const { keyIdentifier, serialNumber } = issued.authorityKeyIdentifier ?? {};
  const { subjectKeyIdentifier } = issuer;
  const areBoth = keyIdentifier !== undefined && subjectKeyIdentifier !== undefined;
  if (areBoth && !same(keyIdentifier, subjectKeyIdentifier)) return true;
  return serialNumber !== undefined && !same(serialNumber, issuer.serialNumber);
}

export const areEncodedAlike = ({ subject, issuer }: Certificate): boolean => same(subject.der, issuer.der);

/** Of signatures that a key of the kind makes. */
const SIGNATURES: Readonly<Record<string, string>> = {
  '1.2.840.113549.1.1.1': '1.2.840.113549.1.1.',
  '1.2.840.10045.2.1': '1.2.840.10045.4.',
};

/** As its algorithm says, the certificate was not signed by its own key: an RSA signature of an EC key. */
export function isSignedByAnotherKind({ subjectPublicKeyInfo, signatureAlgorithm }: Certificate): boolean {
  const { oid } = subjectPublicKeyInfo.algorithm;
  return !signatureAlgorithm.oid.startsWith(SIGNATURES[oid] ?? oid);
}

export const has = (certificate: Certificate, oid: string, criticality?: boolean): boolean =>
  certificate.extensions.some(
    (one) => one.oid === oid && (criticality === undefined || one.critical === criticality),
  );

/** Bases of name constraints anywhere in the path. */
export const bases = ({ chain }: Accepted): readonly GeneralName[] =>
  chain.flatMap(({ nameConstraints: its }) =>
    [...(its?.permitted ?? []), ...(its?.excluded ?? [])].map(({ base }) => base),
  );

export const isConstrained = (accepted: Accepted, kind: GeneralName['kind']): boolean =>
  bases(accepted).some((base) => base.kind === kind);

export const commonNames = ({ subject }: Certificate): readonly string[] =>
  subject.rdns
    .flat()
    .filter(({ type }) => type === '2.5.4.3')
    .map(({ value }) => Buffer.from(value).toString('latin1'));

export const hasSubjectEmail = ({ subject }: Certificate): boolean =>
  subject.rdns.flat().some(({ type }) => type === '1.2.840.113549.1.9.1');

/** Soft hyphens and control characters: RFC 4518 section 2.2 maps them to nothing. */
export const hasUnseenCharacters = ({ rdns }: Name): boolean =>
  rdns.flat().some(({ value }) => Buffer.from(value).toString().split('').some(isUnseen));
const isUnseen = (character: string): boolean =>
  character < ' ' || character === '\u{7f}' || character === '\u{ad}';
