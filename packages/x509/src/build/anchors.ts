/** Trust anchors, found by name. */
import type { Certificate, Name, SubjectPublicKeyInfo } from '../certificate/types.ts';
import type { TrustAnchor } from '../input.ts';
import { nameKey } from '../names/name-key.ts';
import { identityOf, nodeOf } from './node.ts';

/** An anchor with the constraints of its certificate (RFC 5937); that certificate's own signature is not looked at. */
export function anchorFrom(certificate: Certificate): TrustAnchor {
  return { name: certificate.subject, subjectPublicKeyInfo: certificate.subjectPublicKeyInfo, certificate };
}

/** A bare anchor, RFC 5280 section 6.1.1 (d): nothing but the policy of the caller constrains what is below it. */
export function anchorFromKey(name: Name, subjectPublicKeyInfo: SubjectPublicKeyInfo): TrustAnchor {
  return { name, subjectPublicKeyInfo, certificate: undefined };
}

export interface AnchorNode {
  readonly anchor: TrustAnchor;
  readonly identity: string;
  readonly subjectKeyId: string | undefined;
  /** Tells anchors apart, and orders those that nothing else does. */
  readonly tie: string;
}

export interface Anchors {
  named(name: string): readonly AnchorNode[];
  /** Whether any anchor has this name. */
  has(name: string): boolean;
}

const NONE: readonly AnchorNode[] = [];

export function indexAnchors(anchors: readonly TrustAnchor[]): Anchors {
  const byName = new Map<string, AnchorNode[]>();
  for (const anchor of anchors) {
    const name = nameKey(anchor.name);
    const node = anchorNode(anchor);
    const same = byName.get(name);
    if (same === undefined) byName.set(name, [node]);
    else if (!same.some((other) => other.tie === node.tie)) same.push(node);
  }
  return { named: (name) => byName.get(name) ?? NONE, has: (name) => byName.has(name) };
}

function anchorNode(anchor: TrustAnchor): AnchorNode {
  const identity = identityOf(anchor.name, anchor.subjectPublicKeyInfo);
  return {
    anchor,
    identity,
    subjectKeyId: anchor.certificate && nodeOf(anchor.certificate).subjectKeyId,
    tie: anchor.certificate?.fingerprint ?? identity,
  };
}
