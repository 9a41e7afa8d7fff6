/**
 * The working key (Kp) of a pre-shared key's id. There is one for every id: those that are unknown, revoked, over or of
 * another trust domain have a decoy, by the same steps in the same order (PROTOCOL.md section 2, "PSK").
 *
 * Steps: one row looked for; not in the cache: one Decrypt at key-service (of the key, or of the decoy secret), one HMAC,
 * one derivation. Real keys and decoys have caches of their own, so that a flood of ids evicts no real key and shows
 * nothing by what it evicts.
 */
import type { KeyObject } from 'node:crypto';
import { derivePskKey } from '@sallyport/channel';
import { hmacSha256, secretKey, toHex } from '@sallyport/crypto';
import { DECOY_CONTEXT, pskContext, pskProblem, type Psk, type PskProblem } from '../domain/psk.ts';
import type { DecoySecret } from './decoy-secret.ts';
import { keyCache } from './key-cache.ts';
import type { Keys, Now, PskStore } from './ports.ts';

export interface PskKeysPorts {
  readonly psks: Pick<PskStore, 'find'>;
  readonly decoySecret: DecoySecret;
  readonly keys: Pick<Keys, 'decrypt'>;
  readonly trustDomain: string;
  readonly now: Now;
  readonly monotonic: () => number;
}

export type OpenedPsk =
  | { readonly kind: 'real'; readonly key: KeyObject; readonly psk: Psk }
  | { readonly kind: 'decoy'; readonly key: KeyObject; readonly problem: PskProblem };

export interface PskKeys {
  /** Rejects with `unavailable` when key-service is away, for every id alike. */
  open(pskId: Uint8Array): Promise<OpenedPsk>;
  /** Forgets an opened key. */
  drop(pskId: Uint8Array): void;
}

/** As long as most names, and nobody's. */
const DECOY_CLIENT = 'workload:decoy';

export function pskKeys(ports: PskKeysPorts): PskKeys {
  const { psks, keys, trustDomain, now, monotonic } = ports;
  const real = keyCache(monotonic);
  const decoys = keyCache(monotonic);

  /** Kp of `psk`, or of the decoy. */
  async function derive(pskId: Uint8Array, decoy: Uint8Array, psk: Psk | undefined): Promise<KeyObject> {
    const opened = await keys.decrypt(
      psk?.sealed ?? decoy,
      psk === undefined ? DECOY_CONTEXT : pskContext(psk),
    );
    const mixed = hmacSha256(secretKey(opened), pskId);
    try {
      return derivePskKey({
        psk: psk === undefined ? mixed : opened,
        pskId,
        client: psk?.principal ?? DECOY_CLIENT,
        trustDomain,
      });
    } finally {
      opened.fill(0);
      mixed.fill(0);
    }
  }

  return {
    async open(pskId) {
      const [row, decoy] = await Promise.all([psks.find(pskId), ports.decoySecret()]);
      const problem = pskProblem(row, trustDomain, now());
      const psk = problem === undefined ? row : undefined;
      const cache = psk === undefined ? decoys : real;
      const id = toHex(pskId);
      let key = cache.get(id);
      if (key === undefined) {
        key = await derive(pskId, decoy, psk);
        cache.set(id, key);
      }
      return psk === undefined
        ? { kind: 'decoy', key, problem: problem ?? 'psk_unknown' }
        : { kind: 'real', key, psk };
    },
    drop: (pskId) => real.drop(toHex(pskId)),
  };
}
