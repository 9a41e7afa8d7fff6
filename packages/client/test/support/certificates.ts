/** Certificates of a small trust domain, good ones and others. Its import order matters: the library needs the metadata. */
import 'reflect-metadata';
import { createPrivateKey, randomBytes, webcrypto, type KeyObject } from 'node:crypto';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  ExtendedKeyUsage,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';

/** From here, where the metadata is loaded first. */
export { KeyUsageFlags };
export const TRUST_DOMAIN = 'sallyport.test';
export const GATEWAY_ID = `spiffe://${TRUST_DOMAIN}/svc/gateway`;
const HOUR_MS = 3_600_000;

export type Made = {
  readonly pem: string;
  readonly der: Uint8Array;
  readonly key: KeyObject;
  readonly keyPem: string;
  readonly subject: string;
  readonly signer: webcrypto.CryptoKey;
};

export type CertificateOptions = {
  readonly issuer?: Made;
  readonly subject?: string;
  readonly uris?: readonly string[];
  readonly isAuthority?: boolean;
  readonly pathLength?: number;
  readonly usages?: readonly ('server' | 'client')[];
  readonly keyUsage?: number;
  readonly algorithm?: 'P-256' | 'Ed25519';
  readonly notBeforeMs?: number;
  readonly notAfterMs?: number;
  /** Object identifiers of extensions without meaning. */
  readonly critical?: readonly string[];
  readonly uncritical?: readonly string[];
};

const ALGORITHMS = {
  'P-256': { name: 'ECDSA', namedCurve: 'P-256' },
  Ed25519: { name: 'Ed25519' },
} as const;
const USAGE = { server: ExtendedKeyUsage.serverAuth, client: ExtendedKeyUsage.clientAuth } as const;

export async function makeCertificate(options: CertificateOptions = {}): Promise<Made> {
  const { isAuthority = false, algorithm = isAuthority ? 'P-256' : 'Ed25519', issuer } = options;
  const keys = await webcrypto.subtle.generateKey(ALGORITHMS[algorithm], true, ['sign', 'verify']);
  if (!('privateKey' in keys)) throw new Error('not a pair');
  const subject =
    options.subject ?? `CN=${isAuthority ? 'authority' : 'leaf'} ${randomBytes(4).toString('hex')}`;
  const extensions: Extension[] = [
    new BasicConstraintsExtension(isAuthority, options.pathLength, true),
    new KeyUsagesExtension(
      options.keyUsage ?? (isAuthority ? KeyUsageFlags.keyCertSign : KeyUsageFlags.digitalSignature),
      true,
    ),
    ...(options.critical ?? []).map((oid) => new Extension(oid, true, Uint8Array.of(5, 0))),
    ...(options.uncritical ?? []).map((oid) => new Extension(oid, false, Uint8Array.of(5, 0))),
  ];
  if (!isAuthority) {
    extensions.push(new ExtendedKeyUsageExtension((options.usages ?? ['server']).map((name) => USAGE[name])));
    const uris = options.uris ?? [GATEWAY_ID];
    const names = uris.map((value) => ({ type: 'url' as const, value }));
    if (names.length > 0) extensions.push(new SubjectAlternativeNameExtension(names));
  }
  const certificate = await X509CertificateGenerator.create({
    serialNumber: `01${randomBytes(8).toString('hex')}`,
    subject,
    issuer: issuer?.subject ?? subject,
    notBefore: new Date(options.notBeforeMs ?? Date.now() - HOUR_MS),
    notAfter: new Date(options.notAfterMs ?? Date.now() + 24 * HOUR_MS),
    publicKey: keys.publicKey,
    signingKey: issuer?.signer ?? keys.privateKey,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    extensions,
  });
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
  const key = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
  return {
    pem: `${certificate.toString('pem')}\n`,
    der: new Uint8Array(certificate.rawData),
    key,
    keyPem: key.export({ format: 'pem', type: 'pkcs8' }).toString(),
    subject,
    signer: keys.privateKey,
  };
}

export type World = {
  readonly root: Made;
  readonly gateway: Made;
  /** Of the gateway's TLS server. */
  readonly tls: Made;
  readonly alice: Made;
};

export async function makeWorld(): Promise<World> {
  const root = await makeCertificate({ isAuthority: true });
  const [gateway, tls, alice] = await Promise.all([
    makeCertificate({ issuer: root }),
    makeCertificate({ issuer: root, algorithm: 'P-256' }),
    makeCertificate({ issuer: root, uris: [`spiffe://${TRUST_DOMAIN}/user/alice`], usages: ['client'] }),
  ]);
  return { root, gateway, tls, alice };
}
