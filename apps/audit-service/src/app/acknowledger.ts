/**
 * The word to the producers, for what is under a saved checkpoint: true for good, whoever says it and when. One that is
 * lost costs a resend, which brings it again.
 */
import type { Log } from '@sallyport/service/log';
import type { Acknowledge, LeafReader, SavedCheckpoint, Sleep } from './ports.ts';

export type AcknowledgerPorts = {
  readonly leaves: Pick<LeafReader, 'position' | 'progress'>;
  readonly acknowledge: Acknowledge;
  readonly sleep: Sleep;
  readonly log: Log;
};

export type Acknowledger = {
  /** Another replica went on from one checkpoint to the next, and has acknowledged up to the first at least. */
  followed(from: SavedCheckpoint | undefined, to: SavedCheckpoint | undefined): void;
  /** Acknowledges what is under the checkpoint and was not yet acknowledged. */
  upTo(checkpoint: SavedCheckpoint): Promise<void>;
  /** Once more, to a producer that sends again. */
  repeat(producer: string, checkpoint: SavedCheckpoint): Promise<void>;
};

/** A bus that takes no more is not waited for longer: checkpoints go on without it. */
const MAX_WAIT_MS = 1_000;

export function acknowledger({ leaves, acknowledge, sleep, log }: AcknowledgerPorts): Acknowledger {
  /** Undefined before the first checkpoint was seen: what was under that one, its producers ask for. */
  let size: number | undefined;

  async function tell(producer: string, throughSeq: bigint, checkpointSize: number): Promise<void> {
    try {
      await acknowledge(producer, throughSeq, checkpointSize);
    } catch (error) {
      log.warn('an acknowledgement could not be sent', { producer, error });
    }
  }

  return {
    followed(from, to) {
      if (to !== undefined && from !== to) size = from?.size ?? to.size;
    },
    async upTo(checkpoint) {
      if (size !== undefined && size >= checkpoint.size) return;
      const progress = await leaves.progress(size ?? 0, checkpoint.size);
      size = checkpoint.size;
      const waited = new AbortController();
      const told = [...progress].map(([producer, throughSeq]) => tell(producer, throughSeq, checkpoint.size));
      await Promise.race([Promise.all(told), sleep(MAX_WAIT_MS, waited.signal)]);
      waited.abort();
    },
    async repeat(producer, checkpoint) {
      const throughSeq = await leaves.position(producer, checkpoint.size);
      if (throughSeq > 0n) await tell(producer, throughSeq, checkpoint.size);
    },
  };
}
