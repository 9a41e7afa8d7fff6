/**
 * Batches of one producer may reach different replicas: the one before is then on its way into the log elsewhere. It is
 * waited for here for a moment, which is shorter than sending the batch back and getting it again.
 */
import type { LeafReader, Sleep } from './ports.ts';

/** Resolves to whether the log has the producer's events up to `seq`: at once when it has, else when it has or in vain. */
export type AwaitSequence = (producer: string, seq: bigint) => Promise<boolean>;

export type AwaitSequencePorts = {
  readonly leaves: Pick<LeafReader, 'position'>;
  readonly monotonic: () => number;
  readonly sleep: Sleep;
};

/** Much less than a broker's patience: the place in flight is somebody else's too. */
const MAX_WAIT_MS = 1_000;
const LOOK_MS = 20;

export function awaitSequence({ leaves, monotonic, sleep }: AwaitSequencePorts): AwaitSequence {
  /** One look for all batches of a producer that wait. */
  const looks = new Map<string, Promise<bigint>>();
  const never = new AbortController().signal;

  async function look(producer: string): Promise<bigint> {
    try {
      await sleep(LOOK_MS, never);
      return await leaves.position(producer, Number.MAX_SAFE_INTEGER);
    } finally {
      looks.delete(producer);
    }
  }

  return async (producer, seq) => {
    const untilMs = monotonic() + MAX_WAIT_MS;
    while (monotonic() < untilMs) {
      const looking = looks.get(producer) ?? look(producer);
      looks.set(producer, looking);
      if ((await looking) >= seq) return true;
    }
    return false;
  };
}
