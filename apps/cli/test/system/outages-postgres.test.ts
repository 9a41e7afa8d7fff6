/**
 * Postgres down in each way it can be (DESIGN.md section 12): messages go on, since no gateway asks it; each service refuses
 * what it would have to write, says so, and has everything afterwards that it had acknowledged.
 *
 * Budget: 150 s on two cores. One cluster for the whole file.
 */
import { execFile } from 'node:child_process';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { ChannelError, type Channel } from '@sallyport/client';
import { findServers } from '@sallyport/service/local-servers';
import { serverSuite } from '@sallyport/service/testing';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { DATABASE_SERVICES } from '../../src/cluster/backends.ts';
import { tallyOf, viewOf, type ClusterView } from '../support/cluster-view.ts';
import { createWorld, type World } from '../support/given-servers.ts';
import { outageTable } from '../support/outage-table.ts';
import { eventually } from '../support/running-system.ts';

const START_MS = 120_000;
const POLICY_MAX_AGE_MS = 900_000;
const REQUESTS = 16;
/** A command's own deadline is 10 s: a refusal comes before it. */
const REFUSAL_MS = 15_000;
const RECOVERY_MS = 20_000;

const run = promisify(execFile);
const suite = await serverSuite('redis', 'nats', 'postgres');
const { outage, print } = outageTable();

type Break = {
  readonly fault: string;
  readonly begin: (world: World) => Promise<unknown> | void;
  readonly end: (world: World) => Promise<unknown> | void;
};

const BREAKS: readonly Break[] = [
  {
    fault: 'stopped',
    begin: ({ postgres }) => postgres.stop(),
    end: ({ postgres }) => postgres.restart(),
  },
  {
    fault: 'paused (SIGSTOP)',
    begin: ({ postgres }) => postgres.signal('SIGSTOP'),
    end: ({ postgres }) => postgres.signal('SIGCONT'),
  },
  {
    fault: 'refusing our credentials',
    begin: (world) =>
      asSuperuser(
        world,
        DATABASE_SERVICES.flatMap((service) => {
          const role = roleOf(service);
          return [
            `alter role ${role} nologin`,
            `select pg_terminate_backend(pid) from pg_stat_activity where usename = '${role}'`,
          ];
        }),
      ),
    end: (world) =>
      asSuperuser(
        world,
        DATABASE_SERVICES.map((service) => `alter role ${roleOf(service)} login`),
      ),
  },
  ...(['to-server', 'to-client', 'both'] as const).map((direction) => ({
    fault: `cut ${direction}`,
    begin: ({ network }: World) => network.postgres.cut(direction),
    end: ({ network }: World) => network.postgres.heal(),
  })),
];

const roleOf = (service: string): string => service.replace('-', '_');

async function asSuperuser(
  { postgres, postgresPassword }: World,
  statements: readonly string[],
): Promise<void> {
  const { postgres: found } = await findServers();
  const { host, port, user } = postgres.admin;
  await run(
    join(dirname(found?.path ?? ''), 'psql'),
    [
      '-h',
      host,
      '-p',
      String(port),
      '-U',
      user,
      '-d',
      'postgres',
      ...statements.flatMap((each) => ['-c', each]),
    ],
    {
      env: { PGPASSWORD: postgresPassword, PGSSLMODE: 'require', PATH: process.env['PATH'] },
      timeout: 20_000,
    },
  );
}

describe.skipIf(suite.skip)(suite.title('Postgres down'), () => {
  let world: World;
  let view: ClusterView;
  let session: Channel;
  let roles = 0;
  const acknowledgedRoles: string[] = [];

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

  const effects = (): number => world.orders.requests.length + world.ledger.requests.length;
  const putRole = async () => {
    roles += 1;
    const name = `made-${roles}`;
    const ran = await view.sallyport('policy', 'roles', 'put', name, '--allow', 'message.send=echo');
    if (ran.code === 0) acknowledgedRoles.push(name);
    return ran;
  };
  const storedRoles = async (): Promise<readonly unknown[]> =>
    (await view.sallyport('policy', 'roles', '--json')).json().map(({ name }) => name);
  const drained = () =>
    eventually(
      'empty spools',
      async () => ((await view.metric('gateway', 'sallyport_audit_spool_events')) === 0 ? true : undefined),
      60_000,
    );

  for (const { fault, begin, end } of BREAKS)
    outage(
      {
        down: 'Postgres',
        fault,
        promise: 'messages go on; writes are refused and say so; nothing acknowledged is lost',
      },
      async (see) => {
        await drained();
        expect((await putRole()).code).toBe(0);
        const before = effects();
        await begin(world);
        try {
          expect(tallyOf(await view.send(session, REQUESTS))).toBe(`acknowledged ${REQUESTS}`);
          expect(effects()).toBe(before + REQUESTS);
          see(`${REQUESTS} acknowledged`);

          const since = performance.now();
          const [role, psks, rotated, queried, opened] = await Promise.all([
            putRole(),
            view.sallyport('psk', 'list'),
            view.sallyport('keys', 'rotate', 'policy-bundle'),
            view.sallyport('audit', 'query', '--since', '1m'),
            view.open('alice').catch((error: unknown) => error),
          ]);
          const tookMs = Math.round(performance.now() - since);
          const said = [role, psks, rotated, queried].map(
            ({ code, err }) => `${code}: ${err.trim().split('\n')[0]}`,
          );
          see(`in ${tookMs} ms: ${[...new Set(said)].join(' / ')}`);
          expect([role, psks, rotated, queried].map(({ code }) => code)).toEqual([1, 1, 1, 1]);
          for (const { err } of [role, psks, rotated, queried]) {
            expect(err).toMatch(/sallyport doctor/u);
            expect(err).not.toMatch(/internal/iu);
          }
          expect(opened).toBeInstanceOf(ChannelError);
          const { code, retryAfterMs, mayHaveTakenEffect } = opened as ChannelError;
          see(`a session: ${code}, again after ${retryAfterMs} ms`);
          expect([code, retryAfterMs, mayHaveTakenEffect]).toEqual([
            'unavailable',
            expect.any(Number),
            false,
          ]);
          expect(tookMs).toBeLessThan(REFUSAL_MS);
          for (const service of DATABASE_SERVICES)
            await eventually(
              `${service} says so`,
              async () => {
                const found = await view.readiness(service);
                const isSaid = found.every(
                  ({ status, failed }) => status === 503 && failed.includes('database'),
                );
                return isSaid ? true : undefined;
              },
              10_000,
            );
          expect(await view.metric('gateway', 'sallyport_audit_spool_events')).toBeGreaterThan(0);
        } finally {
          await end(world);
        }
        see(`all ready after ${await view.untilReady(RECOVERY_MS)} ms`);
        expect(await storedRoles()).toEqual(expect.arrayContaining(acknowledgedRoles));
        expect((await putRole()).code).toBe(0);
        expect(tallyOf(await view.send(session, 2))).toBe('acknowledged 2');
      },
      120_000,
    );

  outage(
    {
      down: 'Postgres',
      fault: 'slow, 100 ms a round trip',
      promise: 'messages do not notice; writes take longer',
    },
    async (see) => {
      world.network.postgres.delay(50);
      try {
        const since = performance.now();
        expect(tallyOf(await view.send(session, REQUESTS))).toBe(`acknowledged ${REQUESTS}`);
        see(`${REQUESTS} messages in ${Math.round(performance.now() - since)} ms`);
        const at = performance.now();
        expect((await putRole()).code).toBe(0);
        see(`a role in ${Math.round(performance.now() - at)} ms`);
      } finally {
        world.network.postgres.delay(0);
      }
    },
    60_000,
  );

  outage(
    {
      down: 'Postgres',
      fault: 'killed again and again under writes',
      promise: 'every acknowledged write is there',
    },
    async (see) => {
      const before = acknowledgedRoles.length;
      let refused = 0;
      for (let kill = 0; kill < 3; kill += 1) {
        let isOver = false;
        const enough = acknowledgedRoles.length + 2;
        const writing = (async () => {
          while (!isOver) if ((await putRole()).code !== 0) refused += 1;
        })();
        await eventually(
          'writes',
          async () => (acknowledgedRoles.length >= enough ? true : undefined),
          30_000,
        );
        world.postgres.signal('SIGKILL');
        await world.postgres.exited;
        await world.postgres.restart();
        isOver = true;
        await writing;
        await view.untilReady(RECOVERY_MS, 'policy-service');
      }
      expect((await putRole()).code).toBe(0);
      see(`${acknowledgedRoles.length - before} writes acknowledged, ${refused} refused`);
      expect(await storedRoles()).toEqual(expect.arrayContaining(acknowledgedRoles));
    },
    120_000,
  );

  outage(
    {
      down: 'Postgres',
      fault: 'all of the above',
      promise: 'what clients were told, effects and records agree',
    },
    async (see) => {
      expect(await view.reconcile()).toEqual([]);
      see(`${view.numbered.sent.size} sent, ${effects()} effects, ${acknowledgedRoles.length} roles`);
    },
    150_000,
  );
});
