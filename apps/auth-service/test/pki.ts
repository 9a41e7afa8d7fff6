/** Certificate authorities and certificates of every kind, good and bad. */
import 'reflect-metadata';
import { createPrivateKey, webcrypto, X509Certificate, type KeyObject } from 'node:crypto';
import {
  AuthorityInfoAccessExtension,
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  CRLDistributionPointsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  Extension as RawExtension,
  X509CertificateGenerator,
  X509CrlGenerator,
  X509CrlReason,
  type Extension,
} from '@peculiar/x509';

export { KeyUsageFlags };
export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;
export const NOW = Date.UTC(2026, 5, 1, 12);
export const TRUST_DOMAIN = 'sallyport.test';
export const spiffe = (path: string, trustDomain = TRUST_DOMAIN) => `spiffe://${trustDomain}/${path}`;

interface Signer {
  readonly name: string;
  readonly keys: webcrypto.CryptoKeyPair;
}

export interface Authority extends Signer {
  readonly pem: string;
  readonly der: Uint8Array;
}

export interface Leaf {
  /** Leaf first. */
  readonly chainDer: readonly Uint8Array[];
  readonly key: KeyObject;
}

export interface LeafOptions {
  readonly issuer: Authority;
  /** URI names. */
  readonly uris?: readonly string[];
  readonly dns?: readonly string[];
  readonly emails?: readonly string[];
  /** Default: `CN=leaf <number>`. */
  readonly subject?: string;
  /** Where its issuer and its revocation list are said to be. */
  readonly locations?: { readonly caIssuers: string; readonly crl: string };
  /** Extended key usages by OID besides `usages`. */
  readonly moreUsages?: readonly string[];
  readonly usages?: readonly ('client' | 'server')[];
  readonly isCa?: boolean;
  readonly notBefore?: number;
  readonly notAfter?: number;
  /** Intermediates to send along. */
  readonly above?: readonly Uint8Array[];
  /** Signs with its own key instead of the issuer's. */
  readonly isSelfSigned?: boolean;
  /** Key usages of a CA; default keyCertSign. */
  readonly caUsage?: KeyUsageFlags;
}

const P256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
let made = 0;

async function generate(algorithm: webcrypto.Algorithm & { readonly namedCurve?: string }) {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  if (!('privateKey' in keys)) throw new Error('not a pair');
  return keys;
}

export async function createAuthority(
  options: Partial<LeafOptions> & { name?: string } = {},
): Promise<Authority> {
  const keys = await generate(P256);
  const name = options.name ?? `CN=authority ${++made}`;
  const signer = options.issuer ?? { name, keys };
  const certificate = await X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: name,
    issuer: signer.name,
    notBefore: new Date(options.notBefore ?? NOW - DAY),
    notAfter: new Date(options.notAfter ?? NOW + 365 * DAY),
    publicKey: keys.publicKey,
    signingKey: signer.keys.privateKey,
    signingAlgorithm: P256,
    extensions: [
      new BasicConstraintsExtension(options.isCa ?? true, undefined, true),
      new KeyUsagesExtension(options.caUsage ?? KeyUsageFlags.keyCertSign, true),
      ...(await keyIdentifiers(keys, signer.keys)),
    ],
  });
  return { name, keys, pem: certificate.toString('pem'), der: new Uint8Array(certificate.rawData) };
}

export async function createLeaf(options: LeafOptions): Promise<Leaf> {
  const keys = await generate({ name: 'Ed25519' });
  const names = [
    ...(options.uris ?? []).map((value) => ({ type: 'url' as const, value })),
    ...(options.dns ?? []).map((value) => ({ type: 'dns' as const, value })),
    ...(options.emails ?? []).map((value) => ({ type: 'email' as const, value })),
  ];
  const usages = options.usages ?? ['client'];
  const extensions: Extension[] = [
    new BasicConstraintsExtension(options.isCa ?? false, undefined, true),
    new KeyUsagesExtension(
      options.isCa === true ? KeyUsageFlags.keyCertSign : KeyUsageFlags.digitalSignature,
      true,
    ),
    ...(usages.length === 0
      ? []
      : [
          new ExtendedKeyUsageExtension([
            ...usages.map((use) =>
              use === 'client' ? ExtendedKeyUsage.clientAuth : ExtendedKeyUsage.serverAuth,
            ),
            ...(options.moreUsages ?? []),
          ]),
        ]),
    ...(names.length === 0 ? [] : [new SubjectAlternativeNameExtension(names)]),
    ...(await keyIdentifiers(keys, options.isSelfSigned === true ? keys : options.issuer.keys)),
    ...(options.locations === undefined
      ? []
      : [
          new AuthorityInfoAccessExtension({ caIssuers: options.locations.caIssuers }),
          new CRLDistributionPointsExtension([options.locations.crl]),
        ]),
  ];
  const subject = options.subject ?? `CN=leaf ${++made}`;
  const certificate = await X509CertificateGenerator.create({
    serialNumber: serial(),
    subject,
    issuer: options.isSelfSigned === true ? subject : options.issuer.name,
    notBefore: new Date(options.notBefore ?? NOW - DAY),
    notAfter: new Date(options.notAfter ?? NOW + 30 * DAY),
    publicKey: keys.publicKey,
    signingKey: options.isSelfSigned === true ? keys.privateKey : options.issuer.keys.privateKey,
    signingAlgorithm: options.isSelfSigned === true ? { name: 'Ed25519' } : P256,
    extensions,
  });
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return {
    chainDer: [new Uint8Array(certificate.rawData), ...(options.above ?? [])],
    key: createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' }),
  };
}

/** A list of that authority, in DER. */
export async function createCrl(
  issuer: Authority,
  revoked: readonly Uint8Array[] = [],
  { thisUpdate = NOW - HOUR, nextUpdate = NOW + DAY } = {},
): Promise<Uint8Array> {
  const crl = await X509CrlGenerator.create({
    issuer: issuer.name,
    thisUpdate: new Date(thisUpdate),
    nextUpdate: new Date(nextUpdate),
    entries: revoked.map((der) => ({
      serialNumber: new X509Certificate(der).serialNumber,
      revocationDate: new Date(NOW - HOUR),
      reason: X509CrlReason.keyCompromise,
    })),
    // RFC 5280 section 5.2.3: cRLNumber 1.
    extensions: [new RawExtension('2.5.29.20', false, Uint8Array.of(2, 1, 1))],
    signingKey: issuer.keys.privateKey,
    signingAlgorithm: P256,
  });
  return new Uint8Array(crl.rawData);
}

export function derOf(pem: string): Uint8Array {
  return Uint8Array.from(new X509Certificate(pem).raw);
}

/** RFC 5280 sections 4.2.1.1 and 4.2.1.2. */
async function keyIdentifiers(
  subject: webcrypto.CryptoKeyPair,
  issuer: webcrypto.CryptoKeyPair,
): Promise<readonly Extension[]> {
  return [
    await SubjectKeyIdentifierExtension.create(subject.publicKey),
    await AuthorityKeyIdentifierExtension.create(issuer.publicKey),
  ];
}

function serial(): string {
  return `40${Buffer.from(webcrypto.getRandomValues(new Uint8Array(12))).toString('hex')}`;
}
