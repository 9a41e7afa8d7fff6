/**
 * Whoever writes the log, and what it stands on, is killed, paused and cut off at random points under load. The seed is
 * printed; `SALLYPORT_SEED` repeats its faults, `SALLYPORT_FAULTS` makes more of them.
 */
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { fromBinary } from '@bufbuild/protobuf';
import { eventsv1 } from '@sallyport/proto';
import { auditAckSubject, type AuditTrail } from '@sallyport/service/audit';
import { serverSuite } from '@sallyport/service/testing';
import { describe, expect, test } from 'vitest';
import { postgresStore } from '../src/store/postgres.ts';
import { eventually } from './fixture.ts';
import {
  expectOnce,
  expectOneHistory,
  expectWholeLog,
  findings,
  logState,
  recordAll,
  writerOf,
} from './one-log.ts';
import { startRig, type Replica, type Rig } from './replicas.ts';

const suite = await serverSuite('postgres', 'nats');
const seed = Number(process.env['SALLYPORT_SEED'] ?? randomInt(2 ** 31));
const faults = Number(process.env['SALLYPORT_FAULTS'] ?? 20);

/** mulberry32: small, and the same everywhere. */
function randomOf(start: number) {
  let state = start;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    between: (from: number, to: number) => from + next() * (to - from),
    oneOf: <T>(all: readonly [T, ...T[]]): T => all[Math.floor(next() * all.length)] ?? all[0],
  };
}

const random = randomOf(seed);

type Fault = {
  readonly name: string;
  readonly weight: number;
  run(rig: Rig, replica: Replica): Promise<void>;
};

const FAULTS: readonly Fault[] = [
  {
    name: 'killed',
    weight: 4,
    async run(_rig, replica) {
      await replica.kill();
      await sleep(random.between(0, 3_500));
      await replica.start();
    },
  },
  {
    name: 'killed while it signs',
    weight: 2,
    async run(rig, replica) {
      const asked = Promise.withResolvers<void>();
      rig.keys.beforeSign = async () => {
        rig.keys.beforeSign = () => undefined;
        asked.resolve();
        await replica.kill();
      };
      await Promise.race([asked.promise, sleep(2_000)]);
      rig.keys.beforeSign = () => undefined;
      await replica.kill();
      await replica.start();
    },
  },
  {
    name: 'paused',
    weight: 4,
    async run(_rig, replica) {
      replica.signal('SIGSTOP');
      await sleep(random.between(200, 4_500));
      replica.signal('SIGCONT');
    },
  },
  {
    name: 'paused while it signs',
    weight: 3,
    async run(rig, replica) {
      rig.keys.beforeSign = () => {
        rig.keys.beforeSign = () => undefined;
        replica.signal('SIGSTOP');
      };
      await sleep(random.between(1_000, 5_000));
      rig.keys.beforeSign = () => undefined;
      replica.signal('SIGCONT');
    },
  },
  {
    name: 'cut off from its database',
    weight: 3,
    async run(_rig, { network }) {
      network.cut(random.oneOf(['both', 'to-server', 'to-client']));
      await sleep(random.between(200, 4_000));
      network.heal();
    },
  },
  {
    name: 'disconnected from its database',
    weight: 2,
    run: async (_rig, { network }) => network.reset(),
  },
  {
    name: 'beside a database that is restarted',
    weight: 1,
    run: ({ postgres }) => postgres.restart(),
  },
  {
    name: 'beside a broker that is restarted empty',
    weight: 1,
    run: ({ nats }) => nats.restart({ empty: true }),
  },
  {
    name: 'given another key',
    weight: 1,
    run: async ({ keys }) => keys.rotate(),
  },
];

const weighted = FAULTS.flatMap((fault) => Array.from({ length: fault.weight }, () => fault));

/** Records until it is told to stop. */
function load(producer: AuditTrail, first: number): () => Promise<void> {
  let isOn = true;
  const done = (async () => {
    for (let n = first; isOn; n += 5) {
      await recordAll(producer, n, 5);
      await sleep(40);
    }
  })();
  return async () => {
    isOn = false;
    await done;
  };
}

/** Terms and sizes of saved checkpoints, as anyone sees them who asks again and again. */
function watchLog(rig: Rig) {
  const [terms, sizes]: [Set<bigint>, number[]] = [new Set(), []];
  let isOn = true;
  const done = (async () => {
    while (isOn) {
      const now = await logState(rig).catch(() => undefined); // the database is away
      if (now?.fence !== undefined) terms.add(now.fence.term);
      if (now?.saved !== undefined) sizes.push(now.saved.size);
      await sleep(100);
    }
  })();
  return {
    async stop() {
      isOn = false;
      await done;
      return { terms, sizes };
    },
  };
}

type Heard = { readonly throughSeq: bigint; readonly checkpointSize: number };

async function hearAcknowledgements(rig: Rig, producer: AuditTrail): Promise<readonly Heard[]> {
  const heard: Heard[] = [];
  const bus = await rig.bus('gateway');
  await bus.subscribe(auditAckSubject(producer.spool.producer), {}, async ({ payload }) => {
    const { throughSeq, checkpointSize } = fromBinary(eventsv1.AuditAckSchema, payload);
    heard.push({ throughSeq, checkpointSize: Number(checkpointSize) });
  });
  return heard;
}

describe.skipIf(suite.skip)(suite.title('two replicas under fire'), () => {
  test(`${faults} faults from seed ${seed}: one history, every event once`, async () => {
    process.stdout.write(`election: ${faults} faults from seed ${seed}\n`);
    await using rig = await startRig();
    const replicas = [await rig.replica('one'), await rig.replica('two')] as const;
    await Promise.all(replicas.map((replica) => replica.start()));
    const [gateway, auth] = [await rig.producer('gateway'), await rig.producer('auth-service')];
    const heard = await hearAcknowledgements(rig, gateway);
    const stops = [load(gateway, 0), load(auth, 1_000_000)];

    const watched = watchLog(rig);

    for (let i = 0; i < faults; i++) {
      await sleep(random.between(200, 1_000));
      const fault = weighted[Math.floor(random.between(0, weighted.length))];
      const writer = await writerOf(rig, replicas).catch(() => undefined);
      const other = replicas.find((each) => each !== writer) ?? replicas[0];
      const replica = random.between(0, 1) < 0.75 ? (writer ?? other) : other;
      await fault?.run(rig, replica).catch((error: unknown) => {
        throw new Error(`fault ${i}: ${replica.name} ${fault.name}`, { cause: error });
      });
    }

    for (const stop of stops) await stop();
    await eventually(
      () => gateway.spool.depthBytes === 0 && auth.spool.depthBytes === 0,
      'everything is acknowledged',
      60_000,
    );
    const { terms, sizes: seen } = await watched.stop();
    expect(seen).toEqual(seen.toSorted((x, y) => x - y));
    await expectOnce(rig, gateway);
    await expectOnce(rig, auth);
    await expectOneHistory(rig);
    for (const replica of replicas) await expectWholeLog(rig, replica);

    const { leaves } = postgresStore(rig.database);
    const sizes = new Set(rig.signed.map(({ size }) => size));
    expect(heard.length).toBeGreaterThan(0);
    for (const { throughSeq, checkpointSize } of heard) {
      expect(sizes.has(checkpointSize)).toBe(true);
      const covered = await leaves.position(gateway.spool.producer, checkpointSize);
      expect(covered).toBeGreaterThanOrEqual(throughSeq);
    }
    for (const finding of ['sequence_gap', 'sequence_conflict', 'log_inconsistent', 'poison_batch'])
      expect([finding, await findings(rig, finding)]).toEqual([finding, 0]);
    expect(terms.size).toBeGreaterThan(1);
    const counts = `${gateway.spool.head + auth.spool.head} events, ${rig.signed.length} signatures, ${terms.size} writers`;
    process.stdout.write(`election: ${counts}, seed ${seed}\n`);
  }, 1_200_000);
});
