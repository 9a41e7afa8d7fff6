/**
 * A development certificate authority: ECDSA P-256, one level, issues every identity of the embedded profile.
 *
 * It exists so that `sallyport up` runs with real mutual TLS; a deployment brings cert-manager or SPIRE instead.
 * Profile: RFC 5280 section 4, SPIFFE X509-SVID sections 3 and 4. Keys are made here and leave as PKCS#8 PEM.
 */
import './metadata.ts';
import { createPrivateKey, randomBytes, webcrypto } from 'node:crypto';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
  type Extension,
  type JsonGeneralName,
} from '@peculiar/x509';
import type { Clock } from '../clock/index.ts';
import type { Identity } from './identity.ts';
import { isTrustDomain, parseSpiffeId } from './spiffe.ts';

export type KeyAlgorithm = 'P-256' | 'Ed25519';

export interface DevelopmentCa {
  readonly trustDomain: string;
  /** PEM of the self-signed root: what `Trust.caPem` takes. */
  readonly certPem: string;
  /** PEM, PKCS#8. Whoever has it can be anyone: store with mode 0600. */
  readonly keyPem: string;
}

export interface CreateDevelopmentCa {
  readonly trustDomain: string;
  readonly clock: Pick<Clock, 'now'>;
  /** Default 3650. */
  readonly lifetimeDays?: number;
}

export interface IssueOptions {
  readonly ca: DevelopmentCa;
  readonly clock: Pick<Clock, 'now'>;
  /** The leaf's only URI name; of the authority's trust domain. */
  readonly spiffeId: string;
  readonly keyAlgorithm: KeyAlgorithm;
  /** Further names of a TLS server, for clients that check host names. */
  readonly dns?: readonly string[];
  /** IPv4 or IPv6 addresses in text form. */
  readonly ip?: readonly string[];
  /** Default 90. */
  readonly lifetimeDays?: number;
  /** Extended key usages; at least one. */
  readonly usages: readonly ('server' | 'client')[];
}

/** An identity together with its key in the form that files hold. */
export interface Issued extends Identity {
  /** PEM, PKCS#8. */
  readonly keyPem: string;
}

const DAY_MS = 24 * 60 * 60 * 1000;
// Clocks of machines in one deployment differ a little; a fresh leaf must be valid on all of them.
const BACKDATE_MS = 60 * 60 * 1000;
const KEYS = {
  'P-256': { generate: { name: 'ECDSA', namedCurve: 'P-256' } },
  Ed25519: { generate: { name: 'Ed25519' } },
} as const satisfies Record<KeyAlgorithm, { generate: webcrypto.Algorithm & { namedCurve?: string } }>;
const SIGNING = { name: 'ECDSA', hash: 'SHA-256' } as const;
const EXTENDED_USAGES = { server: ExtendedKeyUsage.serverAuth, client: ExtendedKeyUsage.clientAuth } as const;

/** Makes a new authority. Throws `TypeError` for a trust domain that is none. */
export async function createDevelopmentCa(options: CreateDevelopmentCa): Promise<DevelopmentCa> {
  const { trustDomain, clock, lifetimeDays = 3650 } = options;
  if (!isTrustDomain(trustDomain)) throw new TypeError(`"${trustDomain}" is not a trust domain`);
  const keys = await generateKeys('P-256');
  const name = `CN=Sallyport development CA ${randomBytes(4).toString('hex')}`;
  const certificate = await X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: name,
    issuer: name,
    ...validity(clock, lifetimeDays),
    publicKey: keys.publicKey,
    signingKey: keys.privateKey,
    signingAlgorithm: SIGNING,
    extensions: [
      // RFC 5280 section 4.2.1.9: pathLen 0, so no authority below this one.
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
      // SPIFFE X509-SVID section 4.1: a signing certificate names its trust domain, without a path.
      new SubjectAlternativeNameExtension([{ type: 'url', value: `spiffe://${trustDomain}` }]),
    ],
  });
  return { trustDomain, certPem: pemOf(certificate), keyPem: await pkcs8Of(keys) };
}

/** Issues one leaf with a fresh key. Throws `TypeError` for a name the authority may not give. */
export async function issue(options: IssueOptions): Promise<Issued> {
  const { ca, clock, spiffeId, keyAlgorithm, usages, dns = [], ip = [], lifetimeDays = 90 } = options;
  const id = parseSpiffeId(spiffeId);
  if (id === undefined) throw new TypeError(`"${spiffeId}" is not a SPIFFE id`);
  if (id.trustDomain !== ca.trustDomain) {
    throw new TypeError(`"${spiffeId}" is not in the trust domain ${ca.trustDomain}`);
  }
  if (usages.length === 0) throw new TypeError('a leaf needs at least one usage');
  const names: JsonGeneralName[] = [
    { type: 'url', value: spiffeId },
    ...dns.map((value): JsonGeneralName => ({ type: 'dns', value })),
    ...ip.map((value): JsonGeneralName => ({ type: 'ip', value })),
  ];
  const leaf = await unsafeIssue({
    ca,
    clock,
    keyAlgorithm,
    usages,
    names,
    lifetimeDays,
    subject: `CN=${id.name}`,
  });
  return { ...leaf, spiffeId };
}

/** What `unsafeIssue` signs: any names, checked by nobody. */
export interface UnsafeIssueOptions {
  readonly ca: DevelopmentCa;
  readonly clock: Pick<Clock, 'now'>;
  readonly subject: string;
  readonly names: readonly JsonGeneralName[];
  readonly keyAlgorithm: KeyAlgorithm;
  readonly usages: readonly ('server' | 'client')[];
  readonly lifetimeDays: number;
  /** Without one, OpenSSL takes a certificate for any use, and an X.509-SVID is none. */
  readonly withoutKeyUsage?: true;
}

/** Signs whatever it is given: the body of `issue`, and how tests make certificates that must be refused. */
export async function unsafeIssue(
  options: UnsafeIssueOptions,
): Promise<{ readonly certPem: string; readonly keyPem: string; readonly key: Identity['key'] }> {
  const { ca, clock, subject, names, keyAlgorithm, usages, lifetimeDays } = options;
  const issuer = new X509Certificate(ca.certPem);
  const keys = await generateKeys(keyAlgorithm);
  const extensions: Extension[] = [
    new BasicConstraintsExtension(false, undefined, true),
    // TLS 1.3 signs and never encrypts with the certificate's key (RFC 8446 section 4.4.2.2).
    ...(options.withoutKeyUsage ? [] : [new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true)]),
    new ExtendedKeyUsageExtension(usages.map((usage) => EXTENDED_USAGES[usage])),
    await SubjectKeyIdentifierExtension.create(keys.publicKey),
    await AuthorityKeyIdentifierExtension.create(issuer.publicKey),
  ];
  if (names.length > 0) extensions.push(new SubjectAlternativeNameExtension([...names]));
  const certificate = await X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject,
    issuer: issuer.subject,
    ...validity(clock, lifetimeDays),
    publicKey: keys.publicKey,
    signingKey: await signingKeyOf(ca),
    signingAlgorithm: SIGNING,
    extensions,
  });
  const keyPem = await pkcs8Of(keys);
  return { certPem: pemOf(certificate), keyPem, key: createPrivateKey(keyPem) };
}

async function generateKeys(algorithm: KeyAlgorithm): Promise<webcrypto.CryptoKeyPair> {
  const keys = await webcrypto.subtle.generateKey(KEYS[algorithm].generate, true, ['sign', 'verify']);
  if (!('privateKey' in keys)) throw new Error(`${algorithm} is not a key pair algorithm`);
  return keys;
}

async function signingKeyOf(ca: DevelopmentCa): Promise<webcrypto.CryptoKey> {
  const pkcs8 = createPrivateKey(ca.keyPem).export({ format: 'der', type: 'pkcs8' });
  return webcrypto.subtle.importKey('pkcs8', pkcs8, KEYS['P-256'].generate, false, ['sign']);
}

async function pkcs8Of(keys: webcrypto.CryptoKeyPair): Promise<string> {
  const der = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  const key = createPrivateKey({ key: Buffer.from(der), format: 'der', type: 'pkcs8' });
  return key.export({ format: 'pem', type: 'pkcs8' }).toString();
}

function pemOf(certificate: X509Certificate): string {
  return `${certificate.toString('pem').trimEnd()}\n`;
}

/** RFC 5280 section 4.1.2.2: positive, at most 20 octets, here 159 random bits. */
function serialNumber(): string {
  const bytes = randomBytes(20);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
}

function validity(clock: Pick<Clock, 'now'>, days: number): { notBefore: Date; notAfter: Date } {
  const now = Math.floor(clock.now() / 1000) * 1000;
  return { notBefore: new Date(now - BACKDATE_MS), notAfter: new Date(now + days * DAY_MS) };
}
