/** Two replicas over one database, each with a folder of its own, as a reader meets them who changes between them. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { verifyLog } from '@sallyport/audit-log';
import type { AuditTrail } from '@sallyport/service/audit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  acknowledged,
  createWorld,
  eventually,
  ready,
  sourceOf,
  startAuditService,
  startProducer,
  type AuditClient,
  type World,
} from './fixture.ts';
import { callEvent } from './support.ts';

const RECORDS = 25;
let stack: AsyncDisposableStack;
let world: World;
let producer: AuditTrail;
let clients: readonly [AuditClient, AuditClient];

beforeAll(async () => {
  stack = new AsyncDisposableStack();
  world = stack.use(await createWorld());
  // One database opened once, which neither of them closes.
  const database = stack.use(await world.host.forService<object>('audit-service'));
  const shared = { ...database, close: async () => undefined, [Symbol.asyncDispose]: async () => undefined };
  const host = { ...world.host, forService: async () => shared } as unknown as typeof world.host;
  const start = async (name: string): Promise<AuditClient> => {
    const folder = join(world.folder, name);
    const service = await startAuditService({ ...world, host, folder, logDirectory: join(folder, 'log') });
    stack.use(service);
    await ready(service);
    return service.client();
  };
  clients = [await start('a'), await start('b')];
  producer = await startProducer(world, 'gateway');
  stack.defer(() => producer.dispose());
  for (let n = 0; n < RECORDS; n++) await producer.record(callEvent(n));
  await acknowledged(producer);
}, 60_000);

afterAll(async () => stack.disposeAsync());

test('a page token of one is good at the other, and every record is seen once', async () => {
  const principal = 'user:alice';
  const seen: bigint[] = [];
  let pageToken = '';
  for (let page = 0; page === 0 || pageToken !== ''; page++) {
    const answer = await clients[page % 2 === 0 ? 0 : 1].queryRecords({ principal, pageSize: 4, pageToken });
    seen.push(...answer.records.map(({ leafIndex }) => leafIndex));
    pageToken = answer.nextPageToken;
  }
  expect(seen).toHaveLength(RECORDS);
  expect(seen).toEqual([...new Set(seen)].toSorted((a, b) => Number(a - b)));
});

test('a page token of another query is refused by both', async () => {
  const { nextPageToken } = await clients[0].queryRecords({ principal: 'user:alice', pageSize: 4 });
  for (const client of clients)
    await expect(
      client.queryRecords({ principal: 'user:bob', pageSize: 4, pageToken: nextPageToken }),
    ).rejects.toMatchObject({ reason: 'invalid_argument' });
});

test('both tell a tail of what either commits', async () => {
  const stop = new AbortController();
  let isHeard = false;
  const heard = clients.map(async (client) => {
    for await (const { records } of client.tailRecords({ principal: 'user:bob' }, { signal: stop.signal }))
      for (const { principal } of records) return principal;
    throw new Error('the tail ended');
  });
  const both = Promise.all(heard).finally(() => (isHeard = true));
  for (let n = 100; !isHeard; n++) {
    await producer.record(callEvent(n, 'user:bob')); // again and again: a tail begins when the service has it
    await sleep(100);
  }
  expect(await both).toEqual(['user:bob', 'user:bob']);
  stop.abort();
}, 20_000);

test('each is a whole log by itself, while both go on', async () => {
  const { verifierKey } = await clients[0].getCheckpoint({});
  let isOver = false;
  const recording = (async () => {
    for (let n = 1000; !isOver; n++) await producer.record(callEvent(n));
  })();
  try {
    for (const client of clients) {
      const report = await verifyLog(sourceOf(client), { verifierKey });
      expect(report.findings).toEqual([]);
      expect(report.leaves).toBeGreaterThanOrEqual(RECORDS);
    }
  } finally {
    isOver = true;
    await recording;
  }
}, 30_000);

test('a proof of either is of the one log', async () => {
  let entries: (Uint8Array | undefined)[] = [];
  await eventually(async () => {
    const [a, b] = await Promise.all(clients.map((client) => client.getProof({ leafIndex: 3n })));
    entries = [a?.entry, b?.entry];
    return a?.checkpoint === b?.checkpoint;
  }, 'both have the same newest checkpoint');
  expect(entries[0]).toBeDefined();
  expect(entries[0]).toEqual(entries[1]);
});
