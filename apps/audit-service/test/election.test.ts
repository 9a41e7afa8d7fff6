/** Two audit-services as processes on a real Postgres and a real NATS: one log, whatever happens to whoever writes it. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
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
import { serverSuite } from '@sallyport/service/testing';
import { afterEach, describe, expect, test } from 'vitest';
import { exportLeaves } from '../src/app/export-leaves.ts';
import { postgresStore } from '../src/store/postgres.ts';
import { acknowledged, eventually, origin } from './fixture.ts';
import { startRig, type Replica, type Rig } from './replicas.ts';
import { callEvent } from './support.ts';

const suite = await serverSuite('postgres', 'nats');
/** What docs/adr/0045 promises; and what a machine that runs eight other test files is given. */
const TAKE_OVER_MS = 5_000;
const PATIENCE_MS = 10_000;

let rig: Rig;
let replicas: readonly Replica[] = [];
afterEach(async () => rig?.[Symbol.asyncDispose](), 30_000);

async function start(...names: readonly string[]): Promise<readonly Replica[]> {
  rig = await startRig();
  replicas = await Promise.all(names.map((name) => rig.replica(name)));
  await Promise.all(replicas.map((replica) => replica.start()));
  return replicas;
}

const state = () => postgresStore(rig.database).checkpoints.state();

async function writer(): Promise<Replica | undefined> {
  const { fence } = await state();
  for (const replica of replicas) if ((await replica.producer()) === fence?.holder) return replica;
  return undefined;
}

async function someWriter(): Promise<Replica> {
  await eventually(async () => (await writer()) !== undefined, 'there is a writer', PATIENCE_MS);
  const found = await writer();
  if (found === undefined) throw new Error('there was a writer a moment ago');
  return found;
}

const otherThan = (one: Replica): Replica => {
  const other = replicas.find((each) => each !== one);
  if (other === undefined) throw new Error('there is no other replica');
  return other;
};

async function recordAll(producer: AuditTrail, from: number, count: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, i) => producer.record(callEvent(from + i))));
}

/** The folder of a replica with the leaves of the database. */
function sourceOf(replica: Replica): LogSource {
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

async function verifierKeys(): Promise<readonly string[]> {
  const { keys } = await rig.keys.listPublicKeys({});
  return keys.map(({ publicKey }) => formatVerifierKey(origin, publicKey)).toReversed();
}

async function expectWholeLog(replica: Replica): Promise<void> {
  const [verifierKey = '', ...earlierKeys] = await verifierKeys();
  const { saved } = await state();
  await eventually(
    async () => {
      const report = await verifyLog(sourceOf(replica), { verifierKey, earlierKeys });
      return report.checkpoint?.size === saved?.size;
    },
    `${replica.name} has the saved checkpoint`,
    PATIENCE_MS,
  );
  const report = await verifyLog(sourceOf(replica), { verifierKey, earlierKeys });
  expect(report.findings, replica.name).toEqual([]);
}

/** Each with each later one, by proofs over the leaves that are in the log now. */
async function expectOneHistory(signed: readonly Checkpoint[]): Promise<void> {
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
async function expectOnce(producer: AuditTrail): Promise<void> {
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

describe.skipIf(suite.skip)(suite.title('two replicas'), () => {
  test('one writes, both have the log, and a producer is answered wherever its batch went', async () => {
    await start('one', 'two');
    const producer = await rig.producer('gateway');
    for (let n = 0; n < 20; n++) await recordAll(producer, n * 50, 50);
    await acknowledged(producer);
    await expectOnce(producer);
    for (const replica of replicas) await expectWholeLog(replica);
    await expectOneHistory(rig.signed);
    expect((await state()).fence?.term).toBe(1n);
  }, 60_000);

  test('a writer that is killed is followed within seconds', async () => {
    await start('one', 'two');
    const producer = await rig.producer('gateway');
    await recordAll(producer, 0, 100);
    await acknowledged(producer);
    const former = await someWriter();
    await former.kill();
    const began = performance.now();
    await recordAll(producer, 100, 100);
    await eventually(async () => (await writer()) === otherThan(former), 'the other one writes', PATIENCE_MS);
    await eventually(() => producer.spool.depthBytes === 0, 'acknowledged', PATIENCE_MS);
    const tookMs = Math.round(performance.now() - began);
    process.stdout.write(`acknowledged again ${tookMs} ms after the writer was killed\n`);
    expect(tookMs).toBeLessThan(PATIENCE_MS);

    await former.start(); // and it gets what it missed, without taking the term back
    await expectWholeLog(former);
    expect(await writer()).toBe(otherThan(former));
    await expectOnce(producer);
    await expectOneHistory(rig.signed);
  }, 60_000);

  test('a writer that is stopped in order leaves at once', async () => {
    await start('one', 'two');
    const producer = await rig.producer('gateway');
    await recordAll(producer, 0, 10);
    await acknowledged(producer);
    const former = await someWriter();
    await former.stop();
    expect((await state()).fence?.holder).toBe('');
    const began = performance.now();
    await recordAll(producer, 10, 10);
    await eventually(() => producer.spool.depthBytes === 0, 'acknowledged', PATIENCE_MS);
    expect(performance.now() - began).toBeLessThan(PATIENCE_MS);
    expect(await writer()).toBe(otherThan(former));
  }, 60_000);

  test('a writer that wakes up after another has gone on changes nothing, and follows', async () => {
    await start('one', 'two');
    const producer = await rig.producer('gateway');
    await recordAll(producer, 0, 100);
    await acknowledged(producer);
    const former = await someWriter();
    // In the middle of its signature: the note is made, and it will save it when it wakes up.
    rig.keys.beforeSign = () => {
      rig.keys.beforeSign = () => undefined;
      former.signal('SIGSTOP');
    };
    await recordAll(producer, 100, 100);
    await eventually(async () => (await writer()) === otherThan(former), 'the other one writes', PATIENCE_MS);
    await eventually(() => producer.spool.depthBytes === 0, 'acknowledged', PATIENCE_MS);
    await sleep(5_000); // longer than any of its time-outs
    const before = await state();
    former.signal('SIGCONT');
    await sleep(1_000);
    const after = await state();
    expect(after.fence?.term).toBe(before.fence?.term);
    expect(after.fence?.promised).toEqual(before.fence?.promised);
    expect(after.saved).toEqual(before.saved);
    await recordAll(producer, 200, 100);
    await acknowledged(producer);
    for (const replica of replicas) await expectWholeLog(replica);
    await expectOneHistory(rig.signed);
    await expectOnce(producer);
  }, 90_000);

  test('a new replica builds its folder; one that lost it builds it again and says so', async () => {
    const [one] = await start('one');
    if (one === undefined) throw new Error('no replica');
    const producer = await rig.producer('gateway');
    await recordAll(producer, 0, 700);
    await acknowledged(producer);
    const two = await rig.replica('two');
    replicas = [one, two];
    await two.start();
    await expectWholeLog(two);
    await two.kill();
    await rm(two.logDirectory, { recursive: true });
    await recordAll(producer, 700, 100);
    await two.start();
    await acknowledged(producer);
    await expectWholeLog(two);
    await eventually(async () => {
      const { rows } = await findings('log_folder_lost');
      return rows === 1;
    }, 'the loss is in the log');
  }, 60_000);

  test('a replica whose folder contradicts the log does not write; the other one does', async () => {
    await start('one', 'two');
    const producer = await rig.producer('gateway');
    await recordAll(producer, 0, 300);
    await acknowledged(producer);
    const damaged = await someWriter();
    const healthy = otherThan(damaged);
    await damaged.kill();
    const tile = join(damaged.logDirectory, 'tile/0/000');
    const bytes = await readFile(tile);
    bytes[5 * 32] = (bytes[5 * 32] ?? 0) ^ 1;
    await writeFile(tile, bytes);
    await damaged.start();
    await recordAll(producer, 300, 100);
    await acknowledged(producer);
    expect(await writer()).toBe(healthy);
    await eventually(() => damaged.lines.some((line) => line.includes('fatal')), 'it says so');
    await eventually(async () => (await findings('log_inconsistent')).rows === 1, 'so does the log');
    await healthy.kill();
    const { saved } = await state();
    await recordAll(producer, 400, 10);
    await sleep(TAKE_OVER_MS);
    expect((await state()).saved).toEqual(saved); // rather nothing than by the damaged one
    await healthy.start();
    await acknowledged(producer);
    await expectWholeLog(healthy);
  }, 90_000);

  test('a key that is rotated signs on, whoever writes', async () => {
    await start('one', 'two');
    const producer = await rig.producer('gateway');
    await recordAll(producer, 0, 50);
    await acknowledged(producer);
    for (let i = 0; i < 3; i++) {
      rig.keys.rotate();
      await recordAll(producer, 50 + i * 50, 50);
      await acknowledged(producer);
      const [verifierKey] = await verifierKeys();
      await eventually(
        async () => (await state()).saved?.verifierKey === verifierKey,
        'the new key has signed',
        PATIENCE_MS,
      );
      for (const replica of replicas) await expectWholeLog(replica);
      const former = await someWriter();
      await former.kill();
      await former.start();
    }
    await expectOneHistory(rig.signed);
  }, 90_000);
});

async function findings(finding: string): Promise<{ readonly rows: number }> {
  const found = await postgresStore(rig.database).records.query(
    { action: finding, joinOutcomes: false },
    { leafIndex: 0, item: -1 },
    100,
  );
  return { rows: found.length };
}
