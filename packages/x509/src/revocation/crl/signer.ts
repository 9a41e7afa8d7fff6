/** Who signed a complete list: RFC 5280 section 6.3.3 (f) and (g). */
import type { Certificate } from '../../certificate/types.ts';
import { nameKey, sameName } from '../../names/name-key.ts';
import type { ValidatedPath } from '../../path/types.ts';
import type { Failure } from '../../reasons.ts';
import { isFailure, type PublicKey } from '../../signature/types.ts';
import type { Pass, Target } from '../types.ts';
import type { CertificateList } from './types.ts';

export interface ListSigner {
  readonly key: PublicKey;
  /** Undefined: a CA of the path above the target, or the anchor. */
  readonly status: 'good' | 'unknown' | undefined;
}

type Found = ListSigner | { readonly problem: string };

export function signerOf(list: CertificateList, target: Target, pass: Pass): Found {
  const inPath = signerInPath(list, target, pass);
  if ('key' in inPath) return inPath;
  let best: { readonly problem: string } = inPath;
  for (const certificate of candidates(list, target.path, pass)) {
    const found = signerBeside(list, certificate, target, pass);
    if ('key' in found) return found;
    if (found.problem !== NOT_THIS_KEY) best = found;
  }
  return best;
}

const NOT_THIS_KEY = 'its signature verifies with no key of its issuer';
/** That a key did not sign is how signers are told apart; an algorithm or a key that is refused is worth saying. */
function signatureProblem({ reason, detail }: Failure): string {
  return reason === 'signature_invalid' ? NOT_THIS_KEY : detail;
}

const NO_CRL_SIGN = 'a signer without the key usage cRLSign';

/** The path is validated, and what is above the target has been looked at before. */
function signerInPath(list: CertificateList, target: Target, pass: Pass): Found {
  const { path } = target;
  let problem = NOT_THIS_KEY;
  for (let index = target.index; index < path.certificates.length; index += 1) {
    const certificate = path.certificates[index + 1] ?? path.anchor.certificate;
    const key = path.issuerKeys[index];
    const name = path.certificates[index + 1]?.subject ?? path.anchor.name;
    if (key === undefined || !sameName(name, list.issuer)) continue;
    const failure = pass.context.signatures.check(list, key); // (g)
    if (failure === undefined && maySignLists(certificate)) return { key, status: undefined };
    problem = failure === undefined ? NO_CRL_SIGN : signatureProblem(failure);
  }
  return { problem };
}

/** (f): where there is a key usage extension, it has cRLSign. */
function maySignLists(certificate: Certificate | undefined): boolean {
  return certificate?.keyUsage?.has('cRLSign') ?? true;
}

/** Of the issuer's name, those with the list's key identifier first (section 5.2.1); the path's own CAs were tried. */
function candidates(list: CertificateList, path: ValidatedPath, pass: Pass): readonly Certificate[] {
  const subject = nameKey(list.issuer);
  const wanted = list.authorityKeyIdentifier?.keyIdentifier;
  const rank = ({ subjectKeyIdentifier: id }: Certificate): number =>
    wanted !== undefined && id !== undefined && Buffer.compare(wanted, id) === 0 ? 0 : 1;
  const own = path.certificates.filter((certificate) => nameKey(certificate.subject) === subject);
  const known = new Set(own.map(({ fingerprint }) => fingerprint));
  const others = pass.context.candidates(subject).filter(({ fingerprint }) => !known.has(fingerprint));
  return [...own, ...others].sort((a, b) => rank(a) - rank(b));
}

/**
 * Section 8: unrelated CAs below one anchor may have one name, of which none speaks for another. Who signs in the name of
 * the certificate's own issuer is certified by CAs above the certificate, whatever key of theirs it was; where the issuer
 * of an indirect list stands, the certificate does not say.
 */
function isOfTheIssuer(
  list: CertificateList,
  signer: ValidatedPath,
  { path, index, certificate }: Target,
): boolean {
  if (!sameName(list.issuer, certificate.issuer)) return true;
  const above = path.certificates.slice(index + 1).map(({ subject }) => nameKey(subject));
  const names = new Set([...above, nameKey(path.anchor.name)]);
  return signer.certificates.every(({ issuer }) => names.has(nameKey(issuer)));
}

/** A certificate for signing lists beside the path, or the target's own, when it issues the list that it is looked for in. */
function signerBeside(list: CertificateList, certificate: Certificate, target: Target, pass: Pass): Found {
  const { signatures } = pass.context;
  // A cheap refusal before (f): a signature that its bare key does not verify is none, whatever its path. Keys without
  // parameters of their own (DSA) are known behind their path alone.
  const bareKey = signatures.loadKey(certificate.subjectPublicKeyInfo);
  const bareFailure = isFailure(bareKey) ? undefined : signatures.check(list, bareKey);
  if (bareFailure !== undefined) return { problem: signatureProblem(bareFailure) };
  if (!maySignLists(certificate)) return { problem: NO_CRL_SIGN };
  const outcome = pass.context.validateSigner(certificate, target.path.anchor); // (f)
  if (!outcome.ok) return { problem: `a signer without a valid path: ${outcome.failure.detail}` };
  if (!isOfTheIssuer(list, outcome.path, target))
    return { problem: 'a signer of this name below another CA than the certificate' };
  const key = signatures.loadKey(certificate.subjectPublicKeyInfo, outcome.path.issuerKeys[0]);
  if (isFailure(key)) return { problem: key.detail };
  const failure = signatures.check(list, key); // (g)
  if (failure !== undefined) return { problem: signatureProblem(failure) };
  const status = pass.signerStatus(outcome.path, target);
  if (status === 'revoked') return { problem: 'a signer that is revoked' };
  if (status === 'unknown' && pass.requiresSignerStatus)
    return { problem: 'a signer of unknown revocation status' };
  return { key, status };
}
