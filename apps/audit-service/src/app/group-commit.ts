/** Many batches in one transaction: what arrives while one runs goes together into the next. */
import type { LeafWriter } from './ports.ts';
import { MAX_COMMIT_BYTES, MAX_COMMIT_ROWS } from '../domain/limits.ts';
import { planCommit, type Offer, type Taken } from '../domain/plan-commit.ts';

export type Commit = (offer: Offer) => Promise<Taken>;

type Waiting = {
  readonly offer: Offer;
  readonly bytes: number;
  readonly resolve: (taken: Taken) => void;
  readonly reject: (error: unknown) => void;
};

export type GroupCommitPorts = {
  readonly writer: LeafWriter;
  /** New leaves are on disk. */
  readonly onCommitted: (leaves: number, rows: number) => void;
};

/**
 * The promise of an offer resolves when the transaction with it has. When a transaction of several fails, each of its
 * offers is tried once more alone, so that one that cannot be stored takes no other down with it.
 */
export function groupCommit({ writer, onCommitted }: GroupCommitPorts): Commit {
  const queue: Waiting[] = [];
  let running = false;

  async function commit(offers: readonly Offer[]): Promise<readonly Taken[]> {
    const producers = [...new Set(offers.map(({ batch }) => batch.producer))];
    const { leaves, taken } = await writer.commit(producers, (head) => planCommit(head, offers));
    if (leaves.length > 0) {
      onCommitted(
        leaves.length,
        leaves.reduce((sum, { records }) => sum + records.length, 0),
      );
    }
    return taken;
  }

  async function settle(group: readonly Waiting[]): Promise<void> {
    try {
      const taken = await commit(group.map(({ offer }) => offer));
      for (const [i, { resolve, reject }] of group.entries()) {
        const each = taken[i];
        if (each === undefined) reject(new Error('the plan has no answer for a batch'));
        else resolve(each);
      }
    } catch (error) {
      if (group.length === 1) group[0]?.reject(error);
      else for (const alone of group) await settle([alone]);
    }
  }

  async function run(): Promise<void> {
    running = true;
    try {
      while (queue.length > 0) await settle(nextGroup(queue));
    } finally {
      running = false;
    }
  }

  return (offer) =>
    new Promise((resolve, reject) => {
      const bytes = offer.batch.bodies.reduce((sum, body) => sum + body.length, 0);
      queue.push({ offer, bytes, resolve, reject });
      if (!running) void run();
    });
}

/** As many as one transaction may hold, at least one. A frame of 256 messages has some 90 bytes of body for each row. */
function nextGroup(queue: Waiting[]): Waiting[] {
  const group: Waiting[] = [];
  let [bytes, rows] = [0, 0];
  for (let next = queue[0]; next !== undefined; next = queue[0]) {
    bytes += next.bytes;
    rows += next.offer.batch.bodies.length;
    if (group.length > 0 && (bytes > MAX_COMMIT_BYTES || rows > MAX_COMMIT_ROWS)) break;
    group.push(next);
    queue.shift();
  }
  return group;
}
