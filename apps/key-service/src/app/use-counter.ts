/**
 * Counts seals and signatures per version in blocks set aside on disk before they are used. A crash loses the rest of a
 * block, so the count on disk is never too low; a clean shutdown and a rotation give the rest back.
 */
import type { KeyId, KeyVersion } from '../domain/key.ts';
import { MAX_SEALS_PER_VERSION, MAX_SIGNATURES_PER_VERSION, USE_BLOCK } from '../domain/limits.ts';
import type { KeyWriter } from './ports.ts';

export interface UseCounter {
  /** `taken`: the uses are paid for and may be made. `exhausted`: rotate. `inactive`: read the key again. */
  take(key: KeyVersion, count: number): Promise<'taken' | 'exhausted' | 'inactive'>;
  /** Uses really made, as far as this process knows: what is on disk less what it has left of its block. */
  used(key: KeyVersion): bigint;
  /** Ends counting for a version and gives back what is left of its block. */
  retire(keyId: KeyId): Promise<void>;
  /** `retire` for every version, at shutdown. */
  close(): Promise<void>;
}

export interface UseCounterOptions {
  readonly block?: bigint;
  readonly maxSeals?: bigint;
}

export function useCounter(
  keys: Pick<KeyWriter, 'reserveUses' | 'returnUses'>,
  { block = USE_BLOCK, maxSeals = MAX_SEALS_PER_VERSION }: UseCounterOptions = {},
): UseCounter {
  const left = new Map<KeyId, bigint>();
  const reserving = new Map<KeyId, Promise<'reserved' | 'exhausted' | 'inactive'>>();

  /** One reservation at a time per version: a burst shares blocks instead of taking one each. */
  function reserve(key: KeyVersion, count: bigint): Promise<'reserved' | 'exhausted' | 'inactive'> {
    const running = reserving.get(key.keyId);
    if (running !== undefined) return running;
    const limit = key.kind === 'domain' ? maxSeals : MAX_SIGNATURES_PER_VERSION;
    const amount = count > block ? count : block;
    const started = keys
      .reserveUses(key.keyId, amount, limit)
      .then((outcome) => {
        if (outcome === 'reserved') left.set(key.keyId, (left.get(key.keyId) ?? 0n) + amount);
        return outcome;
      })
      .finally(() => reserving.delete(key.keyId));
    reserving.set(key.keyId, started);
    return started;
  }

  async function retire(keyId: KeyId): Promise<void> {
    await reserving.get(keyId)?.catch(() => undefined);
    const rest = left.get(keyId) ?? 0n;
    left.delete(keyId); // first out of reach, then given back: never the other way round
    if (rest > 0n) await keys.returnUses(keyId, rest);
  }

  return {
    take: async (key, count) => {
      const wanted = BigInt(count);
      for (;;) {
        const available = left.get(key.keyId) ?? 0n;
        if (available >= wanted) {
          left.set(key.keyId, available - wanted);
          return 'taken';
        }
        const outcome = await reserve(key, wanted);
        if (outcome !== 'reserved') return outcome;
      }
    },
    used: (key) => {
      const unused = left.get(key.keyId) ?? 0n;
      return key.usesReserved > unused ? key.usesReserved - unused : 0n; // `key` may have been read before the block was
    },
    retire,
    close: async () => {
      for (const keyId of [...left.keys()]) await retire(keyId);
    },
  };
}
