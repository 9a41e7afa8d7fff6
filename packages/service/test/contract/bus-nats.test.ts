import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll } from 'vitest';
import { openNatsBus, provisionNats, type StreamSpec } from '../../src/nats/index.ts';
import { type NatsRig, serverSuite, startNatsRig, TESTER } from '../../src/testing/index.ts';
import { busContract } from './bus.ts';

const suite = await serverSuite('nats');
let rig: NatsRig;
beforeAll(async () => {
  if (!suite.skip) rig = await startNatsRig();
});
afterAll(async () => rig?.[Symbol.asyncDispose]());

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

busContract(
  suite.title('NATS'),
  async ({ durables = [], maxPending, deduplicationWindowMs }) => {
    await rig.removeStreams();
    const spec = stream(maxPending, deduplicationWindowMs);
    await provisionNats({ ...rig.options(TESTER), stream: spec, consumers: durables });
    const bus = await openNatsBus({
      ...rig.options(TESTER),
      streams: [spec],
      ...(maxPending === undefined ? {} : { maxPending }),
    });
    return { bus, passTime: (ms) => sleep(ms) };
  },
  suite.skip,
);
