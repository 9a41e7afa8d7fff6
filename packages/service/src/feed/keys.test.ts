import { create, toBinary } from '@bufbuild/protobuf';
import { eventsv1, keyv1 } from '@sallyport/proto';
import { afterEach, expect, test } from 'vitest';
import { memoryBus } from '../bus/index.ts';
import { systemClock } from '../clock/index.ts';
import { memoryLog } from '../testing/log.ts';
import { keyFeed } from './feeds.ts';
import { followKeys } from './keys.ts';

const clock = systemClock();
const stack: AsyncDisposableStack[] = [];
afterEach(async () => {
  for (const each of stack.splice(0)) await each.disposeAsync();
});

async function start(onKeys?: (ids: readonly string[]) => void) {
  const cleanup = new AsyncDisposableStack();
  stack.push(cleanup);
  const bus = cleanup.use(memoryBus({ clock }));
  const directory = { keys: ['key-1'], lastNumber: 1n };
  const told: string[][] = [];
  const asked: string[] = [];
  const feed = cleanup.use(
    await followKeys({
      bus,
      clock,
      log: memoryLog(),
      purpose: 'policy-bundle',
      directory: {
        async listPublicKeys({ purpose }) {
          asked.push(purpose);
          const keys = directory.keys.map((keyId) =>
            create(keyv1.PublicKeySchema, { keyId, state: keyv1.KeyState.ACTIVE }),
          );
          return { keys, lastNumber: directory.lastNumber };
        },
      },
      onKeys(keys) {
        const ids = keys.map(({ keyId }) => keyId);
        onKeys?.(ids);
        told.push(ids);
      },
    }),
  );
  await feed.ask();
  const announce = (number: bigint): Promise<void> =>
    bus.publish(
      keyFeed.subject,
      toBinary(eventsv1.KeyChangedSchema, create(eventsv1.KeyChangedSchema, { keyId: 'any', number })),
    );
  return { directory, told, asked, feed, announce };
}

test('the keys are told at first, and when they are others', async () => {
  const { directory, told, asked, feed, announce } = await start();
  expect(told).toEqual([['key-1']]);
  directory.keys = ['key-1', 'key-2'];
  directory.lastNumber = 3n;
  await announce(3n);
  await expect.poll(() => told).toEqual([['key-1'], ['key-1', 'key-2']]);
  expect(feed.status()).toMatchObject({ state: 'following', applied: 3n, lag: 0n });
  expect(new Set(asked)).toEqual(new Set(['policy-bundle']));
});

test('a change of some other key is no news', async () => {
  const { directory, told, feed, announce } = await start();
  directory.lastNumber = 2n;
  await announce(2n);
  await expect.poll(() => feed.status().applied).toBe(2n);
  expect(told).toHaveLength(1);
});

test('an announcement without a number makes us look, and a publisher without numbers is followed too', async () => {
  const { directory, told, feed, announce } = await start();
  directory.keys = ['key-2'];
  await announce(0n);
  await expect.poll(() => told.at(-1)).toEqual(['key-2']);
  expect(feed.status().state).toBe('following');
});

test('who could not act on it is told again', async () => {
  let isWilling = false;
  const { told, feed } = await start(() => {
    if (!isWilling) throw new Error('not now');
  });
  expect(told).toEqual([]);
  expect(feed.status().state).toBe('starting');
  isWilling = true;
  await expect.poll(() => told).toEqual([['key-1']]);
  expect(feed.status().state).toBe('following');
});
