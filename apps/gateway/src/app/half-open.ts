/** Handshakes and resumes under way (PROTOCOL.md "Half-open"): so many on a carrier, and so many at the gateway. */

/** At this gateway, shared by all carriers. */
export type HalfOpen = { count: number; max: number };

/** Of one carrier. */
export type HalfOpenPlaces = {
  /** False when there are too many; true takes a place. */
  take(): boolean;
  /** Gives one back. */
  leave(): void;
};

const MAX_OF_CARRIER = 8;

export function halfOpenPlaces(gateway: HalfOpen): HalfOpenPlaces {
  let own = 0;
  return {
    take() {
      if (own >= MAX_OF_CARRIER || gateway.count >= gateway.max) return false;
      own += 1;
      gateway.count += 1;
      return true;
    },
    leave() {
      own -= 1;
      gateway.count -= 1;
    },
  };
}
