/** Roots of many prefixes of one log, in one pass over its leaves (RFC 9162 section 2.1.1). */
import { emptyRoot, nodeHash } from '@sallyport/crypto';

/** By size; a size beyond the log has none. */
export function rootsAt(
  leafHashes: readonly Uint8Array[],
  sizes: ReadonlySet<number>,
): ReadonlyMap<number, Uint8Array> {
  const roots = new Map<number, Uint8Array>();
  /** Perfect subtrees of the prefix so far, the largest first. */
  const peaks: { readonly height: number; readonly hash: Uint8Array }[] = [];
  const root = (): Uint8Array =>
    peaks.map(({ hash }) => hash).reduceRight((right, left) => nodeHash(left, right));
  if (sizes.has(0)) roots.set(0, emptyRoot());
  for (const [index, leaf] of leafHashes.entries()) {
    let peak = { height: 0, hash: leaf };
    while (peaks.at(-1)?.height === peak.height) {
      const left = peaks.pop();
      if (left !== undefined) peak = { height: peak.height + 1, hash: nodeHash(left.hash, peak.hash) };
    }
    peaks.push(peak);
    if (sizes.has(index + 1)) roots.set(index + 1, root());
  }
  return roots;
}
