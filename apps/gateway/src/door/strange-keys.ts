/** Data keys that others name: what one principal may make us ask key-service, as rubbish for a key costs a call. */
import type { KeyObject } from 'node:crypto';
import { busy } from '@sallyport/service/errors';
import type { DataKeys } from '../clients/data-keys.ts';

const BOUNDS = { max: 32, perMs: 60_000, principals: 4_096 } as const;

/** Undefined for no key of ours. Rejects when nobody can say: key-service is away, or too many were named that were none (`busy`). */
export type OpenNamedKey = (
  principal: { readonly tenant: string; readonly id: string },
  wrapped: Uint8Array,
) => Promise<KeyObject | undefined>;

/**
 * 32 keys of a minute that were none, or are being asked about, for each principal. Keys that are known here cost nothing and are
 * not counted, nor is what key-service could not say.
 */
export function strangeKeys(own: DataKeys, monotonic: () => number): OpenNamedKey {
  const named = new Map<string, { count: number; untilMs: number }>();

  /** Counted before it is asked, so that a thousand at once are no way around it. */
  return async ({ tenant, id }, wrapped) => {
    const known = own.known(wrapped);
    if (known !== undefined) return known;
    const principal = `${tenant}\0${id}`;
    const nowMs = monotonic();
    let tally = named.get(principal);
    if (tally === undefined || nowMs >= tally.untilMs) {
      named.delete(principal);
      named.set(principal, (tally = { count: 0, untilMs: nowMs + BOUNDS.perMs }));
      for (const oldest of named.keys()) {
        if (named.size <= BOUNDS.principals) break;
        named.delete(oldest);
      }
    }
    if (tally.count >= BOUNDS.max) throw busy('too many unknown keys were named');
    tally.count += 1;
    let isNone = false;
    try {
      const key = await own.opening(Uint8Array.from(wrapped));
      isNone = key === undefined;
      return key;
    } finally {
      if (!isNone) tally.count -= 1;
    }
  };
}
