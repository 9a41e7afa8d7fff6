/** The store as a fake with the real one's contract: for tests, nothing survives the process. */
import { sha256 } from '@sallyport/crypto';
import { LogShrunk, type SavedCheckpoint } from '../app/ports.ts';
import { beaten, isSame, promisedAfter, taken, type Fence } from '../domain/fence.ts';
import type { FoundRecord, NewLeaf, Position, RecordFilter, StoredRecord } from '../domain/leaf.ts';
import type { AuditStore } from './store.ts';

export function memoryStore(): AuditStore {
  const leaves: NewLeaf[] = [];
  let saved: SavedCheckpoint | undefined;
  let fence: Fence | undefined;
  const folders = new Map<string, number>();
  let writing: Promise<unknown> = Promise.resolve();

  const records = (): FoundRecord[] =>
    leaves.flatMap((leaf) =>
      leaf.records.map((record) => ({
        ...record,
        leafIndex: leaf.index,
        producer: leaf.producer,
        producerSeq: leaf.seq,
      })),
    );

  return {
    writer: {
      commit(producers, planner) {
        const run = writing.then(() => {
          if ((saved?.size ?? 0) > leaves.length)
            throw new LogShrunk('the checkpoint covers more than there is');
          const positions = new Map<string, bigint>();
          for (const { producer, seq } of leaves)
            if (producers.includes(producer)) positions.set(producer, seq);
          const plan = planner({ size: leaves.length, positions });
          leaves.push(...plan.leaves);
          return plan;
        });
        writing = run.catch(() => undefined);
        return run;
      },
    },
    leaves: {
      size: async () => leaves.length,
      async leaves({ from, to, limit, maxBytes }) {
        let total = 0;
        return leaves
          .slice(from, Math.min(to, from + limit))
          .filter(({ body }, i) => (total += body.length) <= maxBytes || i === 0);
      },
      hashes: async (from, limit) => leaves.slice(from, from + limit),
      progress: async (from, to) =>
        new Map(leaves.slice(from, to).map(({ producer, seq }) => [producer, seq])),
      position: async (producer, below) =>
        leaves.slice(0, below).findLast((leaf) => leaf.producer === producer)?.seq ?? 0n,
      hashesOf: async (of, fromSeq, toSeq) =>
        new Map(
          leaves
            .filter(({ producer, seq }) => producer === of && seq >= fromSeq && seq <= toSeq)
            .map(({ seq, leafHash }) => [seq, leafHash]),
        ),
    },
    seals: {
      sealed: async (from, limit) =>
        leaves.slice(from, from + limit).map(({ index, producer, seq, body, leafHash }) => ({
          index,
          producer,
          seq,
          leafHash,
          bodyDigest: sha256(body),
        })),
    },
    records: {
      async query(filter, after, limit) {
        const all = records();
        return (filter.joinOutcomes ? withOutcomes(all) : all)
          .filter((record) => isAfter(record, after) && matches(record, filter))
          .slice(0, limit);
      },
      async ofLeaves(indices) {
        const found = new Map<number, readonly StoredRecord[]>();
        for (const index of indices) {
          const rows = leaves[index]?.records ?? [];
          if (rows.length > 0) found.set(index, rows);
        }
        return found;
      },
      bodySizes: async (indices) => new Map(bodiesOf(indices).map(([index, body]) => [index, body.length])),
      bodies: async (indices) => new Map(bodiesOf(indices)),
    },
    checkpoints: {
      saved: async () => saved,
      state: async () => ({
        leaves: leaves.length,
        ...(saved === undefined ? {} : { saved }),
        ...(fence === undefined ? {} : { fence }),
      }),
    },
    fence: {
      take: async (holder, seen) => put(taken(fence, holder, seen))?.term,
      beat: async (writer) => put(beaten(fence, writer)) !== undefined,
      async promise(writer, succession) {
        if (saved !== undefined && saved.size > succession.next.size) return false;
        return put(promisedAfter(fence, writer, succession)) !== undefined;
      },
      async save(writer, promised, checkpoint) {
        const next = beaten(fence, writer);
        if (!isSame(next?.promised, promised) || (saved?.size ?? 0) > checkpoint.size) return false;
        put(next);
        saved = checkpoint;
        return true;
      },
      async release(writer) {
        const next = beaten(fence, writer);
        if (next !== undefined) put({ ...next, holder: '' });
      },
    },
    folders: {
      folderSize: async (replica) => folders.get(replica),
      noteFolder: async (replica, size) => void folders.set(replica, size),
    },
  };

  function put(next: Fence | undefined): Fence | undefined {
    if (next !== undefined) fence = next;
    return next;
  }

  function bodiesOf(indices: readonly number[]): (readonly [number, Uint8Array])[] {
    return indices.flatMap((index) => {
      const body = leaves[index]?.body;
      return body === undefined ? [] : [[index, body] as const];
    });
  }
}

function withOutcomes(all: readonly FoundRecord[]): FoundRecord[] {
  const outcomes = new Map<string, FoundRecord>();
  const key = ({ sessionId, correlation, seq }: FoundRecord) => `${sessionId} ${correlation} ${seq}`;
  for (const record of all) {
    if (record.phase === 'outcome' && !outcomes.has(key(record))) outcomes.set(key(record), record);
  }
  return all
    .filter(({ phase }) => phase !== 'outcome')
    .map((record) => {
      const isSent = record.phase === 'decision' && record.decision === 'allow';
      const outcome = isSent ? outcomes.get(key(record)) : undefined;
      return outcome === undefined
        ? record
        : { ...record, outcome: outcome.outcome, outcomeLeafIndex: outcome.leafIndex };
    });
}

function isAfter({ leafIndex, item }: FoundRecord, after: Position): boolean {
  return leafIndex > after.leafIndex || (leafIndex === after.leafIndex && item > after.item);
}

function matches(record: FoundRecord, filter: RecordFilter): boolean {
  const { sinceMs = -Infinity, untilMs = Infinity, joinOutcomes, overdueBeforeMs, ...given } = filter;
  if (record.timeMs < sinceMs || record.timeMs >= untilMs) return false;
  const isOverdue =
    joinOutcomes &&
    record.phase === 'decision' &&
    record.decision === 'allow' &&
    record.outcomeLeafIndex === undefined &&
    record.timeMs < (overdueBeforeMs ?? -Infinity);
  const { outcome, ...others } = given;
  const equal = outcome === 'unknown' && isOverdue ? others : given;
  return Object.entries(equal).every(
    ([name, value]) => value === undefined || record[name as keyof typeof given] === value,
  );
}
