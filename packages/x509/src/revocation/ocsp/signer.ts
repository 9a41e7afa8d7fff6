/** Who signed an OCSP response, and whether that is for them to do: RFC 6960 sections 3.2 (3), (4) and 4.2.2.2. */
import type { Certificate, Name, SubjectPublicKeyInfo } from '../../certificate/types.ts';
import { nameKey, sameName } from '../../names/name-key.ts';
import { isFailure } from '../../signature/types.ts';
import type { Pass, Target } from '../types.ts';
import { digest } from './hashes.ts';
import { NO_CHECK, OCSP_SIGNING } from './oids.ts';
import type { BasicOcspResponse, ResponderId } from './types.ts';

export interface Responder {
  readonly name: Name;
  /** Undefined: the issuer itself. */
  readonly status: 'good' | 'no_check' | 'unknown' | undefined;
}

type Found = Responder | { readonly problem: string };

export function responderOf(response: BasicOcspResponse, target: Target, pass: Pass): Found {
  const { issuer } = target;
  const isIssuer = isResponder(response.responderId, issuer.name, issuer.subjectPublicKeyInfo);
  // Section 4.2.2.2: the CA who issued the certificate in question
  const failure = isIssuer ? pass.context.signatures.check(response, issuer.key) : undefined;
  if (isIssuer && failure === undefined) return { name: issuer.name, status: undefined };
  let best = { problem: failure ? `its signature: ${failure.detail}` : 'a responder that is not known' };
  for (const certificate of candidates(response, pass)) {
    const { subject, subjectPublicKeyInfo } = certificate;
    if (!isResponder(response.responderId, subject, subjectPublicKeyInfo)) continue;
    if (isIssuer && Buffer.compare(subjectPublicKeyInfo.der, issuer.subjectPublicKeyInfo.der) === 0) continue;
    const found = delegate(response, certificate, target, pass);
    if ('name' in found) return found;
    best = found;
  }
  return best;
}

/** Section 4.2.1: the name of the responder, or the SHA-1 of its key without tag, length and unused bits. */
function isResponder(id: ResponderId, name: Name, key: SubjectPublicKeyInfo): boolean {
  return id.kind === 'name'
    ? sameName(id.name, name)
    : Buffer.compare(id.keyHash, digest('sha1', key.bits)) === 0;
}

function candidates(response: BasicOcspResponse, pass: Pass): readonly Certificate[] {
  const { responderId: id, certificates } = response;
  return id.kind === 'key' ? certificates : [...certificates, ...pass.context.candidates(nameKey(id.name))];
}

/** RFC 5280 section 4.2.1.12: the key usages that are consistent with id-kp-OCSPSigning. */
function maySignAnswers({ keyUsage }: Certificate): boolean {
  return keyUsage === undefined || keyUsage.has('digitalSignature') || keyUsage.has('nonRepudiation');
}

/** Section 4.2.2.2: a responder to whom the issuer of the certificate in question has delegated. */
function delegate(response: BasicOcspResponse, certificate: Certificate, target: Target, pass: Pass): Found {
  const { signatures } = pass.context;
  if (certificate.extendedKeyUsage?.includes(OCSP_SIGNING) !== true)
    return { problem: 'a responder without id-kp-OCSPSigning' }; // anyExtendedKeyUsage is not enough
  if (!maySignAnswers(certificate))
    return { problem: 'a responder without the key usage digitalSignature or nonRepudiation' };
  // Both certificates are issued under one name and signed by one key
  if (!sameName(certificate.issuer, target.issuer.name))
    return { problem: 'a responder with another issuer than the certificate' };
  if (signatures.check(certificate, target.issuer.key) !== undefined)
    return { problem: 'a responder that the key of the issuer did not sign' };
  const outcome = pass.context.validateSigner(certificate, target.path.anchor);
  if (!outcome.ok) return { problem: `a responder without a valid path: ${outcome.failure.detail}` };
  const key = signatures.loadKey(certificate.subjectPublicKeyInfo, target.issuer.key);
  if (isFailure(key)) return { problem: `a responder with a refused key: ${key.detail}` };
  const failure = signatures.check(response, key); // section 3.2 (2)
  if (failure !== undefined) return { problem: `its signature: ${failure.detail}` };
  return withStatus(certificate, target, () => pass.signerStatus(outcome.path, target));
}

/**
 * Section 4.2.2.2.1. Without id-pkix-ocsp-nocheck a CRL or OCSP answer that says "revoked" is heeded; where there is none,
 * the RFC leaves it to local policy, and ours is to accept for as long as the certificate lives, and to say so.
 */
function withStatus(
  certificate: Certificate,
  target: Target,
  statusOf: () => 'good' | 'revoked' | 'unknown',
): Found {
  const name = certificate.subject;
  if (certificate.extensions.some(({ oid }) => oid === NO_CHECK)) return { name, status: 'no_check' };
  if (certificate.fingerprint === target.certificate.fingerprint)
    return { problem: 'a responder that answers for itself' };
  const status = statusOf();
  return status === 'revoked' ? { problem: 'a responder that is revoked' } : { name, status };
}
