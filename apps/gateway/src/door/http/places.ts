/**
 * What may be under way at the HTTPS face at once: exchanges and bytes of bodies that are held, of all and of one principal.
 * Whoever comes when there is no room is told to come again; nothing waits in a queue.
 */

export type PlaceLimits = {
  readonly maxExchanges: number;
  /** Of one principal. */
  readonly maxOfPrincipal: number;
  /** Of bodies, from their first byte until their exchange ends. */
  readonly maxBytes: number;
  /** Of those of one principal. */
  readonly maxBytesOfPrincipal: number;
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

/** None is taken yet. */
export function createPlaces(limits: PlaceLimits): Places {
  const ofPrincipal = new Map<string, { places: number; bytes: number }>();
  let waiting: (() => void)[] = [];
  let taken = 0;
  let heldBytes = 0;

  return {
    get taken() {
      return taken;
    },
    take() {
      if (taken >= limits.maxExchanges) return undefined;
      taken += 1;
      let owner: string | undefined;
      let share: { places: number; bytes: number } | undefined;
      let bytes = 0;
      let isLeft = false;
      return {
        belongTo(principal) {
          const own = ofPrincipal.get(principal) ?? { places: 0, bytes: 0 };
          if (own.places >= limits.maxOfPrincipal) return false;
          own.places += 1;
          ofPrincipal.set(principal, own);
          owner = principal;
          share = own;
          return true;
        },
        hold(more) {
          if (heldBytes + more > limits.maxBytes) return false;
          if (share !== undefined) {
            if (share.bytes + more > limits.maxBytesOfPrincipal) return false;
            share.bytes += more;
          }
          heldBytes += more;
          bytes += more;
          return true;
        },
        leave() {
          if (isLeft) return;
          isLeft = true;
          taken -= 1;
          heldBytes -= bytes;
          if (owner !== undefined && share !== undefined) {
            share.places -= 1;
            share.bytes -= bytes;
            if (share.places === 0) ofPrincipal.delete(owner);
          }
          if (taken > 0) return;
          for (const tell of waiting) tell();
          waiting = [];
        },
      };
    },
    idle: () => (taken === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
  };
}
