/**
 * How many events a second get into the log on a Postgres server: `node test/ingest-bench.ts [seconds]`.
 *
 * `store`: transactions of one connection alone, as group commit makes them. `end to end`: from `record` in two producers
 * (on their disks) over NATS into leaves, tiles, signed checkpoints and back as acknowledgements.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeEvent } from '@sallyport/audit-log';
import type { AuditTrail } from '@sallyport/service/audit';
import { testPostgres } from '@sallyport/service/testing';
import { planCommit } from '../src/domain/plan-commit.ts';
import { migrations } from '../src/store/migrations.ts';
import { postgresStore } from '../src/store/postgres.ts';
import type { Schema } from '../src/store/rows.ts';
import { logState } from './one-log.ts';
import { startRig } from './replicas.ts';
import { batchOf, callEvent, decisionEvent, gateway } from './support.ts';

const seconds = Number(process.argv[2] ?? 10);
const say = (text: string) => void process.stdout.write(`${text}\n`);
const perSecond = (count: number, ms: number) => Math.round((count / ms) * 1000).toLocaleString('en');

async function measureStore(what: string, records: number, bodies: readonly Uint8Array[]): Promise<void> {
  await using postgres = await testPostgres();
  await using host = postgres.host();
  const database = await host.forService<Schema>('audit-service');
  await database.migrate(migrations);
  const { writer } = postgresStore(database);
  let [next, planMs, commits] = [1n, 0, 0];
  const began = performance.now();
  while (performance.now() - began < seconds * 1000) {
    await writer.commit([gateway], (head) => {
      const at = performance.now();
      const plan = planCommit(head, [{ batch: batchOf(gateway, next, bodies) }]);
      planMs += performance.now() - at;
      return plan;
    });
    next += BigInt(bodies.length);
    commits += 1;
  }
  const ms = performance.now() - began;
  const events = Number(next - 1n);
  say(
    `store, ${what}: ${perSecond(events, ms)} events/s, ${perSecond(events * records, ms)} records/s; ` +
      `a commit of ${bodies.length} takes ${(ms / commits).toFixed(1)} ms, ${(planMs / commits).toFixed(1)} of them planning`,
  );
}

async function measureEndToEnd(replicas: number): Promise<void> {
  await using rig = await startRig();
  for (let i = 0; i < replicas; i++) await (await rig.replica(`r${i}`)).start();
  const producers = [await rig.producer('gateway', 5_000), await rig.producer('auth-service', 5_000)];
  let isOn = true;
  const work = async (producer: AuditTrail, worker: number) => {
    for (let n = 0; isOn; n++) {
      while (isOn && producer.spool.depthBytes > 8 * 1024 * 1024) await sleep(5);
      await producer.record(callEvent(worker * 1_000_000 + n));
    }
  };
  const floor = () => producers.reduce((sum, { spool }) => sum + Number(spool.floor), 0);
  const workers = producers.flatMap((producer, p) =>
    Array.from({ length: 256 }, (_, i) => work(producer, p * 256 + i)),
  );
  await sleep(2_000);
  const [began, first, before] = [performance.now(), floor(), process.cpuUsage()];
  const signatures = rig.signed.length;
  await sleep(seconds * 1000);
  const [ms, count] = [performance.now() - began, floor() - first];
  const { user, system } = process.cpuUsage(before);
  isOn = false;
  await Promise.all(workers);
  const { saved } = await logState(rig);
  say(
    `end to end, ${replicas} replicas: ${perSecond(count, ms)} events/s acknowledged, ` +
      `${((rig.signed.length - signatures) / (ms / 1000)).toFixed(1)} checkpoints/s, ` +
      `this process (two producers) ${Math.round((user + system) / 10 / ms)} % of a core, ${saved?.size} leaves`,
  );
}

await measureStore(
  'frames of 32',
  32,
  Array.from({ length: 64 }, (_, i) => encodeEvent(decisionEvent(i, 32 * i, 32))),
);
await measureStore(
  'single events',
  1,
  Array.from({ length: 400 }, (_, i) => encodeEvent(callEvent(i))),
);
for (const replicas of [1, 2]) await measureEndToEnd(replicas);
process.exit(0);
