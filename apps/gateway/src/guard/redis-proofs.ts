/**
 * DPoP proofs seen before, for all gateways: a key for each in Redis, set if it is not there, gone when its proof is too old
 * to be used.
 *
 * Like the replay guard (docs/adr/0060), the script reads which history its server has. A history that this gateway has not
 * met before may have lost what was claimed in another, so proofs that were certainly made before it was met are `stale`.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '@sallyport/service/clock';
import { HISTORY_BYTES, type ProofGuard } from '../door/ports.ts';
import { proofHash } from './proofs.ts';
import type { RedisCaller } from './redis-caller.ts';
import { PRELUDE } from './redis-script-limits.ts';
import type { RedisScript } from './redis-scripts.ts';

/** KEYS proof. ARGV life in ms. Answers whether it is new, and the server's incarnation. */
const CLAIM_TEXT = `${PRELUDE}
local new = redis.call('SET', KEYS[1], '1', 'NX', 'PX', ARGV[1])
return {new and 1 or 0, incarnation()}`;
const CLAIM: RedisScript = {
  text: CLAIM_TEXT,
  sha1: createHash('sha1').update(CLAIM_TEXT).digest('hex'),
};

/** How much longer than it can be used a proof is remembered: clocks of gateways differ. */
const MARGIN_MS = 10_000;
/** Histories that are remembered; a cluster of that many masters, or so many fail-overs. */
const MAX_MET = 1_024;

/** When a history was met first, by our clock, and its name. */
type Met = { readonly atMs: number; readonly name: string };

export function redisProofGuard(ports: {
  readonly caller: Pick<RedisCaller, 'run'>;
  readonly clock: Pick<Clock, 'now'>;
  /** Throws while the guard would refuse. */
  readonly refuseIfAway: () => void;
}): ProofGuard {
  const { caller, clock, refuseIfAway } = ports;
  /** By incarnation. */
  const met = new Map<string, Met>();

  function metAs(incarnation: string): Met {
    const known = met.get(incarnation);
    if (known !== undefined) return known;
    const name = createHash('sha256').update(incarnation).digest().subarray(0, HISTORY_BYTES);
    const first = { atMs: clock.now(), name: name.toString('base64url') };
    met.set(incarnation, first);
    for (const oldest of met.keys()) {
      if (met.size <= MAX_MET) break;
      met.delete(oldest);
    }
    return first;
  }

  return {
    async claim({ thumbprint, tokenId, issuedAtMs, notAfterMs, madeIn }) {
      refuseIfAway();
      const nowMs = clock.now();
      if (notAfterMs < nowMs) return 'stale';
      const key = `{${proofHash(thumbprint, tokenId).toString('base64url')}}:dpop`;
      const life = String(Math.ceil(notAfterMs - nowMs) + MARGIN_MS);
      const [isNew, incarnation] = (await caller.run(CLAIM, [key], [life])) as [number, Buffer];
      const { atMs, name } = metAs(String(incarnation));
      if (issuedAtMs < atMs && (await madeIn?.())?.has(name) !== true) return 'stale';
      return isNew === 1 ? 'new' : 'seen';
    },
    histories: () => [...met.values()].map(({ name }) => name).reverse(),
  };
}
