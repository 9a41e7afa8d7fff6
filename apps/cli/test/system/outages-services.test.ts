/**
 * Each service away, killed and paused, in a cluster of two gateways (DESIGN.md section 12): live sessions go on, what needs
 * the service is refused and may be asked for again, nothing is lost, and all of it ends by itself.
 *
 * Bounds that are minutes in production are seconds here, so that what is behind them can be seen too.
 * Budget: 240 s on two cores. One cluster for the whole file.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ChannelError, type Channel } from '@sallyport/client';
import { serverSuite } from '@sallyport/service/testing';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { tallyOf, viewOf, type ClusterView } from '../support/cluster-view.ts';
import { createWorld, type World } from '../support/given-servers.ts';
import type { Answer } from '../support/numbered.ts';
import { outageTable } from '../support/outage-table.ts';
import { eventually } from '../support/running-system.ts';
import { keepDown, pauseAll, signal } from '../support/service-faults.ts';

const START_MS = 120_000;
/** Longer than what a busy machine leaves a feed without word, shorter than a test. */
const POLICY_MAX_AGE_MS = 10_000;
const REVOCATIONS_DEAD_AFTER_MS = 10_000;
/** Some hundred messages. */
const SPOOL_BYTES = 256 * 1024;
const REQUESTS = 16;
/** What is started again waits up to 5 s for its turn, and then has to start. */
const RECOVERY_MS = 45_000;

const suite = await serverSuite('redis', 'nats', 'postgres');
const { outage, print } = outageTable();
const WAYS = [
  ['killed, and again', keepDown],
  ['paused (SIGSTOP)', pauseAll],
] as const;

describe.skipIf(suite.skip)(suite.title('services down'), () => {
  let world: World;
  let view: ClusterView;
  let session: Channel;

  beforeAll(async () => {
    world = await createWorld({
      replicas: 'gateway=2,audit-service=2',
      policyMaxAgeMs: POLICY_MAX_AGE_MS,
      revocationsDeadAfterMs: REVOCATIONS_DEAD_AFTER_MS,
      spoolMaxBytes: SPOOL_BYTES,
    });
    view = await viewOf(world, POLICY_MAX_AGE_MS);
    session = await open();
  }, START_MS);

  afterAll(async () => {
    print();
    await session?.close();
    await world?.[Symbol.asyncDispose]();
  }, START_MS);

  const open = (): Promise<Channel> => view.open('alice', undefined, { resume: { maxMs: 60_000 } });
  const effects = (): number => world.orders.requests.length + world.ledger.requests.length;
  /** Nothing of the outage before is left. */
  const sound = async (): Promise<void> => {
    await view.untilReady(RECOVERY_MS);
    if (session.closedBy !== undefined) session = await open();
  };
  const goesOn = async (): Promise<string> => {
    const before = effects();
    expect(tallyOf(await view.send(session, REQUESTS))).toBe(`acknowledged ${REQUESTS}`);
    expect(effects()).toBe(before + REQUESTS);
    return `${REQUESTS} acknowledged`;
  };
  /** Every gateway not ready, for what is in `names`. */
  const notReadyFor = (name: string, withinMs: number) =>
    eventually(
      `gateways not ready for ${name}`,
      async () => {
        const found = await view.readiness('gateway');
        const isSaid = found.every(({ status, failed }) => status === 503 && failed.includes(name));
        return isSaid ? true : undefined;
      },
      withinMs,
    );
  /** Refused, and worth another try: nothing happened, and the gateway names a time. */
  const opensNoSession = async (): Promise<string> => {
    const since = performance.now();
    const opened = await open().catch((error: unknown) => error);
    expect(opened).toBeInstanceOf(ChannelError);
    const { kind, code, retryAfterMs, mayHaveTakenEffect } = opened as ChannelError;
    expect([mayHaveTakenEffect, code]).toEqual([false, expect.stringMatching(/^(?:busy|unavailable)$/u)]);
    expect(retryAfterMs).toBeGreaterThan(0);
    return `a session: ${kind}/${code} after ${Math.round(performance.now() - since)} ms`;
  };
  const refuses = async (...args: string[]): Promise<string> => {
    const { code, err } = await view.sallyport(...args);
    expect(code).toBe(1);
    expect(err).toMatch(/sallyport doctor/u);
    expect(err).not.toMatch(/internal/iu);
    return `"${args.slice(0, 2).join(' ')}": ${err.trim().split('\n')[0]}`;
  };
  const recovered = async (see: (text: string) => void): Promise<void> => {
    see(`all ready after ${await view.untilReady(RECOVERY_MS)} ms`);
    await goesOn();
    await (await open()).close();
  };

  for (const [fault, begin] of WAYS) {
    outage(
      { down: 'policy-service', fault, promise: 'last good bundle, its age visible; too old = deny' },
      async (see) => {
        await sound();
        {
          await using _ = await begin(view, 'policy-service');
          see(await goesOn());
          const channel = await open();
          await channel.close();
          see('a session opens');
          see(await refuses('policy', 'bind', 'user:guest', 'sender'));
          const age = await view.metric('gateway', 'sallyport_policy_bundle_age_seconds');
          expect(age).toBeGreaterThan(0.5);
          see(`bundle age ${(age / 2).toFixed(1)} s`);
          await notReadyFor('policy', POLICY_MAX_AGE_MS + 5_000);
          const before = effects();
          see(`too old: ${tallyOf(await view.send(session, 4))}`);
          expect(effects()).toBe(before);
        }
        await recovered(see);
      },
      120_000,
    );

    outage(
      {
        down: 'key-service',
        fault,
        promise: 'live sessions go on; none opens; none resumes elsewhere until it is back',
      },
      async (see) => {
        await sound();
        const { sessionId } = session;
        let pending: Promise<string>;
        {
          await using _ = await begin(view, 'key-service');
          see(await goesOn());
          see(await opensNoSession());
          see(await refuses('keys', 'list'));
          // Whichever gateway has the session: both are killed, one after the other, and both come back without keys.
          for (const { pid } of await view.processes('gateway')) signal(pid ?? 0, 'SIGKILL');
          await eventually('the session lost', async () => (session.state === 'resuming' ? true : undefined));
          pending = view.send(session, 4, 60_000).then(tallyOf);
          await new Promise((resolve) => setTimeout(resolve, 2_000));
          expect(session.state).toBe('resuming');
          see('gateways killed: the session waits');
        }
        expect(await pending).toBe('acknowledged 4');
        expect(session.sessionId).toBe(sessionId);
        see('and goes on when it is back');
        await recovered(see);
      },
      150_000,
    );

    outage(
      {
        down: 'auth-service',
        fault,
        promise: 'live sessions go on; none opens; without word of revocations for too long all is refused',
      },
      async (see) => {
        await sound();
        {
          await using _ = await begin(view, 'auth-service');
          see(await goesOn());
          see(await opensNoSession());
          see(await refuses('sessions', 'revoke', session.sessionId));
          await notReadyFor('revocations', REVOCATIONS_DEAD_AFTER_MS + 5_000);
          const before = effects();
          const answers = tallyOf(await view.send(session, 4));
          see(`after ${REVOCATIONS_DEAD_AFTER_MS / 1_000} s: ${answers}`);
          expect(answers).toBe('refusal/unavailable 4');
          expect(effects()).toBe(before);
        }
        await recovered(see);
      },
      120_000,
    );

    outage(
      { down: 'audit-service', fault, promise: 'traffic goes on, events wait in spools' },
      async (see) => {
        await sound();
        {
          await using _ = await begin(view, 'audit-service');
          see(await goesOn());
          const held = await view.metric('gateway', 'sallyport_audit_spool_events');
          expect(held).toBeGreaterThan(1);
          see(`${held} events wait`);
          see(await refuses('audit', 'query', '--since', '1m'));
        }
        await recovered(see);
        const since = performance.now();
        await eventually(
          'empty spools',
          async () =>
            (await view.metric('gateway', 'sallyport_audit_spool_events')) === 0 ? true : undefined,
          60_000,
        );
        see(`spools empty after ${Math.round(performance.now() - since)} ms`);
      },
      150_000,
    );
  }

  outage(
    {
      down: 'audit-service',
      fault: 'paused until the spool is full',
      promise: 'nothing is done without its record: refused; goes on when there is room',
    },
    async (see) => {
      await sound();
      const before = effects();
      {
        await using _ = await pauseAll(view, 'audit-service');
        const answers: Answer[] = [];
        while (answers.every(({ kind }) => kind === 'acknowledged') && answers.length < 5_000)
          answers.push(...(await view.send(session, 64)));
        // A frame of many messages is refused while there is still room for the record of one: on until none fits.
        const isFull = () => answers.slice(-4).every(({ kind }) => kind !== 'acknowledged');
        do answers.push(...(await view.send(session, 1)));
        while (!isFull() && answers.length < 5_000);
        see(tallyOf(answers));
        const acknowledged = answers.filter(({ kind }) => kind === 'acknowledged').length;
        expect(
          new Set(
            answers.filter(({ kind }) => kind !== 'acknowledged').map((each) => 'code' in each && each.code),
          ),
        ).toEqual(new Set(['refusal/unavailable']));
        expect(effects()).toBe(before + acknowledged);
        expect(tallyOf(await view.send(session, 8))).toBe('refusal/unavailable 8');
        expect(effects()).toBe(before + acknowledged);
        const found = await view.readiness('gateway');
        expect(found.map(({ failed }) => failed.join()).toSorted()).toEqual(['', 'audit']);
        const bytes = await view.metric('gateway', 'sallyport_audit_spool_bytes');
        const refused = await view.metric(
          'gateway',
          'sallyport_audit_records_refused_total',
          'problem="full"',
        );
        see(`${bytes} bytes wait, ${refused} events refused, its gateway says audit`);
        expect(refused).toBeGreaterThan(0);
      }
      await eventually(
        'room again',
        // As many as are sent below: the spool frees its room bit by bit.
        async () => (tallyOf(await view.send(session, 16)) === 'acknowledged 16' ? true : undefined),
        30_000,
      );
      await recovered(see);
    },
    120_000,
  );

  outage(
    {
      down: 'policy-service',
      fault: 'killed, and a gateway that never had a bundle',
      promise: 'none at all = deny',
    },
    async (see) => {
      const [, second = ''] = await view.gateways();
      {
        await using _ = await keepDown(view, 'policy-service');
        const pid = (await view.processes('gateway'))[1]?.pid ?? 0;
        // Stopped first: it would write down again, before it dies, how old what it has is.
        signal(pid, 'SIGSTOP');
        await rm(join(world.home.clusterFolder, 'gateway-2', 'bundle'), { recursive: true, force: true });
        signal(pid, 'SIGKILL');
        const text = await eventually(
          'a gateway without policy',
          async () => {
            const [, gateway] = await view.readiness('gateway');
            const isNew = (await view.processes('gateway'))[1]?.pid !== pid;
            return isNew && gateway?.failed.includes('policy') === true ? gateway.text : undefined;
          },
          20_000,
        );
        expect(text).toContain('no policy bundle has come yet');
        const opened = await view.open('alice', [second]).catch((error: unknown) => error);
        expect(opened).toBeInstanceOf(ChannelError);
        const { kind, code, mayHaveTakenEffect } = opened as ChannelError;
        see(`/readyz: no policy bundle has come yet; a session there: ${kind}/${code}`);
        expect(mayHaveTakenEffect).toBe(false);
      }
      see(`all ready after ${await view.untilReady(RECOVERY_MS)} ms`);
    },
    120_000,
  );

  outage(
    {
      down: 'services',
      fault: 'all of the above',
      promise: 'what clients were told, effects and records agree',
    },
    async (see) => {
      expect(await view.reconcile()).toEqual([]);
      see(`${view.numbered.sent.size} sent, ${effects()} effects`);
    },
    150_000,
  );
});
