/** The status of a certificate by CRLs: RFC 5280 section 6.3.3, its steps in their order. */
import { nameText } from '../../certificate/name-text.ts';
import type {
  Certificate,
  DistributionPoint,
  DistributionPointName,
  GeneralName,
} from '../../certificate/types.ts';
import { nameKey } from '../../names/name-key.ts';
import type { RevocationSource } from '../../result.ts';
import type { Finding, Pass, Target } from '../types.ts';
import { deltaFor } from './delta.ts';
import { ISSUING_DISTRIBUTION_POINT } from './extensions.ts';
import { ALL_REASONS, distributionPoints, entriesFor, scopeOf } from './scope.ts';
import { signerOf } from './signer.ts';
import type { CertificateList, RevokedCertificate } from './types.ts';
import { isExpired, isFromTheFuture, listProblem } from './usable.ts';

/** What one complete list, with its delta, says. `reasons` is the interim_reasons_mask. */
type Reading =
  | { readonly problem: string }
  | {
      readonly source: RevocationSource;
      readonly reasons: number;
      readonly entry: RevokedCertificate | undefined;
      readonly delta: CertificateList | undefined;
    };

/**
 * Every list at hand is read, also when the reasons are covered: a revocation in any of them is final, so that one more
 * list never makes a certificate good that was revoked without it. `removeFromCRL` in a newer delta is the exception.
 */
export function crlStatus(target: Target, pass: Pass): Finding {
  const points = distributionPoints(target.certificate);
  const lists = listsFor(target.certificate, points, pass);
  spendOn(lists, points, pass);
  const sources: RevocationSource[] = [];
  const unused: { readonly kind: 'crl'; readonly problem: string }[] = [];
  const deltas = new Set<CertificateList>();
  let reasonsMask = 0; // section 6.3.2 (a)
  let revoked: RevokedCertificate | undefined; // section 6.3.2 (b): UNREVOKED
  for (const list of lists.filter(({ deltaCRLIndicator }) => deltaCRLIndicator === undefined)) {
    const reading = readList(list, points, target, pass);
    if ('problem' in reading) {
      unused.push(unusedList(list, reading.problem));
      continue;
    }
    sources.push(reading.source);
    if (reading.delta !== undefined) deltas.add(reading.delta);
    reasonsMask |= reading.reasons; // (l)
    revoked ??= reading.entry;
  }
  for (const list of lists)
    if (list.deltaCRLIndicator !== undefined && !deltas.has(list))
      unused.push(unusedList(list, 'a delta that no complete list was combined with'));
  if (revoked !== undefined) {
    const { revocationDateMs: revokedAtMs, reason: revocationReason } = revoked;
    return { status: 'revoked', sources, unused, revokedAtMs, revocationReason };
  }
  if (reasonsMask === ALL_REASONS) return { status: 'good', sources, unused };
  if (reasonsMask !== 0) unused.push({ kind: 'crl', problem: 'no lists for some of the reasons' });
  return { status: 'unknown', sources, unused }; // UNDETERMINED
}

/** What is held against each other before a signature says that anybody stands for it. */
function spendOn(
  lists: readonly CertificateList[],
  points: readonly DistributionPoint[],
  { context: { work } }: Pass,
): void {
  for (const { issuingDistributionPoint, extensions } of lists) {
    work.spend('nameComparisons', points.length);
    if (!hasDirectoryName(issuingDistributionPoint?.name)) continue;
    for (const { oid, value } of extensions)
      if (oid === ISSUING_DISTRIBUTION_POINT) work.spend('nameBytes', value.length);
  }
}

function hasDirectoryName(name: DistributionPointName | undefined): boolean {
  return name?.kind === 'relative' || name?.names.some(({ kind }) => kind === 'directory') === true;
}

function unusedList({ issuer }: CertificateList, problem: string): { kind: 'crl'; problem: string } {
  return { kind: 'crl', problem: `${problem} (CRL of ${nameText(issuer)})` };
}

/** Those of whoever may issue one for this certificate: its issuer, and each cRLIssuer. */
function listsFor(
  certificate: Certificate,
  points: readonly DistributionPoint[],
  pass: Pass,
): readonly CertificateList[] {
  const issuers = new Set([nameKey(certificate.issuer)]);
  for (const { crlIssuer = [] } of points) for (const name of crlIssuer) addDirectory(issuers, name);
  return [...issuers].flatMap((issuer) => pass.lists(issuer));
}

function addDirectory(issuers: Set<string>, name: GeneralName): void {
  if (name.kind === 'directory') issuers.add(nameKey(name.value));
}

function readList(
  list: CertificateList,
  points: readonly DistributionPoint[],
  target: Target,
  pass: Pass,
): Reading {
  const problem = listProblem(list) ?? pass.context.listProblem?.(list);
  if (problem !== undefined) return { problem };
  if (isFromTheFuture(list, pass)) return { problem: 'not yet issued' };
  const reasons = coveredReasons(list, points, target.certificate); // (b), (d)
  if (typeof reasons === 'string') return { problem: reasons };
  if (isExpired(list, pass) && !mayHaveDelta(list, target.certificate)) return { problem: 'expired' }; // (a)(1)(ii)
  const signer = signerOf(list, target, pass); // (f), (g)
  if ('problem' in signer) return signer;
  const delta = deltaFor(list, signer.key, pass); // (c), (h)
  if (delta === undefined && isExpired(list, pass)) return { problem: 'expired' }; // (a)(1)(i)
  const entry = delta && relevant(entriesFor(target.certificate, delta)); // (i)
  const older = entry === undefined ? relevant(entriesFor(target.certificate, list)) : undefined; // (j)
  if (older?.reason === 'removeFromCRL') return { problem: 'removeFromCRL in a complete list' }; // section 5.3.1
  const revoked = entry?.reason === 'removeFromCRL' ? undefined : (entry ?? older); // (k)
  return { source: sourceOf(list, delta, signer.status, pass), reasons, entry: revoked, delta };
}

/** The union over the distribution points whose list it is: (e), and (l) for one list; otherwise what kept it out. */
function coveredReasons(
  list: CertificateList,
  points: readonly DistributionPoint[],
  certificate: Certificate,
): number | string {
  let covered = 0;
  let isInScope = false;
  let problem: string | undefined;
  for (const point of points) {
    const scope = scopeOf(list, point, certificate);
    if ('problem' in scope) problem ??= scope.problem;
    else {
      isInScope = true;
      covered |= scope.reasons;
    }
  }
  if (covered !== 0) return covered;
  return isInScope || problem === undefined ? 'for none of the reasons that are asked for' : problem;
}

/** (a)(1)(i): a delta revives a list that has expired where the certificate or the list says that there are deltas. */
function mayHaveDelta(list: CertificateList, certificate: Certificate): boolean {
  return certificate.freshestCRL !== undefined || list.freshestCRL !== undefined;
}

/** A list has one entry for a certificate. Of several, one that revokes. */
function relevant(entries: readonly RevokedCertificate[]): RevokedCertificate | undefined {
  return entries.find(({ reason }) => reason !== 'removeFromCRL') ?? entries[0];
}

/** How fresh the status is: that of the delta, where there is one. */
function sourceOf(
  list: CertificateList,
  delta: CertificateList | undefined,
  signerStatus: 'good' | 'unknown' | undefined,
  pass: Pass,
): RevocationSource {
  const { thisUpdateMs, nextUpdateMs } = delta ?? list;
  return {
    kind: 'crl',
    issuer: nameText(list.issuer),
    thisUpdateMs,
    nextUpdateMs,
    ageMs: pass.context.atMs - thisUpdateMs,
    ...(delta === undefined ? {} : { delta: true }),
    ...(signerStatus === undefined ? {} : { signerStatus }),
  };
}
