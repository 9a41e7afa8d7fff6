/** Untrusted certificates, found by the name of their subject. */
import type { Certificate } from '../certificate/types.ts';
import { nodeOf, type Node } from './node.ts';

export interface Pool {
  /** Those whose subject has this `nameKey`, each once, in no order that means anything. */
  named(subject: string): readonly Node[];
}

const NONE: readonly Node[] = [];

export function createPool(certificates: readonly Certificate[]): Pool {
  const bySubject = new Map<string, Node[]>();
  const seen = new Set<string>();
  for (const certificate of certificates) {
    if (seen.has(certificate.fingerprint)) continue;
    seen.add(certificate.fingerprint);
    const node = nodeOf(certificate);
    const same = bySubject.get(node.subject);
    if (same === undefined) bySubject.set(node.subject, [node]);
    else same.push(node);
  }
  return { named: (subject) => bySubject.get(subject) ?? NONE };
}

/** Both, a certificate that is in both once. */
export function joinPools(first: Pool, second: Pool): Pool {
  return {
    named(subject) {
      const [some, more] = [first.named(subject), second.named(subject)];
      if (more.length === 0) return some;
      if (some.length === 0) return more;
      const known = new Set(some.map((node) => node.certificate.fingerprint));
      return [...some, ...more.filter((node) => !known.has(node.certificate.fingerprint))];
    },
  };
}
