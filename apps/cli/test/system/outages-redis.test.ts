/**
 * Redis down in each way it can be (DESIGN.md sections 5 and 12), as a user and an operator of a cluster of two gateways
 * see it: what is refused is refused retryably and did not happen, probes name the guard, and all of it ends by itself.
 *
 * Budget: 120 s on two cores. One cluster for the whole file.
 */
import { ChannelError, type Channel } from '@sallyport/client';
import { serverSuite } from '@sallyport/service/testing';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { createRecorder } from '../long/replays.ts';
import { effectsOf, tallyOf, viewOf, type ClusterView } from '../support/cluster-view.ts';
import { createWorld, type World } from '../support/given-servers.ts';
import { outageTable } from '../support/outage-table.ts';
import { inTurn, replayAll } from '../support/replay-all.ts';
import { eventually } from '../support/running-system.ts';

const START_MS = 120_000;
const POLICY_MAX_AGE_MS = 900_000;
/** What `/readyz` and the first message may take once Redis is back. */
const RECOVERY_MS = 10_000;
/** The deadline of a question to Redis, twice: what a refusal may take on a machine that does other things too. */
const REFUSAL_MS = 4_000;
const REQUESTS = 24;

const suite = await serverSuite('redis', 'nats', 'postgres');
const { outage, print } = outageTable();

type Break = {
  readonly fault: string;
  readonly begin: (world: World) => Promise<unknown> | void;
  readonly end: (world: World) => Promise<unknown> | void;
  /** Redis starts with nothing: the session is over, and says so; another one is opened. */
  readonly isEmptyAfter?: boolean;
};

const BREAKS: readonly Break[] = [
  {
    fault: 'stopped, started again without its data',
    begin: ({ redis }) => redis.server().stop(),
    end: ({ redis }) => redis.server().restart(),
    isEmptyAfter: true,
  },
  {
    fault: 'paused (SIGSTOP)',
    begin: ({ redis }) => redis.server().signal('SIGSTOP'),
    end: ({ redis }) => redis.server().signal('SIGCONT'),
  },
  {
    fault: 'slower than a second',
    begin: ({ network }) => network.redis.delay(1_500),
    end: ({ network }) => network.redis.delay(0),
  },
  {
    fault: 'out of memory',
    begin: ({ redis }) => redis.ask('CONFIG', 'SET', 'maxmemory', '1'),
    end: ({ redis }) => redis.ask('CONFIG', 'SET', 'maxmemory', '128mb'),
  },
  {
    fault: 'refusing our credentials',
    async begin({ redis }) {
      await redis.ask('ACL', 'SETUSER', 'gateway', 'resetpass', '>another-password-altogether');
      await redis.ask('CLIENT', 'KILL', 'USER', 'gateway');
    },
    end: ({ redis }) => redis.ask('ACL', 'SETUSER', 'gateway', 'resetpass', `>${redis.gatewayPassword}`),
  },
  ...(['to-server', 'to-client', 'both'] as const).map((direction) => ({
    fault: `cut ${direction}`,
    begin: ({ network }: World) => network.redis.cut(direction),
    end: ({ network }: World) => network.redis.heal(),
  })),
];

describe.skipIf(suite.skip)(suite.title('Redis down'), () => {
  let world: World;
  let view: ClusterView;
  let session: Channel;

  beforeAll(async () => {
    world = await createWorld({ replicas: 'gateway=2' });
    view = await viewOf(world, POLICY_MAX_AGE_MS);
    session = await view.open('alice');
  }, START_MS);

  afterAll(async () => {
    print();
    await session?.close();
    await world?.[Symbol.asyncDispose]();
  }, START_MS);

  /** A session that Redis forgot is over; others are kept. */
  const openAgain = async (): Promise<void> => {
    await view.untilReady(RECOVERY_MS, 'gateway');
    if (session.closedBy !== undefined) session = await view.open('alice');
  };
  const effects = (): number => world.orders.requests.length + world.ledger.requests.length;
  const acknowledged = (count: number): string => `acknowledged ${count}`;

  for (const { fault, begin, end, isEmptyAfter = false } of BREAKS)
    outage(
      {
        down: 'Redis',
        fault,
        promise: 'refused retryably, nothing passes, /readyz names it, back by itself',
      },
      async (see) => {
        await openAgain();
        expect(tallyOf(await view.send(session, 4))).toBe(acknowledged(4));
        const before = effects();
        const refusals = await view.metric('gateway', 'sallyport_guard_unavailable_total');
        await begin(world);
        try {
          const since = performance.now();
          const answers = await view.send(session, REQUESTS);
          const tookMs = Math.round(performance.now() - since);
          see(`${tallyOf(answers)} in ${tookMs} ms`);
          expect(tallyOf(answers)).toBe(`refusal/unavailable ${REQUESTS}`);
          expect(tookMs).toBeLessThan((REQUESTS / 8) * REFUSAL_MS);
          await eventually(
            'both gateways not ready',
            async () => {
              const found = await view.readiness('gateway');
              const isSaid = found.every(({ status, failed }) => status === 503 && failed.join() === 'guard');
              return found.length === 2 && isSaid ? true : undefined;
            },
            5_000,
          );
          expect(await view.metric('gateway', 'sallyport_guard_unavailable_total')).toBeGreaterThan(refusals);
          // Once it is known, nobody waits for a deadline.
          const at = performance.now();
          expect(tallyOf(await view.send(session, 8))).toBe('refusal/unavailable 8');
          see(`8 more in ${Math.round(performance.now() - at)} ms`);
          const opened = await view.open('alice').catch((error: unknown) => error);
          expect(opened).toBeInstanceOf(ChannelError);
          const { code, retryAfterMs } = opened as ChannelError;
          expect([code, retryAfterMs]).toEqual(['unavailable', expect.any(Number)]);
          expect(effects()).toBe(before);
        } finally {
          await end(world);
        }
        see(`ready again after ${await view.untilReady(RECOVERY_MS, 'gateway')} ms`);
        expect(effects()).toBe(before);
        if (isEmptyAfter) {
          // Its request had left, so its sender is told that nobody can say: it was not carried out, by the count below.
          const [answer] = await view.send(session, 1);
          expect(answer?.kind).toBe('unknown');
          see(`the session ended with ${session.closedBy?.code}`);
          expect(effects()).toBe(before);
          await openAgain();
        }
        expect(tallyOf(await view.send(session, 8))).toBe(acknowledged(8));
        expect(effects()).toBe(before + 8);
      },
      60_000,
    );

  outage(
    { down: 'Redis', fault: 'slow, 60 ms a round trip', promise: 'messages go through, each once' },
    async (see) => {
      const before = effects();
      world.network.redis.delay(30);
      try {
        const answers = await view.send(session, REQUESTS);
        see(tallyOf(answers));
        expect(tallyOf(answers)).toBe(acknowledged(REQUESTS));
      } finally {
        world.network.redis.delay(0);
      }
      expect(effects()).toBe(before + REQUESTS);
    },
    30_000,
  );

  for (const [fault, breakIt] of [
    ['restarted empty under load', () => world.redis.server().restart({ empty: true })],
    ['replaced under load by a replica 1.5 s behind', () => world.redis.failOver(1_500)],
  ] as const)
    outage(
      {
        down: 'Redis',
        fault,
        promise: 'no recorded frame is taken again, nothing is executed twice, traffic goes on',
      },
      async (see) => {
        const gateways = await view.gateways();
        const recorder = await createRecorder(world.home, gateways, inTurn());
        const options = { openCarrierForTesting: recorder.openCarrier };
        const clients = [gateways, gateways.toReversed()].map((each) => view.keepSending(each, options));
        const answered = (): number =>
          [...view.numbered.sent.values()].filter(({ answer }) => answer?.kind === 'acknowledged').length;
        const flows = async (): Promise<void> => {
          const before = answered();
          await eventually('traffic', async () => (answered() > before + 40 ? true : undefined), 20_000);
        };
        await flows();
        await breakIt();
        await replayAll(recorder);
        const since = performance.now();
        await flows();
        see(`40 more acknowledged within ${Math.round(performance.now() - since)} ms`);
        await replayAll(recorder);
        await Promise.all(clients.map((client) => client.stop()));

        const before = {
          effects: effects(),
          admitted: await view.metric('gateway', 'sallyport_messages_total', 'verdict="new"'),
        };
        const { recorded } = recorder.counts();
        await replayAll(recorder);
        see(`${recorded} frames recorded, ${recorder.counts().replayed} sent again`);
        expect(recorder.counts().replayed).toBeGreaterThanOrEqual(recorded);
        expect(await view.metric('gateway', 'sallyport_messages_total', 'verdict="new"')).toBe(
          before.admitted,
        );
        expect(effects()).toBe(before.effects);
      },
      90_000,
    );

  outage(
    {
      down: 'Redis',
      fault: 'all of the above',
      promise: 'what clients were told, effects and records agree',
    },
    async (see) => {
      expect(await view.reconcile()).toEqual([]);
      const { sent } = view.numbered;
      const kinds = [...sent.values()].map(({ answer }) => answer?.kind);
      const count = (kind: string): number => kinds.filter((each) => each === kind).length;
      see(
        `${sent.size} sent: ${count('acknowledged')} acknowledged, ${count('without_effect')} without effect, ${count('unknown')} unknown`,
      );
      const ids = effectsOf(world.orders).map(({ id }) => id);
      expect(new Set(ids).size).toBe(ids.length);
      see(`${effects()} effects`);
    },
    120_000,
  );
});
