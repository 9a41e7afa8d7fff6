/** Certificates to measure with, made by a library that is not the one that is measured. P-256 throughout. */
import './metadata.ts';
import { webcrypto } from 'node:crypto';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
  type Extension,
} from '@peculiar/x509';

const ECDSA = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';

/** Inside of every validity. */
export const AT = new Date('2026-06-01T00:00:00Z');

export interface Authority {
  readonly name: string;
  readonly keys: webcrypto.CryptoKeyPair;
}

export async function makeAuthority(name: string): Promise<Authority> {
  return { name: `CN=${name}`, keys: await webcrypto.subtle.generateKey(ECDSA, true, ['sign', 'verify']) };
}

export interface LeafOptions {
  readonly purpose?: 'server' | 'client';
  readonly serial?: number;
}

let lastSerial = 0x10_00;

/** The DER of a CA's certificate; self-signed when the issuer is the CA itself. */
export function certify(subject: Authority, issuer: Authority): Promise<Uint8Array> {
  return sign(subject, issuer, [
    new BasicConstraintsExtension(true, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
  ]);
}

/** The DER of a leaf for `leaf.example`. */
export async function issueLeaf(issuer: Authority, options: LeafOptions = {}): Promise<Uint8Array> {
  const usage = options.purpose === 'client' ? CLIENT_AUTH : SERVER_AUTH;
  return sign(await makeAuthority('leaf'), issuer, [
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    new ExtendedKeyUsageExtension([usage]),
    new SubjectAlternativeNameExtension([{ type: 'dns', value: 'leaf.example' }]),
  ]);
}

async function sign(subject: Authority, issuer: Authority, extensions: Extension[]): Promise<Uint8Array> {
  const certificate = await X509CertificateGenerator.create({
    serialNumber: (lastSerial += 1).toString(16),
    subject: subject.name,
    issuer: issuer.name,
    notBefore: new Date('2025-01-01T00:00:00Z'),
    notAfter: new Date('2035-01-01T00:00:00Z'),
    publicKey: subject.keys.publicKey,
    signingKey: issuer.keys.privateKey,
    signingAlgorithm: ECDSA,
    extensions: [
      ...extensions,
      await SubjectKeyIdentifierExtension.create(subject.keys.publicKey),
      await AuthorityKeyIdentifierExtension.create(issuer.keys.publicKey),
    ],
  });
  return new Uint8Array(certificate.rawData);
}
