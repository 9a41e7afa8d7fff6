/**
 * Paths for those who sign CRLs and OCSP responses with a certificate of their own (RFC 5280 section 6.3.3 (f), RFC 6960
 * section 4.2.2.2): built and validated as any path, within the same count of work, to the one anchor of the path that
 * the answer is about. What such a certificate may be used for, and whether it is revoked, the revocation pass asks.
 */
import type { Certificate } from '../certificate/types.ts';
import type { TrustAnchor } from '../input.ts';
import type { PathContext, PathOutcome, ValidatedPath } from '../path/types.ts';
import { validatePath } from '../path/validate-path.ts';
import { indexAnchors } from './anchors.ts';
import { findPath, type Judgement, type Search } from './find-path.ts';
import { startRefusals } from './refusals.ts';

type Shared = Pick<Search<unknown>, 'atMs' | 'pool' | 'signatures' | 'work' | 'intermediatesInPath'>;

/** Answers the same question once: within a validation each signer has one path to an anchor. */
export function createSignerPaths(
  shared: Shared,
): (certificate: Certificate, anchor: TrustAnchor) => PathOutcome {
  const answers = new Map<TrustAnchor, Map<string, PathOutcome>>();
  return (certificate, anchor) => {
    const known = answers.get(anchor) ?? new Map<string, PathOutcome>();
    answers.set(anchor, known);
    const answer = known.get(certificate.fingerprint) ?? findSignerPath(certificate, anchor, shared);
    known.set(certificate.fingerprint, answer);
    return answer;
  };
}

function findSignerPath(certificate: Certificate, anchor: TrustAnchor, shared: Shared): PathOutcome {
  const { atMs, signatures, work } = shared;
  const context: PathContext = {
    atMs,
    policies: {},
    nameConstraints: undefined,
    maxIntermediates: undefined,
    extendedKeyUsage: [],
    signatures,
    work,
  };
  const refusals = startRefusals();
  const path = findPath<ValidatedPath>(certificate, {
    ...shared,
    anchors: indexAnchors([anchor]),
    refusals,
    judge(candidate): Judgement<ValidatedPath> {
      const outcome = validatePath(candidate, context);
      if (outcome.ok) return { accepted: true, value: outcome.path };
      return { accepted: false, stage: 'path', failure: outcome.failure, revocation: [], isFinal: false };
    },
  });
  if (path !== undefined) return { ok: true, path };
  return {
    ok: false,
    failure: refusals.furthest()?.failure ?? {
      reason: 'no_path',
      section: 'RFC 5280 section 6.3.3 (f)',
      detail: 'no path to the anchor of the certificate in question',
    },
  };
}
