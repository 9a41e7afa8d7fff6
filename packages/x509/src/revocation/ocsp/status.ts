/** The status of a certificate by OCSP answers: RFC 6960 section 3.2. */
import { nameText } from '../../certificate/name-text.ts';
import type { Extension, Oid } from '../../certificate/types.ts';
import type { RevocationSource } from '../../result.ts';
import type { Finding, Pass, Target } from '../types.ts';
import { certIdHash, digest, type CertIdHash } from './hashes.ts';
import { ARCHIVE_CUTOFF, CRL_REFERENCE, EXTENDED_REVOKE, NONCE_EXTENSION } from './oids.ts';
import { responderOf, type Responder } from './signer.ts';
import type { BasicOcspResponse, CertId, SingleResponse } from './types.ts';

const DEFAULT_MAX_AGE_MS = 24 * 60 * 60 * 1_000;
/** Responders round producedAt down, to the minute for one, and certificates may be asked about as soon as they are issued. */
const ROUNDING_MS = 5 * 60 * 1_000;

/** Section 4.4; those of CRL entries may be in single responses (section 4.4.5). */
const KNOWN: ReadonlySet<Oid> = new Set([
  ...[NONCE_EXTENSION, CRL_REFERENCE, ARCHIVE_CUTOFF, EXTENDED_REVOKE],
  ...['2.5.29.21', '2.5.29.24'],
]);

interface Answer {
  readonly single: SingleResponse;
  readonly source: RevocationSource;
}

/** Of several answers one that says "revoked" is final; otherwise the freshest counts. */
export function ocspStatus(target: Target, pass: Pass): Finding {
  const unused: { readonly kind: 'ocsp'; readonly problem: string }[] = [];
  const answers: Answer[] = [];
  const isAbout = comparison(target);
  for (const response of pass.input.ocsp ?? []) {
    const found =
      response.responseStatus === 'successful'
        ? readResponse(response, isAbout, target, pass)
        : { answers: [], problems: [`an answer that says ${response.responseStatus}`] };
    answers.push(...found.answers);
    for (const problem of found.problems) unused.push({ kind: 'ocsp', problem });
  }
  answers.sort((a, b) => b.single.thisUpdateMs - a.single.thisUpdateMs || rank(a) - rank(b));
  const best = answers.find(({ single }) => single.status.kind === 'revoked') ?? answers[0];
  const sources = answers.map(({ source }) => source);
  if (best === undefined) return { status: 'unknown', sources, unused };
  const { status } = best.single;
  if (status.kind !== 'revoked') {
    if (status.kind === 'unknown') unused.push({ kind: 'ocsp', problem: 'the responder does not know it' });
    return { status: status.kind, sources, unused };
  }
  const { atMs: revokedAtMs, reason: revocationReason } = status;
  return { status: 'revoked', sources, unused, revokedAtMs, revocationReason };
}

/** Of two answers of one time the worse one comes first. */
function rank({ single }: Answer): number {
  return single.status.kind === 'good' ? 1 : 0;
}

/** Nothing of a response that is about other certificates: it is neither used nor a problem. */
function readResponse(
  response: BasicOcspResponse,
  isAbout: (certId: CertId) => boolean,
  target: Target,
  pass: Pass,
): { readonly answers: readonly Answer[]; readonly problems: readonly string[] } {
  const singles = response.responses.filter(({ certId }) => isAbout(certId)); // section 3.2 (1)
  if (singles.length === 0) return { answers: [], problems: [] };
  const { work } = pass.context;
  work.spend('nameComparisons', singles.length);
  work.spend('nameBytes', namesLength(response));
  const problem = responseProblem(response, target, pass);
  if (problem !== undefined) return { answers: [], problems: [problem] };
  const responder = responderOf(response, target, pass); // section 3.2 (2) to (4)
  if ('problem' in responder) return { answers: [], problems: [responder.problem] };
  const answers: Answer[] = [];
  const problems: string[] = [];
  for (const single of singles) {
    const untimely = singleProblem(single, pass); // section 3.2 (5), (6)
    if (untimely === undefined) answers.push({ single, source: sourceOf(single, responder, pass) });
    else problems.push(untimely);
  }
  return { answers, problems };
}

/** Of the names that are looked at to find the responder. */
function namesLength({ responderId, certificates }: BasicOcspResponse): number {
  const own = responderId.kind === 'name' ? responderId.name.der.length : 0;
  return certificates.reduce((sum, { subject, issuer }) => sum + subject.der.length + issuer.der.length, own);
}

/** Section 4.1.1: serial number, name and key of the issuer, by a hash that the responder chose. */
function comparison({ certificate, issuer }: Target): (certId: CertId) => boolean {
  const known = new Map<CertIdHash, { readonly name: Uint8Array; readonly key: Uint8Array }>();
  return ({ hashAlgorithm, serialNumber, issuerNameHash, issuerKeyHash }) => {
    const hash = certIdHash(hashAlgorithm);
    if (hash === undefined || Buffer.compare(serialNumber, certificate.serialNumber) !== 0) return false;
    let own = known.get(hash);
    if (own === undefined) {
      const { bits } = issuer.subjectPublicKeyInfo;
      own = { name: digest(hash, certificate.issuer.der), key: digest(hash, bits) };
      known.set(hash, own);
    }
    return Buffer.compare(issuerNameHash, own.name) === 0 && Buffer.compare(issuerKeyHash, own.key) === 0;
  };
}

function responseProblem(
  response: BasicOcspResponse,
  { certificate: { validity } }: Target,
  pass: Pass,
): string | undefined {
  const unknown = unknownCritical(response.extensions);
  if (unknown !== undefined) return unknown;
  const { ocspNonce: sent } = pass.input;
  if (sent !== undefined) {
    if (response.nonce === undefined) return 'no nonce, and one was sent'; // RFC 9654 section 2.1
    if (Buffer.compare(sent, response.nonce) !== 0) return 'another nonce than was sent';
  }
  const { producedAtMs } = response;
  // RFC 5280 section 4.1.2.5: for so long a CA warrants to maintain the status. No section compares producedAt with now: of a
  // time that has passed, answers are signed later.
  return producedAtMs < validity.notBeforeMs - ROUNDING_MS || producedAtMs > validity.notAfterMs
    ? 'produced outside of the validity of the certificate'
    : undefined;
}

/** Sections 3.2 (5), (6) and 4.2.2.1. */
function singleProblem(single: SingleResponse, pass: Pass): string | undefined {
  const { thisUpdateMs, nextUpdateMs } = single;
  const { atMs } = pass.context;
  if (thisUpdateMs > pass.latestMs) return 'thisUpdate in the future';
  if (nextUpdateMs !== undefined && atMs >= nextUpdateMs) return 'nextUpdate has passed'; // (6): "greater than"
  if (nextUpdateMs === undefined && atMs - thisUpdateMs > (pass.input.maxAgeMs ?? DEFAULT_MAX_AGE_MS))
    return 'too old, without nextUpdate';
  return unknownCritical(single.extensions);
}

/** Section 4.4: what is critical and not known makes an answer useless. */
function unknownCritical(extensions: readonly Extension[]): string | undefined {
  const unknown = extensions.find(({ oid, critical }) => critical && !KNOWN.has(oid));
  return unknown && `the critical extension ${unknown.oid}`;
}

function sourceOf(single: SingleResponse, responder: Responder, pass: Pass): RevocationSource {
  const { thisUpdateMs, nextUpdateMs } = single;
  const { name, status } = responder;
  return {
    kind: 'ocsp',
    issuer: nameText(name),
    thisUpdateMs,
    nextUpdateMs,
    ageMs: pass.context.atMs - thisUpdateMs,
    ...(status === undefined ? {} : { signerStatus: status }),
  };
}
