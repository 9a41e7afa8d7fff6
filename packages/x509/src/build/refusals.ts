/** Keeps why candidates were refused, and tells which of them came furthest: that is what a caller is told first. */
import type { Failure } from '../reasons.ts';
import type { RefusedPath } from '../result.ts';

/** How far a candidate came; a later stage is further. */
export const STAGES = [
  'dead_end', // nobody of the issuer's name is there
  'not_the_issuer', // of that name, and the signature is not theirs
  'issuer', // theirs or not, they may not issue
  'path', // section 6.1 refuses the whole
  'profile',
  'names',
  'revocation',
] as const;
export type Stage = (typeof STAGES)[number];

export interface Refusals {
  add(refused: RefusedPath, stage: Stage): void;
  readonly all: readonly RefusedPath[];
  /** The first one of those that came furthest; undefined before any was added. */
  furthest(): RefusedPath | undefined;
}

/** More than anybody reads: a hostile pool has thousands of dead ends. */
const REMEMBERED = 64;

/** Remembers the first ones, and always the furthest. */
export function startRefusals(): Refusals {
  const all: RefusedPath[] = [];
  let best: { readonly refused: RefusedPath; readonly stage: number } | undefined;
  return {
    all,
    add(refused, stageName) {
      const stage = STAGES.indexOf(stageName);
      const isFurther =
        best === undefined || stage > best.stage || (stage === best.stage && isCloser(refused, best.refused));
      if (isFurther) best = { refused, stage };
      if (all.length < REMEMBERED) all.push(refused);
      else if (isFurther) all[REMEMBERED - 1] = refused;
    },
    furthest: () => best?.refused,
  };
}

/**
 * Of two at one stage: section 6.1 goes from the anchor to the leaf, so on whole paths the failure nearer to the leaf is
 * the later one; a path that was broken off came further when it is longer.
 */
function isCloser(a: RefusedPath, b: RefusedPath): boolean {
  if (a.anchor === undefined || b.anchor === undefined) return a.path.length > b.path.length;
  return placeOf(a.failure) < placeOf(b.failure);
}

function placeOf({ certificate }: Failure): number {
  return certificate ?? 0;
}
