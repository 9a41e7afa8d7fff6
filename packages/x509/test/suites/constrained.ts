/** Hierarchies whose root or intermediate has name constraints. */
import { general, nameConstraints } from '../support/pki.ts';
import { intermediate, leaf, root, type Input } from './hierarchy.ts';
import type { Built } from './verdict.ts';

export const NC = 'name_constraints';
export const permits = (...permitted: Uint8Array[]): Input => ({ more: [nameConstraints({ permitted })] });
export const excludes = (...excluded: Uint8Array[]): Input => ({ more: [nameConstraints({ excluded })] });
export const both = (permitted: Uint8Array[], excluded: Uint8Array[]): Input => ({
  more: [nameConstraints({ permitted, excluded })],
});
export const san = (...names: Uint8Array[]): Input => ({ san: names });

/** The root, or an intermediate, is constrained; the leaf has the names and is asked for them by the test. */
export const byRoot = (ofRoot: Input, ofLeaf: Input, names: Built['names'] = []): Built => {
  const anchor = root(ofRoot);
  return { anchors: [anchor], leaf: leaf(anchor, ofLeaf), names };
};
export const byIntermediate = (ofIntermediate: Input, ofLeaf: Input, names: Built['names'] = []): Built => {
  const anchor = root();
  const ca = intermediate(anchor, ofIntermediate);
  return { anchors: [anchor], intermediates: [ca], leaf: leaf(ca, ofLeaf), names };
};
export const V4_NET = general.ip(192, 0, 2, 0, 255, 255, 255, 0);
export const zeros = (n: number): number[] => Array.from({ length: n }, () => 0);
export const LOOPBACK6 = [...zeros(15), 1];
export const LOOPBACK6_NET = general.ip(...LOOPBACK6, ...zeros(16).map(() => 255));
/** Whoever asks for no usage. */
export const asClient = (built: Built): Built => ({ ...built, purpose: 'any' });
