/**
 * Clocks that are set while a cluster runs: of a gateway, of both, of each other service, ahead and back. What goes on is
 * carried out once, what does not is refused; once the clock is right all goes on, and nothing that was recorded meanwhile
 * is taken again (PROTOCOL.md "Clock", "Nonces"). Servers, clients and the test keep the right time.
 *
 * Budget: 120 s on two cores. One cluster for the whole file.
 */
import { ChannelError, type Channel } from '@sallyport/client';
import { serverSuite } from '@sallyport/service/testing';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { createRecorder, type Recorder } from '../long/replays.ts';
import { tallyOf, viewOf, type ClusterView } from '../support/cluster-view.ts';
import { createWorld, type World } from '../support/given-servers.ts';
import { outageTable } from '../support/outage-table.ts';
import { inTurn, replayAll } from '../support/replay-all.ts';

const START_MS = 120_000;
const RECOVERY_MS = 30_000;
const REQUESTS = 8;
const MINUTE_MS = 60_000;

const suite = await serverSuite('redis', 'nats', 'postgres');
const { outage, print } = outageTable();

const CLOCKS = [
  ['of one gateway', ['gateway-1']],
  ['of both gateways', ['gateway-1', 'gateway-2']],
  ['of auth-service', ['auth-service-1']],
  ['of key-service', ['key-service-1']],
  ['of policy-service', ['policy-service-1']],
  ['of audit-service', ['audit-service-1']],
] as const;
const JUMPS = [
  ['10 min ahead', 10 * MINUTE_MS],
  ['10 min back', -10 * MINUTE_MS],
] as const;

describe.skipIf(suite.skip)(suite.title('clocks that jump'), () => {
  let world: World;
  let view: ClusterView;
  let recorder: Recorder;
  let session: Channel;

  beforeAll(async () => {
    world = await createWorld({ replicas: 'gateway=2', hasClocks: true });
    view = await viewOf(world, 900_000);
    recorder = await createRecorder(world.home, await view.gateways(), inTurn());
    session = await open();
  }, START_MS);

  afterAll(async () => {
    print();
    await session?.close();
    await world?.[Symbol.asyncDispose]();
  }, START_MS);

  const open = (): Promise<Channel> =>
    view.open('alice', undefined, { openCarrierForTesting: recorder.openCarrier });
  /** Requests of all rows so far that nobody could tell the end of: a copy may still be in time in the next row. */
  let undecided = 0;
  /** What was carried out more than once. */
  const twice = (): readonly string[] => {
    const bodies = [...world.orders.requests, ...world.ledger.requests].map(({ body }) => body);
    return bodies.filter((body, index) => bodies.indexOf(body) !== index);
  };
  const effects = (): number => world.orders.requests.length + world.ledger.requests.length;

  for (const [whose, names] of CLOCKS)
    for (const [jump, skewMs] of JUMPS)
      outage(
        {
          down: 'the clock',
          fault: `${whose} is set ${jump}`,
          promise: 'once or not at all, and on when it is right',
        },
        async (see) => {
          if (session.closedBy !== undefined) session = await open();
          expect(tallyOf(await view.send(session, 2))).toBe('acknowledged 2');
          const before = effects();
          let most = before;
          await world.setClocks(Object.fromEntries(names.map((name) => [name, skewMs])));
          try {
            const answers = await view.send(session, REQUESTS, 5_000);
            see(`live: ${tallyOf(answers)}`);
            const acknowledged = answers.filter(({ kind }) => kind === 'acknowledged').length;
            const unknown = answers.filter(({ kind }) => kind === 'unknown').length;
            undecided += unknown;
            most = before + acknowledged + undecided;
            expect(effects()).toBeGreaterThanOrEqual(before + acknowledged);
            expect(effects()).toBeLessThanOrEqual(most);
            const opened = await open().catch((error: unknown) => error);
            if (opened instanceof ChannelError) see(`a new one: ${opened.kind}/${opened.code}`);
            else {
              const ofNew = await view.send(opened as Channel, 2, 5_000);
              see(`a new one: ${tallyOf(ofNew)}`);
              const ofNewUnknown = ofNew.filter(({ kind }) => kind === 'unknown').length;
              undecided += ofNewUnknown;
              most += ofNew.filter(({ kind }) => kind === 'acknowledged').length + ofNewUnknown;
              await (opened as Channel).close();
            }
          } finally {
            await world.setClocks({});
          }
          see(`ready after ${await view.untilReady(RECOVERY_MS)} ms`);
          // What was not even read then is read now, and may still be in time; what was taken is not taken again.
          for (let time = 0; time < 2; time += 1) {
            await replayAll(recorder);
            expect(effects()).toBeLessThanOrEqual(most);
            expect(twice()).toEqual([]);
          }
          if (session.closedBy !== undefined) {
            see(`the session ended with ${session.closedBy.code}`);
            session = await open();
          }
          expect(tallyOf(await view.send(session, REQUESTS))).toBe(`acknowledged ${REQUESTS}`);
        },
        60_000,
      );

  outage(
    {
      down: 'the clock',
      fault: 'all of the above',
      promise: 'what clients were told, effects and records agree',
    },
    async (see) => {
      expect(await view.reconcile()).toEqual([]);
      const { recorded, replayed } = recorder.counts();
      see(
        `${view.numbered.sent.size} sent, ${effects()} effects, ${recorded} frames recorded, ${replayed} sent again`,
      );
    },
    120_000,
  );
});
