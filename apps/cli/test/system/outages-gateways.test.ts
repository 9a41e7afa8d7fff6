/**
 * A gateway killed, paused, cut off and woken again, in a cluster of two (DESIGN.md section 12): clients go on at the other
 * one, no message is lost, none is executed twice. Messages are counted at the clients, at the destinations and in the log.
 *
 * Budget: 120 s on two cores. One cluster for the whole file.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ChannelState } from '@sallyport/client';
import { startCutProxy } from '@sallyport/service/local-servers';
import { serverSuite } from '@sallyport/service/testing';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { effectsOf, tallyOf, viewOf, type ClusterView } from '../support/cluster-view.ts';
import { createWorld, type World } from '../support/given-servers.ts';
import type { Answer } from '../support/numbered.ts';
import { outageTable } from '../support/outage-table.ts';
import { eventually } from '../support/running-system.ts';
import { pauseAll, signal } from '../support/service-faults.ts';

const START_MS = 120_000;
const POLICY_MAX_AGE_MS = 900_000;
const KILLS = 6;
const KILL_EVERY_MS = 2_500;
const RECOVERY_MS = 45_000;

const suite = await serverSuite('redis', 'nats', 'postgres');
const { outage, print } = outageTable();

describe.skipIf(suite.skip)(suite.title('a gateway down'), () => {
  let world: World;
  let view: ClusterView;

  beforeAll(async () => {
    world = await createWorld({ replicas: 'gateway=2' });
    view = await viewOf(world, POLICY_MAX_AGE_MS);
  }, START_MS);

  afterAll(async () => {
    print();
    await world?.[Symbol.asyncDispose]();
  }, START_MS);

  const effects = (): number => world.orders.requests.length + world.ledger.requests.length;
  const pidOf = async (index: number): Promise<number> => (await view.processes('gateway'))[index]?.pid ?? 0;
  const answersSince = (first: number): readonly Answer[] =>
    [...view.numbered.sent].flatMap(([id, { answer }]) =>
      id > first && answer !== undefined ? [answer] : [],
    );

  outage(
    {
      down: 'a gateway',
      fault: `killed, one or the other, ${KILLS} times under load`,
      promise: 'clients resume on the other; nothing lost, nothing twice',
    },
    async (see) => {
      const gateways = await view.gateways();
      const first = view.numbered.sent.size;
      const before = effects();
      let resumed = 0;
      const onState = (state: ChannelState): void => void (resumed += state === 'open' ? 1 : 0);
      const clients = [gateways, gateways.toReversed(), gateways, gateways.toReversed()].map((each) =>
        view.keepSending(each, { onState }),
      );
      for (let kill = 0; kill < KILLS; kill += 1) {
        await sleep(KILL_EVERY_MS);
        signal(await pidOf(kill % 2), 'SIGKILL');
        await eventually(
          'started again',
          async () => ((await pidOf(kill % 2)) > 0 ? true : undefined),
          RECOVERY_MS,
        );
        await view.untilReady(RECOVERY_MS, 'gateway');
      }
      await Promise.all(clients.map((client) => client.stop()));
      const answers = answersSince(first);
      see(`${tallyOf(answers)}; ${effects() - before} effects; ${resumed} resumes`);
      const acknowledged = answers.filter(({ kind }) => kind === 'acknowledged').length;
      expect(resumed).toBeGreaterThanOrEqual(KILLS / 2);
      expect(acknowledged).toBeGreaterThan(KILLS * 10);
      expect(answers.length - acknowledged).toBeLessThan(acknowledged / 10);
    },
    150_000,
  );

  outage(
    { down: 'both gateways', fault: 'killed at once', promise: 'sessions wait and go on when one is back' },
    async (see) => {
      const session = await view.open('alice', undefined, { resume: { maxMs: 60_000 } });
      expect(tallyOf(await view.send(session, 4))).toBe('acknowledged 4');
      for (const index of [0, 1]) signal(await pidOf(index), 'SIGKILL');
      await eventually('the session lost', async () => (session.state === 'resuming' ? true : undefined));
      const since = performance.now();
      expect(tallyOf(await view.send(session, 8, 60_000))).toBe('acknowledged 8');
      see(`8 acknowledged after ${Math.round(performance.now() - since)} ms, same session`);
      await session.close();
      await view.untilReady(RECOVERY_MS, 'gateway');
    },
    90_000,
  );

  outage(
    {
      down: 'both gateways',
      fault: 'paused (SIGSTOP) for 3 s',
      promise: 'carried out once, or refused retryably',
    },
    async (see) => {
      const session = await view.open('alice');
      const before = effects();
      let sending: Promise<readonly Answer[]>;
      {
        await using _ = await pauseAll(view, 'gateway');
        sending = view.send(session, 8, 20_000);
        await sleep(3_000);
        expect(effects()).toBe(before);
      }
      const answers = await sending;
      see(`${tallyOf(answers)}, ${effects() - before} effects`);
      // Whom the pause kept from hearing Redis in time refuses, with nothing done.
      const acknowledged = answers.filter(({ kind }) => kind === 'acknowledged').length;
      expect(answers.filter(({ kind }) => kind === 'unknown')).toEqual([]);
      expect(effects()).toBe(before + acknowledged);
      see(`ready after ${await view.untilReady(RECOVERY_MS)} ms`);
      await eventually('messages again', async () =>
        tallyOf(await view.send(session, 1)) === 'acknowledged 1' ? true : undefined,
      );
      await session.close();
    },
    60_000,
  );

  outage(
    {
      down: 'a gateway',
      fault: 'paused with frames unread, its clients gone to the other, then woken',
      promise: 'what it finds is superseded: nothing twice',
    },
    async (see) => {
      await view.untilReady(RECOVERY_MS);
      const [, second = ''] = await view.gateways();
      const [paused] = await view.processes('gateway');
      const port = paused?.port ?? 0;
      // Client, far, near, gateway: near keeps the way to the gateway open when far breaks off.
      await using near = await startCutProxy({ to: { host: '127.0.0.1', port } });
      await using far = await startCutProxy({ to: near });
      const session = await view.open('alice', [`127.0.0.1:${far.port}`, second]);
      expect(tallyOf(await view.send(session, 4))).toBe('acknowledged 4');
      const before = effects();
      const frames = await view.metric('gateway', 'sallyport_frames_total');
      signal(paused?.pid ?? 0, 'SIGSTOP');
      try {
        const sending = view.send(session, 8, 30_000);
        await sleep(300); // into the gateway's socket
        near.cut('to-server');
        far.reset();
        const answers = tallyOf(await sending);
        see(`at the other one: ${answers}`);
        expect(answers).toBe('acknowledged 8');
        expect(effects()).toBe(before + 8);
      } finally {
        signal(paused?.pid ?? 0, 'SIGCONT');
      }
      await eventually('the frames it had not read', async () =>
        (await view.metric('gateway', 'sallyport_frames_total')) > frames + 1 ? true : undefined,
      );
      await sleep(500);
      expect(effects()).toBe(before + 8);
      const superseded = await view.metric(
        'gateway',
        'sallyport_frames_rejected_total',
        'cause="superseded"',
      );
      see(`woken: ${superseded} frames superseded, no further effect`);
      expect(superseded).toBeGreaterThan(0);
      near.heal();
      expect(tallyOf(await view.send(session, 4))).toBe('acknowledged 4');
      await session.close();
    },
    90_000,
  );

  outage(
    {
      down: 'gateways',
      fault: 'all of the above',
      promise: 'what clients were told, effects and records agree',
    },
    async (see) => {
      await view.untilReady(RECOVERY_MS);
      expect(await view.reconcile()).toEqual([]);
      const ids = effectsOf(world.orders).map(({ id }) => id);
      expect(new Set(ids).size).toBe(ids.length);
      see(`${view.numbered.sent.size} sent, ${effects()} effects`);
    },
    150_000,
  );
});
