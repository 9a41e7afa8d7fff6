/** Somebody changed what is stored: the service starts, serves it, signs and acknowledges nothing it must not, and the verifier names it. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { verifyLog } from '@sallyport/audit-log';
import { openPglite, type DatabaseHost } from '@sallyport/service/database';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
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
import { callEvent, decisionEvent } from './support.ts';

let shared: DatabaseHost;
let world: World;
let verifierKey: string;

beforeAll(async () => {
  shared = await openPglite({ memory: true });
}, 60_000);
afterAll(() => shared.close());

/** 300 leaves and some, two tiles and a tile above them; then the service is stopped. */
beforeEach(async () => {
  world = await createWorld(shared);
  await using service = await startAuditService(world);
  await using producer = await startProducer(world, 'gateway');
  await producer.record(decisionEvent(0, 1, 3));
  for (let n = 1; n < 300; n++) void producer.record(callEvent(n));
  await producer.record(callEvent(300));
  await acknowledged(producer);
  ({ verifierKey } = await (await service.client()).getCheckpoint({}));
}, 30_000);

afterEach(() => world[Symbol.asyncDispose]());

/** Stopped, changed, started again. */
async function restarted(change: () => Promise<void>): Promise<Started> {
  await world.bus.close();
  world.bus = newBus();
  await change();
  return startAuditService(world);
}

async function flipByte(path: string, offset: number): Promise<void> {
  const file = join(world.logDirectory, path);
  const bytes = await readFile(file);
  bytes[offset] = (bytes[offset] ?? 0) ^ 1;
  await writeFile(file, bytes);
}

async function verify(service: Started) {
  const report = await verifyLog(sourceOf(await service.client()), { verifierKey });
  return report.findings.map(({ kind, where }) => `${kind}: ${where}`);
}

const sql = (text: string) => () => world.sql(text);
const flip = (path: string, offset: number) => () => flipByte(path, offset);

/** Does nothing to what is signed: seen by the verifier, and the service goes on. */
test.each<[string, () => Promise<void>, RegExp]>([
  [
    'a decision',
    sql(`update record set decision = 'deny' where leaf_index = 0 and item = 1`),
    /^row: leaf 0 .*item 1, column decision$/,
  ],
  [
    'a principal',
    sql(`update record set principal = 'user:mallory' where leaf_index = 5`),
    /^row: leaf 5 .*column principal$/,
  ],
  [
    'a time',
    sql(`update record set time_ms = -9000000000000000 where leaf_index = 5`),
    /^row: leaf 5 .*column timeMs$/,
  ],
  [
    'a phase',
    sql(`update record set phase = 'x' where leaf_index = 0 and item = 0`),
    /^row: leaf 0 .*column phase$/,
  ],
  [
    'a sequence',
    sql(`update record set seq = -1 where leaf_index = 0 and item = 0`),
    /^row: leaf 0 .*column seq$/,
  ],
  [
    'a negative class',
    sql(`update record set class_uid = -1 where leaf_index = 0 and item = 0`),
    /^row: leaf 0 .*column classUid$/,
  ],
  ['an item', sql(`update record set item = -7 where leaf_index = 5`), /^row: leaf 5 /],
  [
    'a destination that is no escape',
    sql(`update record set destination = '\\x' where leaf_index = 5`),
    /^row: leaf 5 .*column destination$/,
  ],
  ['a row deleted', sql(`delete from record where leaf_index = 5`), /^row: leaf 5 /],
  [
    'a row added',
    sql(
      `insert into record select leaf_index, 1, time_ms, phase, class_uid, activity, tenant, principal, action, destination, decision, reason, policy_revision, outcome, session_id, correlation, seq, target, arguments_digest from record where leaf_index = 5`,
    ),
    /^row: leaf 5 .*item 1/,
  ],
  ['a body', sql(`update leaf set body = body || '\\x20'::bytea where leaf_index = 5`), /^body: leaf 5 /],
  [
    'a producer',
    sql(`update leaf set producer = 'x' where leaf_index = 5`),
    /^leaf: leaf 5 .*column producer$/,
  ],
  ['an entry bundle', flip('tile/entries/000', 100), /^entry_bundle: tile\/entries\/000 byte 100/],
])(
  '%s changed in the database: served, named by the verifier',
  async (_what, change, expected) => {
    await using service = await restarted(change);
    await ready(service);
    expect(await verify(service)).toEqual(expect.arrayContaining([expect.stringMatching(expected)]));
  },
  30_000,
);

/** Contradicts what is signed: nothing more is signed or acknowledged. */
test.each<[string, () => Promise<void>, RegExp, RegExp]>([
  [
    'a leaf hash',
    sql(`update leaf set leaf_hash = sha256(leaf_hash) where leaf_index = 5`),
    /^leaf: leaf 5 .*column leaf_hash$/,
    /leaf 5: column leaf_hash/,
  ],
  [
    'a leaf deleted',
    sql(`delete from leaf where leaf_index = 5`),
    /^leaf: leaf 5$/,
    /leaf 5 is missing from the database/,
  ],
  [
    'the last leaves deleted',
    sql(`delete from leaf where leaf_index >= 290`),
    /^leaf: leaves 290 to/,
    /the database has 290/,
  ],
  [
    'two leaves swapped',
    sql(
      `update leaf set leaf_index = case leaf_index when 5 then 1000005 else 1000006 end where leaf_index in (5, 6); `,
    ),
    /^leaf: leaves? 5/,
    /missing|covers/,
  ],
  [
    'a full hash tile',
    flip('tile/0/000', 5 * 32),
    /^hash_tile: tile\/0\/000 byte 160 \(hash 5\)$/,
    /leaf 5: .*tile\/0\/000 \(hash 5\)/,
  ],
  [
    'a hash tile above',
    async () => {
      const { size } = await stored();
      await flipByte(`tile/1/000.p/${Math.floor(size / 256)}`, 0);
    },
    /^hash_tile: tile\/1\/000/,
    /root|hash 0/,
  ],
  [
    'a hash tile missing',
    () => rm(join(world.logDirectory, 'tile/0/000')),
    /^hash_tile: tile\/0\/000$/,
    /tile\/0\/000 is missing/,
  ],
  [
    'the root in the checkpoint',
    async () => {
      const text = await readFile(join(world.logDirectory, 'checkpoint'), 'utf8');
      await flipByte('checkpoint', text.indexOf('\n', text.indexOf('\n') + 1) + 3);
    },
    /^checkpoint: checkpoint line 3$/,
    /checkpoint file: it does not verify/,
  ],
  [
    'the size in the checkpoint',
    flip('checkpoint', 'sallyport.test/audit\n'.length),
    /^checkpoint: checkpoint line 2$/,
    /checkpoint file: it does not verify/,
  ],
  [
    'the origin in the checkpoint',
    flip('checkpoint', 2),
    /^checkpoint: checkpoint line 1$/,
    /checkpoint file/,
  ],
  [
    'the signature of the checkpoint',
    async () => {
      const text = await readFile(join(world.logDirectory, 'checkpoint'), 'utf8');
      await flipByte('checkpoint', Buffer.byteLength(text) - 20);
    },
    /^checkpoint: checkpoint line 5$/,
    /checkpoint file/,
  ],
  [
    'the checkpoint missing',
    () => rm(join(world.logDirectory, 'checkpoint')),
    /^checkpoint: checkpoint$/,
    /checkpoint file is missing/,
  ],
])(
  '%s: not ready, nothing signed or acknowledged, served and named',
  async (_what, change, named, found) => {
    await using service = await restarted(change);
    const before = world.keys.signatures;
    await eventually(() => world.log.lines.some(({ level }) => level === 'fatal'), 'the finding is loud');
    await expect(service.readiness['log']?.()).rejects.toThrow(found);
    await using producer = await startProducer(world, 'gateway');
    await producer.record(callEvent(999));
    const client = await service.client();
    const { findings } = await client.getCheckpoint({});
    expect(findings.join('\n')).toMatch(found);
    expect(await verify(service)).toEqual(expect.arrayContaining([expect.stringMatching(named)]));
    expect((await client.queryRecords({ pageSize: 5 })).records.length).toBeGreaterThan(0);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(world.keys.signatures).toBe(before);
    expect(producer.spool.depthBytes).toBeGreaterThan(0);
  },
  30_000,
);

/** The copy of the checkpoint in the database: the verifier does not read it, the service does. */
test.each<[string, () => Promise<void>, RegExp]>([
  [
    'its note',
    sql(`update checkpoint set note = note || '\\x20'::bytea`),
    /checkpoint in the database: it does not verify/,
  ],
  ['its size', sql(`update checkpoint set size = size - 1`), /column size/],
  ['its size, beyond the log', sql(`update checkpoint set size = 1000000`), /column size/],
])(
  'the checkpoint in the database, %s: found at start',
  async (_what, change, found) => {
    await using service = await restarted(change);
    await eventually(() => world.log.lines.some(({ level }) => level === 'fatal'), 'the finding is loud');
    expect((await (await service.client()).getCheckpoint({})).findings.join('\n')).toMatch(found);
  },
  30_000,
);

test('the folder taken back to an earlier state: found at start', async () => {
  const file = join(world.logDirectory, 'checkpoint');
  const earlier = await readFile(file);
  {
    await using _ = await restarted(async () => undefined);
    await using producer = await startProducer(world, 'gateway');
    await producer.record(callEvent(1000));
    await acknowledged(producer);
  }
  await using service = await restarted(() => writeFile(file, earlier));
  await eventually(() => world.log.lines.some(({ level }) => level === 'fatal'), 'the finding is loud');
  expect((await (await service.client()).getCheckpoint({})).findings.join('\n')).toMatch(
    /the file went back/,
  );
}, 30_000);

test('a leaf changed between commit and signature is not signed', async () => {
  world.keys.away = true;
  {
    await using _ = await restarted(async () => undefined);
    await using producer = await startProducer(world, 'gateway');
    await producer.record(callEvent(1000));
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  world.keys.away = false;
  await using service = await restarted(
    sql(`update leaf set body = '\\x7b7d' where leaf_index = (select max(leaf_index) from leaf)`),
  );
  await eventually(() => world.log.lines.some(({ level }) => level === 'fatal'), 'the finding is loud');
  expect((await (await service.client()).getCheckpoint({})).findings.join('\n')).toMatch(
    /changed before it was signed/,
  );
}, 30_000);

async function stored(): Promise<{ readonly size: number }> {
  const text = await readFile(join(world.logDirectory, 'checkpoint'), 'utf8');
  return { size: Number(text.split('\n')[1]) };
}
