/** Two audit-services as processes on a real Postgres and a real NATS: one log, whatever happens to whoever writes it. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { serverSuite } from '@sallyport/service/testing';
import { afterEach, describe, expect, test } from 'vitest';
import { eventually } from './fixture.ts';
import {
  acknowledged,
  expectOnce,
  expectOneHistory,
  expectWholeLog,
  findings,
  logState,
  PATIENCE_MS,
  recordAll,
  verifierKeys,
  writerOf,
} from './one-log.ts';
import { startRig, type Replica, type Rig } from './replicas.ts';

const suite = await serverSuite('postgres', 'nats');
/** What docs/adr/0045 promises. */
const TAKE_OVER_MS = 5_000;

let rig: Rig;
let replicas: readonly Replica[] = [];
afterEach(async () => rig?.[Symbol.asyncDispose](), 30_000);

async function start(...names: readonly string[]): Promise<readonly Replica[]> {
  rig = await startRig();
  replicas = await Promise.all(names.map((name) => rig.replica(name)));
  await Promise.all(replicas.map((replica) => replica.start()));
  return replicas;
}

const state = () => logState(rig);
const writer = () => writerOf(rig, replicas);

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

describe.skipIf(suite.skip)(suite.title('two replicas'), () => {
  test('one writes, both have the log, and a producer is answered wherever its batch went', async () => {
    await start('one', 'two');
    const producer = await rig.producer('gateway');
    for (let n = 0; n < 20; n++) await recordAll(producer, n * 50, 50);
    await acknowledged(producer);
    await expectOnce(rig, producer);
    for (const replica of replicas) await expectWholeLog(rig, replica);
    await expectOneHistory(rig);
    expect((await state()).fence?.term).toBe(1n);
  }, 240_000);

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
    await acknowledged(producer);
    const tookMs = Math.round(performance.now() - began);
    process.stdout.write(`acknowledged again ${tookMs} ms after the writer was killed\n`);

    await former.start(); // and it gets what it missed, without taking the term back
    await expectWholeLog(rig, former);
    expect(await writer()).toBe(otherThan(former));
    await expectOnce(rig, producer);
    await expectOneHistory(rig);
  }, 240_000);

  test('a writer that is stopped in order leaves at once', async () => {
    await start('one', 'two');
    const producer = await rig.producer('gateway');
    await recordAll(producer, 0, 10);
    await acknowledged(producer);
    const former = await someWriter();
    await former.stop();
    expect((await state()).fence?.holder).toBe('');
    await recordAll(producer, 10, 10);
    await acknowledged(producer);
    expect(await writer()).toBe(otherThan(former));
  }, 240_000);

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
    await acknowledged(producer);
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
    for (const replica of replicas) await expectWholeLog(rig, replica);
    await expectOneHistory(rig);
    await expectOnce(rig, producer);
  }, 240_000);

  test('a new replica builds its folder; one that lost it builds it again and says so', async () => {
    const [one] = await start('one');
    if (one === undefined) throw new Error('no replica');
    const producer = await rig.producer('gateway');
    await recordAll(producer, 0, 700);
    await acknowledged(producer);
    const two = await rig.replica('two');
    replicas = [one, two];
    await two.start();
    await expectWholeLog(rig, two);
    await two.kill();
    await rm(two.logDirectory, { recursive: true });
    await recordAll(producer, 700, 100);
    await two.start();
    await acknowledged(producer);
    await expectWholeLog(rig, two);
    await eventually(async () => {
      return (await findings(rig, 'log_folder_lost')) === 1;
    }, 'the loss is in the log');
  }, 240_000);

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
    await eventually(async () => (await findings(rig, 'log_inconsistent')) === 1, 'so does the log');
    await healthy.kill();
    const { saved } = await state();
    await recordAll(producer, 400, 10);
    await sleep(TAKE_OVER_MS);
    expect((await state()).saved).toEqual(saved); // rather nothing than by the damaged one
    await healthy.start();
    await acknowledged(producer);
    await expectWholeLog(rig, healthy);
  }, 240_000);

  test('a key that is rotated signs on, whoever writes', async () => {
    await start('one', 'two');
    const producer = await rig.producer('gateway');
    await recordAll(producer, 0, 50);
    await acknowledged(producer);
    for (let i = 0; i < 3; i++) {
      rig.keys.rotate();
      await recordAll(producer, 50 + i * 50, 50);
      await acknowledged(producer);
      const [verifierKey] = await verifierKeys(rig);
      await eventually(
        async () => (await state()).saved?.verifierKey === verifierKey,
        'the new key has signed',
        PATIENCE_MS,
      );
      for (const replica of replicas) await expectWholeLog(rig, replica);
      const former = await someWriter();
      await former.kill();
      await former.start();
    }
    await expectOneHistory(rig);
  }, 240_000);
});
