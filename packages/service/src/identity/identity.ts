/** Who we are (`Identity`) and whom we believe (`Trust`). */
import { X509Certificate, createPrivateKey, type KeyObject } from 'node:crypto';
import type { Clock } from '../clock/index.ts';
import { uriSanOf } from './san.ts';
import { parseSpiffeId } from './spiffe.ts';

/** A certificate chain with its key: what a service or a principal proves itself with. */
export interface Identity {
  /** PEM, leaf first; the trust root is not in it. */
  readonly certPem: string;
  readonly key: KeyObject;
  /** The leaf's only URI name. */
  readonly spiffeId: string;
}

/** Whose certificates count, and for which names. */
export interface Trust {
  /** PEM of one or more trust roots. */
  readonly caPem: string;
  readonly trustDomain: string;
}

/**
 * Reads an identity from PEM text. Throws `TypeError`, saying what is wrong, when the certificate has not exactly one
 * SPIFFE name or the key is another's. The key's text is never in the message.
 */
export function identityFromPem(pem: { readonly certPem: string; readonly keyPem: string }): Identity {
  const leaf = parseCertificate(pem.certPem);
  const key = parsePrivateKey(pem.keyPem);
  if (!leaf.checkPrivateKey(key)) throw new TypeError('the private key does not belong to the certificate');
  const uri = uriSanOf(leaf);
  if (!uri.ok) throw new TypeError(`the certificate names nobody: ${uri.problem}`);
  if (parseSpiffeId(uri.value) === undefined) throw new TypeError(`"${uri.value}" is not a SPIFFE id`);
  return { certPem: pem.certPem, key, spiffeId: uri.value };
}

/**
 * Whether it is time to issue the leaf anew: two thirds of its lifetime are over, or it is not valid yet (a clock that
 * was set back). Throws `TypeError` for text without a certificate.
 */
export function needsRenewal(certPem: string, clock: Pick<Clock, 'now'>): boolean {
  const leaf = parseCertificate(certPem);
  const notBefore = leaf.validFromDate.getTime();
  const notAfter = leaf.validToDate.getTime();
  const now = clock.now();
  return now < notBefore || now >= notBefore + ((notAfter - notBefore) * 2) / 3;
}

function parseCertificate(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw new TypeError('not a PEM certificate');
  }
}

function parsePrivateKey(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    // The cause stays out on purpose: OpenSSL's message can quote what it read.
    throw new TypeError('not a PEM private key (PKCS#8)');
  }
}
