/**
 * What may be under way at the HTTPS face at once: exchanges, those of one principal, and bytes of bodies that are held.
 * Whoever comes when there is no room is told to come again; nothing waits in a queue.
 */

export type PlaceLimits = {
  readonly maxExchanges: number;
  /** Of one principal. */
  readonly maxOfPrincipal: number;
  /** Of bodies, from their first byte until their exchange ends. */
  readonly maxBytes: number;
};

export type Place = {
  /** Whose it is, once that is known. False: they have as many as they may. Once. */
  belongTo(principal: string): boolean;
  /** Room for so many bytes more. False: there is none. */
  hold(bytes: number): boolean;
  /** Idempotent. */
  leave(): void;
};

export type Places = {
  readonly taken: number;
  take(): Place | undefined;
  /** Resolves when none is taken. */
  idle(): Promise<void>;
};

export function createPlaces(limits: PlaceLimits): Places {
  const ofPrincipal = new Map<string, number>();
  let waiting: (() => void)[] = [];
  let taken = 0;
  let heldBytes = 0;

  function leavePrincipal(principal: string): void {
    const left = (ofPrincipal.get(principal) ?? 1) - 1;
    if (left > 0) ofPrincipal.set(principal, left);
    else ofPrincipal.delete(principal);
  }

  return {
    get taken() {
      return taken;
    },
    take() {
      if (taken >= limits.maxExchanges) return undefined;
      taken += 1;
      let owner: string | undefined;
      let bytes = 0;
      let isLeft = false;
      return {
        belongTo(principal) {
          const own = ofPrincipal.get(principal) ?? 0;
          if (own >= limits.maxOfPrincipal) return false;
          ofPrincipal.set(principal, own + 1);
          owner = principal;
          return true;
        },
        hold(more) {
          if (heldBytes + more > limits.maxBytes) return false;
          heldBytes += more;
          bytes += more;
          return true;
        },
        leave() {
          if (isLeft) return;
          isLeft = true;
          taken -= 1;
          heldBytes -= bytes;
          if (owner !== undefined) leavePrincipal(owner);
          if (taken > 0) return;
          for (const tell of waiting) tell();
          waiting = [];
        },
      };
    },
    idle: () => (taken === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
  };
}
