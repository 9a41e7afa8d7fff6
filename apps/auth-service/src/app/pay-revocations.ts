/**
 * Does what committed revocations owe: gateways hear of them, and key-service destroys their keys.
 *
 * The numbered rows are their own outbox (docs/adr/0031): a crash between commit and announcement leaves the row owing,
 * and the next start pays. Both steps bear repetition. Neither waits for the other.
 */
import { serialised } from '@sallyport/service/lifecycle';
import { MAX_DESTROY_IDS } from '../domain/limits.ts';
import type { AnnounceRevocation, Keys, OwedRevocation, OwedStep, RevocationStore } from './ports.ts';

export interface PayRevocationsPorts {
  readonly feed: Pick<RevocationStore, 'owed' | 'pay'>;
  readonly announce: AnnounceRevocation;
  readonly keys: Pick<Keys, 'destroySessionKeys'>;
  /** Told what did not work and will be tried again. */
  readonly onProblem: (step: OwedStep, error: unknown) => void;
}

/** Resolves when everything was tried once. Never rejects for the bus or key-service, only for the database. */
export type PayRevocations = () => Promise<void>;

export function payRevocations({ feed, announce, keys, onProblem }: PayRevocationsPorts): PayRevocations {
  async function attempt(step: OwedStep, run: () => Promise<void>): Promise<boolean> {
    try {
      await run();
      return true;
    } catch (error) {
      onProblem(step, error);
      return false;
    }
  }

  /** In order, and none after one that failed: a gap in what was heard makes gateways ask. */
  const announceAll = async (owed: readonly OwedRevocation[]): Promise<void> => {
    const told: bigint[] = [];
    for (const revocation of owed.filter(({ isAnnounced }) => !isAnnounced)) {
      if (!(await attempt('announced', () => announce(revocation)))) break;
      told.push(revocation.number);
    }
    await feed.pay(told, 'announced');
  };

  const destroyAll = async (owed: readonly OwedRevocation[]): Promise<void> => {
    const wanted = owed.filter(({ isKeyDestroyed }) => !isKeyDestroyed);
    if (wanted.length === 0) return;
    const ids = wanted.map(({ sessionId }) => sessionId);
    if (await attempt('key_destroyed', () => keys.destroySessionKeys(ids))) {
      await feed.pay(
        wanted.map(({ number }) => number),
        'key_destroyed',
      );
    }
  };

  return serialised(async () => {
    for (;;) {
      const owed = await feed.owed(MAX_DESTROY_IDS);
      if (owed.length === 0) return;
      await Promise.all([announceAll(owed), destroyAll(owed)]);
      // What failed now fails again at once: the next turn of the upkeep tries it.
      const [first] = owed;
      const [next] = await feed.owed(1);
      if (next !== undefined && next.number === first?.number) return;
    }
  });
}
