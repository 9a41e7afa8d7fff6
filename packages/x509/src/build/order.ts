/**
 * Which issuer is tried first (RFC 4158 section 3.5). The order decides how soon a path is found and which of several
 * failures is reported, never whether a path is valid: candidates that compare equal are told apart by what they are, so
 * that the order in which they were given has no say. Validity and the CA flag (sections 3.5.1 and 3.5.4) are no part of
 * it, as whoever lacks them is not tried at all.
 */
import type { AnchorNode } from './anchors.ts';
import type { Node } from './node.ts';
import type { Reach } from './reach.ts';

/** Key identifiers alike before one missing before two that differ: a hint, not a rule (RFC 4158 section 3.5.12). */
function keyIdRank(authority: string | undefined, subject: string | undefined): number {
  if (authority === undefined || subject === undefined) return 1;
  return authority === subject ? 0 : 2;
}

export function orderIssuers(child: Node, issuers: readonly Node[], reach: Reach): readonly Node[] {
  if (issuers.length < 2) return issuers;
  return issuers
    .map((node) => ({
      node,
      keyId: keyIdRank(child.authorityKeyId, node.subjectKeyId),
      above: reach(node.issuer),
    }))
    .sort(
      (a, b) =>
        a.keyId - b.keyId ||
        compareNumbers(a.above, b.above) ||
        selfIssued(a.node) - selfIssued(b.node) ||
        byAge(a.node, b.node),
    )
    .map(({ node }) => node);
}

/** RFC 4158 section 2.4.2: a roll-over of keys, or a root that nobody trusts. */
function selfIssued(node: Node): number {
  return node.issuer === node.subject ? 1 : 0;
}

/** The newer one first: of two certificates for one key it is the one in use. */
function byAge(a: Node, b: Node): number {
  return (
    b.certificate.validity.notBeforeMs - a.certificate.validity.notBeforeMs ||
    b.certificate.validity.notAfterMs - a.certificate.validity.notAfterMs ||
    compareText(a.certificate.fingerprint, b.certificate.fingerprint)
  );
}

export function orderAnchors(child: Node, anchors: readonly AnchorNode[]): readonly AnchorNode[] {
  if (anchors.length < 2) return anchors;
  return anchors.toSorted(
    (a, b) =>
      keyIdRank(child.authorityKeyId, a.subjectKeyId) - keyIdRank(child.authorityKeyId, b.subjectKeyId) ||
      compareText(a.tie, b.tie),
  );
}

/** Either may be infinite. */
function compareNumbers(a: number, b: number): number {
  return a === b ? 0 : a - b;
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
