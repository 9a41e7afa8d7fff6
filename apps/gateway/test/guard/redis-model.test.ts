/** Any order of frames, conclusions and time: the guard in Redis says what the guard in memory says. */
import { manualClock } from '@sallyport/service/clock';
import { serverSuite } from '@sallyport/service/testing';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WINDOW_SPAN } from '@sallyport/channel';
import type { ReplayGuard } from '../../src/app/ports.ts';
import { memoryReplayGuard } from '../../src/guard/memory.ts';
import { attachment, named, record, request } from '../contract/replay-guard.ts';
import { redisWorld, type RedisWorld } from '../support/redis.ts';
import { readyGuard, type SharedGuard } from '../support/shared-guards.ts';

const suite = await serverSuite('redis');

type Step =
  | { readonly kind: 'in order'; readonly count: number; readonly base: number }
  | { readonly kind: 'anywhere'; readonly offsets: readonly number[]; readonly nonces: readonly number[] }
  | {
      readonly kind: 'requests';
      readonly names: readonly number[];
      readonly content: number;
      readonly agoMs: number;
    }
  | { readonly kind: 'conclude'; readonly name: number; readonly isDone: boolean; readonly bytes: number }
  | { readonly kind: 'wait'; readonly ms: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('in order' as const),
      count: fc.integer({ min: 1, max: 40 }),
      base: fc.constant(0),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('anywhere' as const),
      offsets: fc.array(fc.integer({ min: -WINDOW_SPAN - 5, max: WINDOW_SPAN + 5 }), {
        minLength: 1,
        maxLength: 12,
      }),
      nonces: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 12, maxLength: 12 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('requests' as const),
      names: fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 6 }),
      content: fc.integer({ min: 0, max: 1 }),
      agoMs: fc.constantFrom(-1, 0, 1_000, 290_000, 400_000),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('conclude' as const),
      name: fc.integer({ min: 0, max: 9 }),
      isDone: fc.boolean(),
      bytes: fc.constantFrom(0, 10, 40_000),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('wait' as const),
      ms: fc.constantFrom(1_000, 31_000, 121_000, 301_000),
    }),
  },
);

describe.skipIf(suite.skip)(suite.title('the guard in Redis against its model'), () => {
  let world: RedisWorld;
  let shared: SharedGuard;
  const clock = manualClock(Date.now());
  beforeAll(async () => {
    world = await redisWorld();
    shared = await readyGuard(world.target((await world.start()).port), clock);
  }, 60_000);
  afterAll(async () => {
    await shared[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });

  /** What a guard answers to each step, in order. */
  async function play(guard: ReplayGuard, steps: readonly Step[]): Promise<unknown[]> {
    const said: unknown[] = [];
    const session = await guard.attach(attachment(clock, 86_400_000));
    const fixed = [0, 1, 2].map((index) => new Uint8Array(16).fill(index + 1));
    const startMs = clock.now();
    let highest = 0;
    const admit = async (...records: Parameters<ReplayGuard['admit']>[1]): Promise<void> => {
      const verdict = await guard.admit(session, records);
      if (verdict.kind === 'admitted') highest = verdict.received.highest;
      said.push(verdict);
    };
    for (const each of steps) {
      if (each.kind === 'in order') {
        const first = highest + 1;
        await admit(...Array.from({ length: each.count }, (_, index) => record(first + index)));
      } else if (each.kind === 'anywhere') {
        const at = highest;
        await admit(
          ...each.offsets.map((offset, index) => {
            const nonce = fixed[each.nonces[index] ?? 3];
            return record(Math.max(0, at + offset), nonce === undefined ? {} : { nonce });
          }),
        );
      } else if (each.kind === 'requests') {
        const first = highest + 1;
        const sentAt = each.agoMs < 0 ? undefined : clock.now() - each.agoMs;
        await admit(
          ...each.names.map((name, index) =>
            record(first + index, request(`m${name}`, `content ${each.content}`, sentAt)),
          ),
        );
      } else if (each.kind === 'conclude') {
        const correlation = named(`m${each.name}`);
        const response = each.bytes === 0 ? undefined : new Uint8Array(each.bytes).fill(each.name);
        await guard.conclude(session, [{ correlation, state: each.isDone ? 'done' : 'released', response }]);
        said.push((await guard.response(session, correlation))?.length);
      } else clock.advance(each.ms);
    }
    clock.setNow(startMs);
    return said;
  }

  test('says the same to the same', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
        const inMemory = await play(memoryReplayGuard({ clock }), steps);
        expect(await play(shared.guard, steps)).toEqual(inMemory);
      }),
      { numRuns: 150 },
    );
  }, 60_000);
});
