/** What must hold of a log that several replicas keep, checked from outside: folders, database, signatures. */
import {
  CHECKPOINT_PATH,
  fileTileStore,
  formatVerifierKey,
  verifyLog,
  type Checkpoint,
  type LogLeaf,
  type LogSource,
} from '@sallyport/audit-log';
import { consistencyProof, verifyConsistency } from '@sallyport/crypto';
import type { AuditTrail } from '@sallyport/service/audit';
import { expect } from 'vitest';
import { exportLeaves } from '../src/app/export-leaves.ts';
import type { LogState } from '../src/app/ports.ts';
import { postgresStore } from '../src/store/postgres.ts';
import { eventually, origin } from './fixture.ts';
import type { Replica, Rig } from './replicas.ts';
import { callEvent } from './support.ts';

/** A machine that is busy with other tests is given more than docs/adr/0045 promises. */
export const PATIENCE_MS = 30_000;

/** All that the producer recorded is under a checkpoint. */
export const acknowledged = (producer: AuditTrail): Promise<void> =>
  eventually(() => producer.spool.depthBytes === 0, 'all is acknowledged', PATIENCE_MS);

export const logState = (rig: Rig): Promise<LogState> => postgresStore(rig.database).checkpoints.state();

/** The replica that has the term, if it is one of these. */
export async function writerOf(rig: Rig, replicas: readonly Replica[]): Promise<Replica | undefined> {
  const { fence } = await logState(rig);
  for (const replica of replicas) if ((await replica.producer()) === fence?.holder) return replica;
  return undefined;
}

export async function recordAll(producer: AuditTrail, from: number, count: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, i) => producer.record(callEvent(from + i))));
}

/** The folder of a replica with the leaves of the database. */
function sourceOf(rig: Rig, replica: Replica): LogSource {
  const store = postgresStore(rig.database);
  const tiles = fileTileStore(replica.logDirectory);
  return {
    checkpoint: () => tiles.read(CHECKPOINT_PATH),
    tile: (path) => tiles.read(path),
    async *leaves(from): AsyncIterable<LogLeaf> {
      const signal = new AbortController().signal;
      for await (const leaves of exportLeaves(store, from, await store.leaves.size(), signal))
        for (const leaf of leaves) yield leaf as LogLeaf;
    },
  };
}

export async function verifierKeys(rig: Rig): Promise<readonly string[]> {
  const { keys } = await rig.keys.listPublicKeys({});
  return keys.map(({ publicKey }) => formatVerifierKey(origin, publicKey)).toReversed();
}

export async function expectWholeLog(rig: Rig, replica: Replica): Promise<void> {
  const [verifierKey = '', ...earlierKeys] = await verifierKeys(rig);
  // A log that still grows replaces the tiles of its edge while they are read: it is asked until it stands still.
  let last: Awaited<ReturnType<typeof verifyLog>> | undefined;
  await eventually(
    async () => {
      last = await verifyLog(sourceOf(rig, replica), { verifierKey, earlierKeys });
      return last.ok && last.checkpoint?.size === (await logState(rig)).saved?.size;
    },
    `${replica.name} has the saved checkpoint`,
    PATIENCE_MS,
  ).catch((error: unknown) => {
    expect(last?.findings, replica.name).toEqual([]);
    throw error;
  });
}

/** Each with each later one, by proofs over the leaves that are in the log now. */
export async function expectOneHistory(rig: Rig, signed: readonly Checkpoint[] = rig.signed): Promise<void> {
  const store = postgresStore(rig.database);
  const hashes = (await store.leaves.hashes(0, 1_000_000)).map(({ leafHash }) => leafHash);
  const distinct = [
    ...new Map(
      signed.map((each) => [`${each.size} ${Buffer.from(each.root).toString('hex')}`, each]),
    ).values(),
  ];
  distinct.sort((a, b) => a.size - b.size);
  expect(new Set(distinct.map(({ size }) => size)).size).toBe(distinct.length); // one root for a size
  const last = distinct.at(-1);
  if (last === undefined) throw new Error('nothing was signed');
  for (const [i, later] of distinct.entries()) {
    // The one before, which is enough by induction, and the very last, which is what an auditor would compare with.
    for (const [old, next] of [
      [distinct[i - 1], later],
      [later, last],
    ] as const) {
      if (old === undefined) continue;
      const holds = verifyConsistency({
        oldSize: old.size,
        oldRoot: old.root,
        newSize: next.size,
        newRoot: next.root,
        proof: consistencyProof(hashes.slice(0, next.size), old.size),
      });
      expect(holds, `${old.size} and ${next.size}`).toBe(true);
    }
  }
}

/** Every event that a producer recorded is in the log once, in its order. */
export async function expectOnce(rig: Rig, producer: AuditTrail): Promise<void> {
  const rows = await rig.database.kysely
    .selectFrom('leaf')
    .select('producer_seq')
    .where('producer', '=', producer.spool.producer)
    .orderBy('leaf_index')
    .execute();
  const through = Number(producer.spool.head);
  const wanted = Array.from({ length: through }, (_, i) => BigInt(i + 1));
  expect(rows.map(({ producer_seq }) => producer_seq)).toEqual(wanted);
}

/** How many findings of this kind are in the log. */
export async function findings(rig: Rig, finding: string): Promise<number> {
  const found = await postgresStore(rig.database).records.query(
    { action: finding, joinOutcomes: false },
    { leafIndex: 0, item: -1 },
    100,
  );
  return found.length;
}
