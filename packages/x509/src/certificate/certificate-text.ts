/** A certificate for people to read: what it says, one thing on a line. What is in the certificate cannot add lines. */
import { readDer } from '../der/reader.ts';
import { OID, SEQUENCE } from '../der/tags.ts';
import { extensionLines } from './extension-text.ts';
import { nameText } from './name-text.ts';
import { oidName } from './oid-names.ts';
import type { AlgorithmIdentifier, Certificate, SubjectPublicKeyInfo } from './types.ts';

/** Indented text of several lines, without a line end behind the last. */
export function certificateText(certificate: Certificate): string {
  const { validity, extensions } = certificate;
  return [
    `Certificate v${certificate.version}`,
    `  Subject:     ${nameText(certificate.subject) || '(empty)'}`,
    `  Issuer:      ${nameText(certificate.issuer) || '(empty)'}`,
    `  Serial:      ${hexPairs(certificate.serialNumber)}`,
    `  Valid from:  ${timeText(validity.notBeforeMs)}`,
    `  Valid until: ${timeText(validity.notAfterMs)}`,
    `  Public key:  ${publicKeyText(certificate.subjectPublicKeyInfo)}`,
    `  Signature:   ${signatureText(certificate)}`,
    `  SHA-256:     ${certificate.fingerprint}`,
    ...(certificate.hasUniqueId ? ['  Unique identifiers are present.'] : []),
    ...(extensions.length > 0 ? ['  Extensions:'] : []),
    ...extensions.flatMap((extension) => extensionLines(certificate, extension)).map((line) => `    ${line}`),
  ].join('\n');
}

/** RFC 3339 in UTC, seconds. */
export const timeText = (ms: number): string => new Date(ms).toISOString().replace('.000Z', 'Z');

/** `01:af:…` */
export const hexPairs = (octets: Uint8Array): string =>
  Buffer.from(octets)
    .toString('hex')
    .replaceAll(/..(?=.)/gu, '$&:');

/** `EC P-256`, `RSA 2048 bits`, `Ed25519`. */
export function publicKeyText({ algorithm, bits }: SubjectPublicKeyInfo): string {
  const name = oidName(algorithm.oid);
  if (name === 'EC') return `EC ${curveText(algorithm)}`;
  return name === 'RSA' || name === 'RSA-PSS' ? `${name} ${modulusBits(bits)}` : name;
}

function curveText({ parameters }: AlgorithmIdentifier): string {
  const curve = parameters && readDer(parameters, 64, (reader) => reader.oid(OID));
  return curve?.ok === true ? oidName(curve.value) : 'with parameters that name no curve';
}

function modulusBits(key: Uint8Array): string {
  const modulus = readDer(key, 65_536, (reader) => {
    const outer = reader.open(SEQUENCE);
    const octets = reader.integer();
    reader.skip();
    reader.close(outer);
    return octets;
  });
  if (!modulus.ok) return 'key that is malformed';
  const first = modulus.value.findIndex((octet) => octet !== 0);
  if (first === -1) return '0 bits';
  return `${(modulus.value.length - first) * 8 - Math.clz32(modulus.value[first] ?? 0) + 24} bits`;
}

/** The algorithm, and a word where the two places for it disagree (RFC 5280 section 4.1.1.2). */
function signatureText({ signature, signatureAlgorithm }: Certificate): string {
  const outside = oidName(signatureAlgorithm.oid);
  return Buffer.compare(signature.der, signatureAlgorithm.der) === 0
    ? outside
    : `${outside} (inside the signed part: ${oidName(signature.oid)})`;
}
