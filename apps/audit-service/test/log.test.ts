/** From the spool of a producer to a signed checkpoint and back, with crashes in between, over a real bus and database. */
import { cp, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { create, toBinary } from '@bufbuild/protobuf';
import { verifyLog, type TileStore } from '@sallyport/audit-log';
import { eventsv1 } from '@sallyport/proto';
import { auditAckSubject, auditEventsSubject, requireServiceOf } from '@sallyport/service/audit';
import { openPglite, type DatabaseHost } from '@sallyport/service/database';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  acknowledged,
  createWorld,
  eventually,
  newBus,
  ready,
  sourceOf,
  startAuditService,
  startProducer,
  type Started,
  type World,
} from './fixture.ts';
import { auth, callBody, callEvent, gateway } from './support.ts';

let shared: DatabaseHost;
beforeAll(async () => {
  shared = await openPglite({ memory: true });
}, 60_000);
afterAll(() => shared.close());

async function verified(service: Started) {
  const client = await service.client();
  const { verifierKey } = await client.getCheckpoint({});
  return verifyLog(sourceOf(client), { verifierKey });
}

async function leavesOf(service: Started, producer: string): Promise<bigint[]> {
  const client = await service.client();
  const seqs: bigint[] = [];
  for await (const { leaves } of client.exportLeaves({})) {
    seqs.push(...leaves.filter((leaf) => leaf.producer === producer).map((leaf) => leaf.producerSeq));
  }
  return seqs;
}

function send(world: World, producer: string, firstSeq: bigint, count: number, floorSeq = 1n): Promise<void> {
  const bodies = Array.from({ length: count }, (_, i) => callBody(Number(firstSeq) + i));
  const batch = create(eventsv1.AuditBatchSchema, { producer, firstSeq, floorSeq, bodies });
  const subject = auditEventsSubject(requireServiceOf(producer));
  return world.bus.publish(subject, toBinary(eventsv1.AuditBatchSchema, batch));
}

const range = (from: number, to: number): bigint[] =>
  Array.from({ length: to - from + 1 }, (_, i) => BigInt(from + i));

test('an empty log has a signed checkpoint at once, and a verifier key that stays', async () => {
  await using world = await createWorld(shared);
  let verifierKey: string;
  {
    await using service = await startAuditService(world);
    await ready(service);
    const answer = await (await service.client()).getCheckpoint({});
    expect(answer.checkpoint).toMatch(/^sallyport\.test\/audit\n0\n/u);
    verifierKey = answer.verifierKey;
  }
  await using service = await startAuditService(world);
  await ready(service);
  expect((await (await service.client()).getCheckpoint({})).verifierKey).toBe(verifierKey);
}, 30_000);

test('two producers at once: every event once, in sequence, verified', async () => {
  await using world = await createWorld(shared);
  await using service = await startAuditService(world);
  await using one = await startProducer(world, 'gateway');
  await using two = await startProducer(world, 'auth-service');
  await Promise.all(
    range(1, 400).flatMap((n) => [one.record(callEvent(Number(n))), two.record(callEvent(Number(n)))]),
  );
  await Promise.all([acknowledged(one), acknowledged(two)]);
  expect(await leavesOf(service, one.spool.producer)).toEqual(range(1, 400));
  expect(await leavesOf(service, two.spool.producer)).toEqual(range(1, 400));
  expect((await verified(service)).findings).toEqual([]);
}, 30_000);

test('committed is not acknowledged: while nothing can be signed the spool keeps every event', async () => {
  await using world = await createWorld(shared);
  {
    await using service = await startAuditService(world);
    await ready(service);
    world.keys.away = true;
    await using producer = await startProducer(world, 'gateway');
    for (const n of range(1, 20)) await producer.record(callEvent(Number(n)));
    await eventually(async () => {
      const { records } = await (await service.client()).queryRecords({ action: 'policy.read' });
      return records.length >= 20;
    }, 'the events are committed');
    expect(producer.spool.floor).toBe(1n);
    expect(producer.spool.depthBytes).toBeGreaterThan(0);
  } // stopped between commit and checkpoint
  await world.bus.close();
  world.bus = newBus();
  world.keys.away = false;
  await using service = await startAuditService(world);
  await using producer = await startProducer(world, 'gateway');
  await acknowledged(producer);
  expect(await leavesOf(service, producer.spool.producer)).toEqual(range(1, 20));
  expect((await verified(service)).findings).toEqual([]);
}, 40_000);

type Crash = { readonly at: string; readonly tiles: (real: TileStore, crash: () => never) => TileStore };

const crashes: readonly Crash[] = [
  {
    at: 'before the first tile',
    tiles: (real, crash) => ({ ...real, create: async () => crash() }),
  },
  {
    at: 'after some tiles',
    tiles: (real, crash) => {
      let writes = 0;
      return {
        ...real,
        async create(path, bytes) {
          if (++writes > 1) return crash();
          await real.create(path, bytes);
        },
      };
    },
  },
  {
    at: 'before the checkpoint file',
    tiles: (real, crash) => ({ ...real, replace: async () => crash() }),
  },
  {
    at: 'after the checkpoint file, before the database knows it',
    tiles: (real, crash) => ({
      ...real,
      async replace(path, bytes) {
        await real.replace(path, bytes);
        crash();
      },
    }),
  },
];

test.each(crashes)(
  'a crash $at loses nothing and repeats nothing',
  async ({ tiles }) => {
    await using world = await createWorld(shared);
    {
      await using service = await startAuditService(world);
      await ready(service); // the empty checkpoint is there
    }
    {
      let isOff = false;
      const crash = () => {
        isOff = true;
        throw new Error('power cut');
      };
      // And stays off: a second attempt of the same process would find the checkpoint there and rightly go on from it.
      const whileOn = (store: TileStore): TileStore => ({
        read: (path) => (isOff ? crash() : store.read(path)),
        create: (path, bytes) => (isOff ? crash() : store.create(path, bytes)),
        replace: (path, bytes) => (isOff ? crash() : store.replace(path, bytes)),
        remove: (path) => (isOff ? crash() : store.remove(path)),
      });
      await using service = await startAuditService(world, {
        tiles: (real) => whileOn(tiles(real, crash)),
      });
      await using producer = await startProducer(world, 'gateway');
      for (const n of range(1, 300)) await producer.record(callEvent(Number(n)));
      await eventually(
        () => world.log.lines.some(({ message }) => message.startsWith('no checkpoint yet')),
        'the crash',
      );
      await eventually(async () => {
        const { records } = await (
          await service.client()
        ).queryRecords({ action: 'policy.read', pageSize: 1000 });
        return records.length === 300;
      }, 'the events are committed');
      expect(producer.spool.floor).toBe(1n);
    }
    await world.bus.close();
    world.bus = newBus();
    await using service = await startAuditService(world);
    await using producer = await startProducer(world, 'gateway');
    await acknowledged(producer);
    expect(await leavesOf(service, producer.spool.producer)).toEqual(range(1, 300));
    expect((await verified(service)).findings).toEqual([]);
  },
  40_000,
);

test('an acknowledgement that was missed comes again with the batch', async () => {
  await using world = await createWorld(shared);
  await using service = await startAuditService(world);
  await ready(service);
  await send(world, gateway, 1n, 3);
  await eventually(async () => (await leavesOf(service, gateway)).length === 3, 'committed');
  const heard: eventsv1.AuditAck[] = [];
  await using _ = await world.bus.subscribe(auditAckSubject(gateway), {}, async ({ payload }) => {
    const { fromBinary } = await import('@bufbuild/protobuf');
    heard.push(fromBinary(eventsv1.AuditAckSchema, payload));
  });
  await send(world, gateway, 1n, 3);
  await eventually(() => heard.some(({ throughSeq }) => throughSeq === 3n), 'acknowledged again');
  expect(heard.at(-1)).toMatchObject({ producer: gateway, throughSeq: 3n });
  expect(Number(heard.at(-1)?.checkpointSize)).toBeGreaterThanOrEqual(3);
  expect(await leavesOf(service, gateway)).toEqual(range(1, 3));
}, 30_000);

test('a batch that comes too early waits for what is before it', async () => {
  await using world = await createWorld(shared);
  await using service = await startAuditService(world);
  await ready(service);
  await send(world, gateway, 4n, 2);
  await send(world, auth, 1n, 1);
  await eventually(async () => (await leavesOf(service, auth)).length === 1, 'others are not held up');
  expect(await leavesOf(service, gateway)).toEqual([]);
  await send(world, gateway, 1n, 3);
  await send(world, gateway, 4n, 2); // its producer sends again what was not acknowledged
  await eventually(async () => (await leavesOf(service, gateway)).length === 5, 'all are taken');
  expect(await leavesOf(service, gateway)).toEqual(range(1, 5));
  expect((await verified(service)).ok).toBe(true);
}, 30_000);

test('a spool put back to an earlier state is found out: no event passes for another', async () => {
  await using world = await createWorld(shared);
  await using service = await startAuditService(world);
  await ready(service);
  const spool = join(world.folder, 'spool-gateway');
  {
    await using producer = await startProducer(world, 'gateway');
    await producer.record(callEvent(1));
    await acknowledged(producer);
    await producer.dispose();
    await cp(spool, `${spool}.copy`, { recursive: true });
  }
  {
    await using producer = await startProducer(world, 'gateway');
    await producer.record(callEvent(2));
    await acknowledged(producer);
  }
  await rm(spool, { recursive: true });
  await rename(`${spool}.copy`, spool);
  await using producer = await startProducer(world, 'gateway');
  await producer.record(callEvent(3));
  const client = await service.client();
  await eventually(async () => {
    const { records } = await client.queryRecords({ action: 'sequence_conflict' });
    return records.length === 1;
  }, 'the finding is in the log');
  expect(producer.spool.depthBytes).toBeGreaterThan(0);
}, 30_000);

test('what a producer can no longer send is recorded as lost before what follows is taken', async () => {
  await using world = await createWorld(shared);
  await using service = await startAuditService(world);
  await ready(service);
  await send(world, gateway, 1n, 2);
  await send(world, gateway, 10n, 2, 10n);
  await eventually(async () => (await leavesOf(service, gateway)).length === 4, 'the rest is taken');
  expect(await leavesOf(service, gateway)).toEqual([1n, 2n, 10n, 11n]);
  const client = await service.client();
  const { records } = await client.queryRecords({ action: 'sequence_gap', destination: gateway });
  expect(records).toHaveLength(1);
  const after = await client.queryRecords({ action: 'policy.read', pageSize: 1000 });
  const resumed = after.records.find(
    ({ producer, producerSeq }) => producer === gateway && producerSeq === 10n,
  );
  expect(records[0]?.leafIndex).toBeLessThan(resumed?.leafIndex ?? 0n);
  const report = await verified(service);
  expect(report.findings).toEqual([]);
  expect(report.recordedGaps).toEqual([{ producer: gateway, firstSeq: 3n, lastSeq: 9n }]);
}, 30_000);

test.each<[string, Uint8Array]>([
  ['noise', Uint8Array.of(255, 1, 2)],
  ['nothing', new Uint8Array()],
  [
    'a producer that is none',
    toBinary(
      eventsv1.AuditBatchSchema,
      create(eventsv1.AuditBatchSchema, { producer: 'x', firstSeq: 1n, floorSeq: 1n, bodies: [callBody(1)] }),
    ),
  ],
  [
    'sequence 0',
    toBinary(
      eventsv1.AuditBatchSchema,
      create(eventsv1.AuditBatchSchema, {
        producer: gateway,
        firstSeq: 0n,
        floorSeq: 1n,
        bodies: [callBody(1)],
      }),
    ),
  ],
])(
  'a poisonous batch (%s) is reported and blocks nobody',
  async (_what, payload) => {
    await using world = await createWorld(shared);
    await using service = await startAuditService(world);
    await ready(service);
    for (let i = 0; i < 100; i++) await world.bus.publish(auditEventsSubject('gateway'), payload);
    await send(world, gateway, 1n, 1);
    await eventually(async () => (await leavesOf(service, gateway)).length === 1, 'the others are taken');
    await eventually(async () => {
      const { records } = await (await service.client()).queryRecords({ action: 'poison_batch' });
      return records.length === 1; // once, not a hundred times
    }, 'the finding is in the log');
    expect((await verified(service)).findings).toEqual([]);
  },
  30_000,
);

test('a rotated key signs on; what the earlier one signed still counts', async () => {
  await using world = await createWorld(shared);
  let earlier: string;
  {
    await using service = await startAuditService(world);
    await ready(service);
    await send(world, gateway, 1n, 3);
    await eventually(async () => (await leavesOf(service, gateway)).length === 3, 'committed');
    earlier = (await (await service.client()).getCheckpoint({})).verifierKey;
    world.keys.rotate();
    await send(world, gateway, 4n, 3);
    await eventually(async () => (await leavesOf(service, gateway)).length === 6, 'signed by the new key');
    // Committed is not signed yet.
    await eventually(
      async () => (await (await service.client()).getCheckpoint({})).verifierKey !== earlier,
      'the new key has signed',
    );
    expect((await verified(service)).findings).toEqual([]);
  }
  world.keys.rotate();
  await using service = await startAuditService(world);
  await ready(service);
  expect((await verified(service)).findings).toEqual([]);
}, 30_000);

test('key-service away at the first start: not ready, events taken, and signed when it is there', async () => {
  await using world = await createWorld(shared);
  world.keys.away = true;
  await using service = await startAuditService(world);
  await send(world, gateway, 1n, 3);
  const client = await service.client();
  await eventually(
    async () => (await client.queryRecords({ action: 'policy.read' })).records.length >= 3,
    'committed',
  );
  await expect(service.readiness['log']?.()).rejects.toThrow('no signed checkpoint yet');
  expect((await client.getCheckpoint({})).checkpoint).toBe('');
  world.keys.away = false;
  await ready(service);
  expect((await verified(service)).findings).toEqual([]);
}, 30_000);

test('no checkpoint is made while nothing is new', async () => {
  await using world = await createWorld(shared);
  await using service = await startAuditService(world);
  await ready(service);
  const before = world.keys.signatures;
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(world.keys.signatures).toBe(before);
  expect((await readFile(join(world.logDirectory, 'checkpoint'))).length).toBeGreaterThan(0);
}, 30_000);
