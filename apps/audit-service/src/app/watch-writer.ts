/**
 * When this replica is to write checkpoints. There are no heartbeats: a writer shows that it is there by writing. Who
 * sees work, and a fence that stands still for `TAKE_OVER_MS`, takes over. Nothing here is needed for safety (that is
 * the fence's), and no clock is compared with another one: only time that passed here, between two looks.
 */
import type { Fence } from '../domain/fence.ts';

/** Work that nobody does for so long is taken over. A writer at work beats at least every third of it. */
export const TAKE_OVER_MS = 3_000;
export const BEAT_MS = 1_000;

export type Duty =
  /** This replica holds the term. */
  | 'write'
  /** It should try to get the next one. */
  | 'take'
  /** Another one writes. */
  | 'follow';

export type Sight = {
  readonly fence: Fence | undefined;
  /** There is something that no saved checkpoint covers. */
  readonly isWorkPending: boolean;
  /** The term this process holds as far as it knows. */
  readonly heldTerm: bigint | undefined;
};

export function watchWriter(replica: string, monotonic: () => number): (sight: Sight) => Duty {
  let hasHeld = false;
  let standing: { readonly term: bigint; readonly beat: bigint; readonly sinceMs: number } | undefined;

  return ({ fence, isWorkPending, heldTerm }) => {
    hasHeld ||= heldTerm !== undefined;
    if (fence !== undefined && fence.holder === replica && fence.term === heldTerm) return 'write';
    if (!isWorkPending) {
      standing = undefined;
      return 'follow';
    }
    // Nobody's, or left by an earlier process of this replica, whose folders have one owner.
    if (fence === undefined || fence.holder === '' || (fence.holder === replica && !hasHeld)) return 'take';
    const nowMs = monotonic();
    if (standing === undefined || standing.term !== fence.term || standing.beat !== fence.beat) {
      standing = { term: fence.term, beat: fence.beat, sinceMs: nowMs };
    }
    return nowMs - standing.sinceMs >= TAKE_OVER_MS ? 'take' : 'follow';
  };
}
