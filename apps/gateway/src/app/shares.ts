/**
 * What one principal may hold of the gateway: so many sessions, and so much under way in all of them together. Whoever
 * has a credential can open session after session; without this bound one of them could take what there is from all.
 */
import { UnderWay, type UnderWayLimits } from './under-way.ts';

export type ShareLimits = UnderWayLimits & { readonly maxSessions: number };

/** A session's place in the share of its principal. */
export type Share = {
  /** Of all the principal's sessions; counts in the gateway's too. */
  readonly underWay: UnderWay;
  /** The session is over. Once. */
  leave(): void;
};

export type Shares = {
  /** Who holds something. */
  readonly size: number;
  /** For one more session; undefined when the principal has as many as it may. `principal` names it and its tenant. */
  take(principal: string): Share | undefined;
};

type Held = { readonly underWay: UnderWay; sessions: number };

export function createShares(limits: ShareLimits, gateway: UnderWay): Shares {
  const held = new Map<string, Held>();

  /** What is under way outlives its session, and still counts should its principal come back meanwhile. */
  function leave(principal: string, of: Held): void {
    of.sessions -= 1;
    if (of.sessions > 0) return;
    void of.underWay.idle().then(() => {
      if (of.sessions === 0 && held.get(principal) === of) held.delete(principal);
    });
  }

  return {
    get size() {
      return held.size;
    },
    take(principal) {
      const known = held.get(principal);
      if (known !== undefined && known.sessions >= limits.maxSessions) return undefined;
      const share = known ?? { underWay: new UnderWay(limits, gateway), sessions: 0 };
      if (known === undefined) held.set(principal, share);
      share.sessions += 1;
      return { underWay: share.underWay, leave: () => leave(principal, share) };
    },
  };
}
