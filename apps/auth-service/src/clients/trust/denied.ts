/**
 * Whether a path has somebody on it who is denied.
 *
 * An ECDSA signature (r, s) has a twin (r, n - s) that verifies as well, and anybody can compute it: the holder of a denied
 * certificate could write it anew with another fingerprint. So a certificate is looked up by both.
 */
import { hash } from 'node:crypto';
import type { Certificate, Valid } from '@sallyport/x509';
import { toHex } from '@sallyport/crypto';
import { serialEntry, type DenyList } from '../../domain/deny-list.ts';

/** Orders of the groups of P-256, P-384 and P-521 (SP 800-186 section 3.2.1). */
const ORDERS: readonly bigint[] = [
  0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
  0x1fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n,
];
/** RFC 5758 section 3.2: ecdsa-with-SHA2. */
const ECDSA = '1.2.840.10045.4.3.';

/** The anchor's own certificate and key are looked up too. */
export function isDenied({ path, anchor }: Valid, denied: DenyList): boolean {
  const keys = [...path, anchor].map(({ subjectPublicKeyInfo }) => hash('sha256', subjectPublicKeyInfo.der));
  if (keys.some((key) => denied.keys.has(key))) return true;
  const isNumbered = path.some(({ serialNumber }, index) =>
    denied.serials.has(serialEntry(keys[index + 1] ?? '', toHex(serialNumber))),
  );
  if (isNumbered || denied.certificates.size === 0) return isNumbered;
  const fingerprints = path.flatMap(fingerprintsOf);
  if (anchor.certificate !== undefined) fingerprints.push(anchor.certificate.fingerprint);
  return fingerprints.some((fingerprint) => denied.certificates.has(fingerprint));
}

/** Of every certificate that says the same with a signature that follows from this one. */
function fingerprintsOf(certificate: Certificate): readonly string[] {
  const { fingerprint, signatureAlgorithm, signatureValue } = certificate;
  if (!signatureAlgorithm.oid.startsWith(ECDSA)) return [fingerprint];
  const { r, s } = integersOf(signatureValue);
  const twins = ORDERS.filter((order) => s < order).map((order) =>
    hash('sha256', withSignature(certificate, sequence(r, integer(order - s)))),
  );
  return [fingerprint, ...twins];
}

/** Of a Ecdsa-Sig-Value that was verified, so is strict DER. `r` is its whole DER. */
function integersOf(value: Uint8Array): { readonly r: Uint8Array; readonly s: bigint } {
  const header = (value[1] ?? 0) < 0x80 ? 2 : 3;
  const rEnd = header + 2 + (value[header + 1] ?? 0);
  return { r: value.subarray(header, rEnd), s: BigInt(`0x${toHex(value.subarray(rEnd + 2))}`) };
}

function withSignature({ tbs, signatureAlgorithm }: Certificate, value: Uint8Array): Uint8Array {
  return sequence(tbs, signatureAlgorithm.der, element(0x03, [Uint8Array.of(0), value]));
}

function sequence(...parts: readonly Uint8Array[]): Uint8Array {
  return element(0x30, parts);
}

function integer(value: bigint): Uint8Array {
  const digits = value.toString(16);
  const hex = digits.length % 2 === 0 ? digits : `0${digits}`;
  const octets = Buffer.from(hex, 'hex');
  return element(0x02, (octets[0] ?? 0) < 0x80 ? [octets] : [Uint8Array.of(0), octets]);
}

/** DER with a length in the fewest octets (X.690 section 10.1). */
function element(tag: number, parts: readonly Uint8Array[]): Uint8Array {
  const content = Buffer.concat(parts);
  const digits = content.length.toString(16);
  const length = Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, 'hex');
  const header = content.length < 0x80 ? [tag, content.length] : [tag, 0x80 | length.length, ...length];
  return Buffer.concat([Uint8Array.from(header), content]);
}
