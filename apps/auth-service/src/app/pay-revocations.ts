/**
 * Does what committed revocations owe: gateways hear of them, and key-service destroys their keys.
 *
 * The numbered rows are their own outbox (docs/adr/0031): a crash between commit and announcement leaves the row owing,
 * and the next start pays. Both steps bear repetition. Neither waits for the other.
 */
import { serialised } from '@sallyport/service/lifecycle';
import { MAX_DESTROY_IDS } from '../domain/limits.ts';
import type { Revocation } from '../domain/session.ts';
import type { AnnounceRevocation, Keys, OwedStep, RevocationStore } from './ports.ts';

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
  /** Oldest first, until nothing is left or something fails: the next turn of the upkeep tries that. */
  async function work(
    step: OwedStep,
    pay: (owed: readonly Revocation[], paid: bigint[]) => Promise<void>,
  ): Promise<void> {
    for (let isFailed = false; !isFailed;) {
      const owed = await feed.owed(step, MAX_DESTROY_IDS);
      if (owed.length === 0) return;
      const paid: bigint[] = [];
      try {
        await pay(owed, paid);
      } catch (error) {
        isFailed = true;
        onProblem(step, error);
      }
      await feed.pay(paid, step);
    }
  }

  return serialised(async () => {
    const outcomes = await Promise.allSettled([
      // In order, and none after one that failed: a gap in what was heard makes gateways ask.
      work('announced', async (owed, paid) => {
        for (const revocation of owed) {
          await announce(revocation);
          paid.push(revocation.number);
        }
      }),
      work('key_destroyed', async (owed, paid) => {
        await keys.destroySessionKeys(owed.map(({ sessionId }) => sessionId));
        paid.push(...owed.map(({ number }) => number));
      }),
    ]);
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  });
}
