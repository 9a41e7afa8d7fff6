import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { memoryBus } from '../../src/bus/index.ts';
import { manualClock } from '../../src/clock/index.ts';
import { openNatsBus, provisionNats, type StreamSpec } from '../../src/nats/index.ts';
import { contractTable } from '../../src/testing/contract-table.ts';
import { serverSuite, startNatsRig, TESTER, type NatsRig } from '../../src/testing/index.ts';
import { busContract } from './bus.ts';

const table = contractTable('bus');
const suite = await serverSuite('nats');
if (suite.skip) table.skipped('NATS', 'not installed here');

describe('the bus in process', () => {
  beforeEach(table.of('memory'));
  busContract('memory', async (options) => {
    const clock = manualClock();
    return { bus: memoryBus({ clock, ...options }), passTime: async (ms) => clock.advance(ms) };
  });
});

/** Keeps what the suite publishes, and no longer than a consumer wants it, as the in-process bus. */
const stream = (maxMessages: number | undefined, deduplicationWindowMs: number | undefined): StreamSpec => ({
  name: 'CONTRACT',
  subjects: ['s', 's.>', 'other', 'audit.>', 'policy.>'],
  retention: 'interest',
  maxBytes: 64 * 1024 * 1024,
  ...(maxMessages === undefined ? {} : { maxMessages }),
  maxAgeMs: 600_000,
  deduplicationWindowMs: deduplicationWindowMs ?? 120_000,
});

describe.skipIf(suite.skip)(suite.title('the bus on a NATS server'), () => {
  let rig: NatsRig;
  beforeAll(async () => {
    rig = await startNatsRig();
  });
  afterAll(() => rig[Symbol.asyncDispose]());
  if (!suite.skip) beforeEach(table.of('NATS'));

  busContract('NATS', async ({ durables = [], maxPending, deduplicationWindowMs }) => {
    await rig.removeStreams();
    const spec = stream(maxPending, deduplicationWindowMs);
    await provisionNats({ ...rig.options(TESTER), stream: spec, consumers: durables });
    const bus = await openNatsBus({
      ...rig.options(TESTER),
      streams: [spec],
      ...(maxPending === undefined ? {} : { maxPending }),
    });
    return { bus, passTime: (ms) => sleep(ms) };
  });
});

afterAll(() => table.print());
test('every implementation ran every case', () => {
  expect(table.differences()).toEqual([]);
});
