/** Two replicas on one store, each with its own disk and its own way to key-service, at the speed of a clock in the hand. */
import {
  CHECKPOINT_PATH,
  memoryTileStore,
  parseCheckpoint,
  parseNote,
  type TileStore,
} from '@sallyport/audit-log';
import { manualClock } from '@sallyport/service/clock';
import { memoryLog } from '@sallyport/service/testing';
import { afterEach, expect, test } from 'vitest';
import { batchOf, callBody, fakeKeys, gateway } from '../../test/support.ts';
import { signingKeys } from '../clients/keys.ts';
import { planCommit } from '../domain/plan-commit.ts';
import { memoryStore } from '../store/memory.ts';
import { keepLog, type LogKeeper } from './keep-log.ts';
import type { Sleep } from './ports.ts';
import { TAKE_OVER_MS } from './watch-writer.ts';

const nap: Sleep = (ms, signal) =>
  new Promise((resolve) => {
    const timer = setTimeout(done, Math.min(ms, 2));
    function done(): void {
      clearTimeout(timer);
      resolve();
    }
    signal.addEventListener('abort', done);
  });

type Replica = {
  readonly keeper: LogKeeper;
  readonly tiles: TileStore;
  /** What every write to its disk waits for, or fails with. */
  disk: () => Promise<void>;
  isKeyServiceAway: boolean;
  readonly said: string[];
};

const running: AsyncDisposable[] = [];
afterEach(async () => {
  for (const each of running.splice(0)) await each[Symbol.asyncDispose]();
});

function createWorld() {
  const store = memoryStore();
  const clock = manualClock();
  const keys = fakeKeys();
  const acknowledged: bigint[] = [];
  let events = 0n;
  return {
    store,
    clock,
    acknowledged,
    async commit(count: number) {
      const bodies = Array.from({ length: count }, (_, i) => callBody(Number(events) + i));
      await store.writer.commit([gateway], (head) =>
        planCommit(head, [{ batch: batchOf(gateway, events + 1n, bodies) }]),
      );
      events += BigInt(count);
    },
    start(name: string, tiles = memoryTileStore()): Replica {
      const replica = {
        tiles,
        disk: async () => undefined,
        isKeyServiceAway: false,
        said: [] as string[],
      } as Replica & { keeper: LogKeeper };
      const reach =
        <A extends unknown[], R>(call: (...args: A) => Promise<R>) =>
        async (...args: A): Promise<R> => {
          if (replica.isKeyServiceAway) throw new Error('key-service is away');
          return call(...args);
        };
      replica.keeper = keepLog({
        ...store,
        tiles: {
          ...tiles,
          create: async (...args) => replica.disk().then(() => tiles.create(...args)),
        },
        isFolderEmpty: async () => (await tiles.read(CHECKPOINT_PATH)) === undefined,
        readKeys: signingKeys({ listPublicKeys: reach(keys.listPublicKeys), sign: reach(keys.sign) }),
        acknowledge: async (_producer, throughSeq) => void acknowledged.push(throughSeq),
        onInconsistent: async (findings) => void replica.said.push(...findings),
        onFolderLost: async (size) => void replica.said.push(`lost ${size}`),
        onCovered: () => undefined,
        nowMs: () => 0,
        origin: 'sallyport.test/audit',
        replica: name,
        intervalMs: 1,
        monotonic: () => clock.monotonic(),
        sleep: nap,
        log: memoryLog(),
      });
      running.push(replica.keeper);
      return replica;
    },
    saved: async () => (await store.checkpoints.saved())?.size,
  };
}

type World = ReturnType<typeof createWorld>;

const sizeIn = async ({ tiles }: Replica): Promise<number | undefined> => {
  const note = await tiles.read(CHECKPOINT_PATH);
  return note && parseCheckpoint(parseNote(note)?.text ?? '')?.size;
};

/** Lets the keepers run until it is so. */
const until = (check: () => boolean | Promise<boolean>, what: string) =>
  expect.poll(check, { timeout: 5_000, interval: 2, message: what }).toBe(true);

async function pair(): Promise<{ world: World; writer: Replica; other: Replica }> {
  const world = createWorld();
  const writer = world.start('one');
  await until(() => writer.keeper.isWriter(), 'the first writes');
  const other = world.start('two');
  await world.commit(300);
  await until(async () => (await sizeIn(writer)) === 300 && (await sizeIn(other)) === 300, 'both have it');
  expect(other.keeper.isWriter()).toBe(false);
  return { world, writer, other };
}

test.each<[string, (writer: Replica) => void, (writer: Replica) => void]>([
  [
    'whose disk is full',
    (writer) => {
      writer.disk = async () => {
        throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
      };
    },
    (writer) => (writer.disk = async () => undefined),
  ],
  [
    'that cannot reach key-service',
    (writer) => void (writer.isKeyServiceAway = true),
    (writer) => void (writer.isKeyServiceAway = false),
  ],
  ['that hangs', (writer) => void (writer.disk = () => new Promise(() => undefined)), () => undefined],
])('a writer %s is replaced', async (what, breakIt, mendIt) => {
  const { world, writer, other } = await pair();
  breakIt(writer);
  await world.commit(10);
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(await world.saved()).toBe(300);
  world.clock.advance(TAKE_OVER_MS);
  // It may have seen a last sign of life only after that: then its patience began there.
  const patience = setTimeout(() => world.clock.advance(TAKE_OVER_MS), 2_000);
  await until(async () => (await world.saved()) === 310, 'the other one writes');
  clearTimeout(patience);
  expect(other.keeper.isWriter()).toBe(true);
  expect(other.keeper.term()).toBe(2n);
  expect(world.acknowledged.at(-1)).toBe(310n);
  mendIt(writer);
  if (what === 'that hangs') {
    running.splice(running.indexOf(writer.keeper), 1);
    return;
  }
  await until(async () => (await sizeIn(writer)) === 310, 'it follows');
  await until(() => !writer.keeper.isWriter(), 'it knows');
  writer.keeper.check();
});

test('while nobody can sign, the term may wander and nothing else happens; then it goes on', async () => {
  const { world, writer, other } = await pair();
  writer.isKeyServiceAway = true;
  other.isKeyServiceAway = true;
  await world.commit(10);
  for (let i = 0; i < 5; i++) {
    world.clock.advance(TAKE_OVER_MS);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  expect(await world.saved()).toBe(300);
  expect(world.acknowledged.at(-1)).toBe(300n);
  writer.keeper.check(); // events are taken, reads answered
  other.isKeyServiceAway = false;
  world.clock.advance(TAKE_OVER_MS);
  await until(async () => {
    world.clock.advance(500);
    return (await world.saved()) === 310;
  }, 'whoever can sign does');
});

test('a replica that is behind says so, and serves what it has', async () => {
  const { world, other } = await pair();
  let isSlow = true;
  other.disk = async () => {
    while (isSlow) await new Promise((resolve) => setTimeout(resolve, 2));
  };
  await world.commit(10);
  await until(() => other.keeper.behind() === 10, 'it knows what it lacks');
  other.keeper.check(); // for a moment that is nothing
  world.clock.advance(10_001);
  expect(() => other.keeper.check()).toThrow('10 leaves behind the newest checkpoint');
  expect(other.keeper.coveredSize()).toBe(300);
  expect(await sizeIn(other)).toBe(300);
  isSlow = false;
  await until(async () => (await sizeIn(other)) === 310, 'it gets there');
  other.keeper.check();
});

test('a replica whose folder is gone builds it again and says so', async () => {
  const { world, other } = await pair();
  await other.keeper[Symbol.asyncDispose]();
  const again = world.start('two');
  await until(async () => (await sizeIn(again)) === 300, 'it is built again');
  expect(again.said).toEqual(['lost 300']);
});

test('a checkpoint in the database that goes back is a finding for everyone who saw it', async () => {
  const { world, writer, other } = await pair();
  const before = await world.store.checkpoints.state();
  await world.commit(10);
  await until(async () => (await sizeIn(writer)) === 310 && (await sizeIn(other)) === 310, 'both have it');
  const { checkpoints } = world.store;
  const real = checkpoints.state;
  Object.assign(checkpoints, {
    state: async () => ({
      ...(await real()),
      ...(before.saved === undefined ? {} : { saved: before.saved }),
    }),
  });
  for (const { keeper, said } of [writer, other]) {
    await until(() => said.length > 0, 'it is found');
    expect(said).toEqual([expect.stringMatching('went back from 310 leaves to 300')]);
    expect(() => keeper.check()).toThrow('does not fit together');
    expect(keeper.isWriter()).toBe(false);
  }
});

test('a writer that stops in order is followed without waiting', async () => {
  const { world, writer, other } = await pair();
  await writer.keeper[Symbol.asyncDispose]();
  await world.commit(10);
  await until(async () => (await world.saved()) === 310, 'the other one writes');
  expect(other.keeper.isWriter()).toBe(true);
});

test('who was replaced acknowledges nothing that is not saved', async () => {
  const { world, writer } = await pair();
  const told = world.acknowledged.length;
  writer.isKeyServiceAway = true;
  await world.commit(10);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(world.acknowledged).toHaveLength(told);
  await writer.keeper.repeatAcknowledgement(gateway);
  expect(world.acknowledged.at(-1)).toBe(300n);
});
