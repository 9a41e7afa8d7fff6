/** What a caller hears when the server or the way to it fails, and that it is told in time. */
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Database, DatabaseHost } from '../../src/database/index.ts';
import { startCutProxy, type CutProxy } from '../../src/local-servers/index.ts';
import { openPostgres } from '../../src/postgres/index.ts';
import { testPostgres, type TestPostgres } from '../../src/testing/postgres.ts';
import { serverSuite } from '../../src/testing/servers.ts';

interface Schema {
  counter: { id: number; value: number };
}
const migration = {
  id: '1',
  up: 'create table counter (id int primary key, value int not null); insert into counter values (1, 0)',
};
const HOLD_MS = 1000;
/** Every answer comes within this; a busy machine included. */
const SOON_MS = 6000;

const suite = await serverSuite('postgres');
describe.skipIf(suite.skip)(suite.title('faults of Postgres'), () => {
  let postgres: TestPostgres;
  let proxy: CutProxy;
  let host: DatabaseHost;
  let db: Database<Schema>;

  beforeAll(async () => {
    postgres = await testPostgres();
    await using setUp = postgres.host();
    await (await setUp.forService('faults')).migrate([migration]);
  }, 60_000);
  afterAll(() => postgres[Symbol.asyncDispose]());

  beforeEach(async () => {
    proxy = await startCutProxy({ to: { host: '127.0.0.1', port: postgres.server.port } });
    const options = await postgres.optionsFor('faults');
    host = await openPostgres({ ...options, port: proxy.port, maxConnections: 3, connectTimeoutMs: 1000 });
    db = await host.forService<Schema>('faults', { holdTimeoutMs: HOLD_MS, acquireTimeoutMs: 2000 });
    await sql`update counter set value = 0`.execute(db.kysely);
  });
  afterEach(async () => {
    proxy.heal();
    await host.close();
    await proxy.dispose();
  });

  const increment = () =>
    db.kysely
      .updateTable('counter')
      .set({ value: sql`value + 1` })
      .execute();
  const value = async (): Promise<number> =>
    (await db.kysely.selectFrom('counter').select('value').executeTakeFirstOrThrow()).value;
  /** The kind of its error, or `done`; fails when it takes too long. */
  async function kindOf(work: Promise<unknown>): Promise<unknown> {
    const late = sleep(SOON_MS, 'nothing, for too long', { ref: false });
    return Promise.race([
      work.then(
        () => 'done',
        (error: unknown) => (error instanceof Error && 'kind' in error ? error.kind : error),
      ),
      late,
    ]);
  }
  const recovers = () =>
    expect.poll(() => kindOf(db.check()), { timeout: 15_000, interval: 100 }).toBe('done');

  /** How it breaks, what undoes it, and what a statement that is sent while it is broken hears. */
  const faults: readonly (readonly [
    string,
    { readonly break: () => unknown; readonly mend: () => unknown; readonly kinds: readonly string[] },
  ])[] = [
    [
      'the server is killed',
      {
        break: async () => {
          const { exited } = postgres.server;
          postgres.server.signal('SIGKILL');
          await exited;
        },
        mend: () => postgres.server.restart(),
        kinds: ['unavailable'],
      },
    ],
    [
      'the server is stopped in order',
      {
        break: () => postgres.server.stop(),
        mend: () => postgres.server.restart(),
        kinds: ['unavailable'],
      },
    ],
    [
      'the server is paused',
      {
        break: () => postgres.server.signal('SIGSTOP'),
        mend: () => postgres.server.signal('SIGCONT'),
        kinds: ['deadline_exceeded', 'unavailable'],
      },
    ],
    ...(['both', 'to-server', 'to-client'] as const).map(
      (direction) =>
        [
          `the network is cut ${direction}`,
          {
            break: () => proxy.cut(direction),
            mend: () => proxy.heal(),
            kinds: ['deadline_exceeded', 'unavailable'],
          },
        ] as const,
    ),
    [
      'connections are reset',
      { break: () => proxy.reset(), mend: () => undefined, kinds: ['unavailable', 'done'] },
    ],
  ];

  test.each(faults)('%s: every caller hears of it in time, and it works again after', async (_, fault) => {
    await Promise.all([increment(), increment()]); // several connections are open
    await fault.break();
    const kinds = await Promise.all(
      [increment(), value(), db.check(), db.transaction(increment)].map(kindOf),
    );
    for (const kind of kinds) expect(fault.kinds).toContain(kind);
    await fault.mend();
    await recovers();
    expect(await value()).toBeGreaterThanOrEqual(2);
  });

  test('more callers than connections of a paused server wait no longer than they said', async () => {
    postgres.server.signal('SIGSTOP');
    const kinds = await Promise.all(Array.from({ length: 20 }, () => kindOf(increment())));
    postgres.server.signal('SIGCONT');
    for (const kind of kinds) expect(['deadline_exceeded', 'unavailable']).toContain(kind);
    await recovers();
  });

  test('closing does not wait for a paused server for ever', async () => {
    await increment();
    postgres.server.signal('SIGSTOP');
    const closing = host.close().then(() => 'closed');
    expect(await Promise.race([closing, sleep(15_000, 'late', { ref: false })])).toBe('closed');
    postgres.server.signal('SIGCONT');
  }, 30_000);

  describe('a transaction', () => {
    const breaks: readonly [string, () => unknown, () => unknown][] = [
      ['killed', () => postgres.server.signal('SIGKILL'), () => postgres.server.restart()],
      ['cut off', () => proxy.reset(), () => undefined],
      ['cut off silently', () => proxy.cut('both'), () => proxy.heal()],
    ];
    test.each(breaks)('that is %s in its middle leaves nothing', async (_, breakIt, mend) => {
      const attempt = db.transaction(async (tx) => {
        await tx.updateTable('counter').set({ value: 7 }).execute();
        breakIt();
        await tx.updateTable('counter').set({ value: 8 }).execute();
      });
      expect(['unavailable', 'deadline_exceeded']).toContain(await kindOf(attempt));
      await mend();
      await recovers();
      await expect.poll(value, { timeout: 10_000 }).toBe(0);
    });

    test.each([
      ['took effect', 'to-client', 7],
      ['did not', 'to-server', 0],
    ] as const)(
      'whose commit gets no answer says that nobody knows: it %s',
      async (_, direction, expected) => {
        const attempt = db.transaction(async (tx) => {
          await tx.updateTable('counter').set({ value: 7 }).execute();
          proxy.cut(direction);
        });
        expect(await kindOf(attempt)).toBe('outcome_unknown');
        proxy.reset();
        proxy.heal();
        await recovers();
        await expect.poll(value, { timeout: 10_000 }).toBe(expected);
      },
    );

    test('that the server refuses to commit says why, and that is known', async () => {
      await sql`create table deferred (a int unique deferrable initially deferred)`.execute(db.kysely);
      const attempt = db.transaction((tx) => sql`insert into deferred values (1), (1)`.execute(tx));
      expect(await kindOf(attempt)).toBe('unique_violation');
      await sql`drop table deferred`.execute(db.kysely);
    });
  });

  test('a statement that takes too long is ended at the server too', async () => {
    expect(await kindOf(sql`select pg_sleep(60)`.execute(db.kysely))).toBe('deadline_exceeded');
    await using setUp = postgres.host();
    const other = await setUp.forService<Schema>('faults');
    const running = async () =>
      (
        await sql<{ n: bigint }>`select count(*) as n from pg_stat_activity
          where query like 'select pg_sleep%' and state = 'active'`.execute(other.kysely)
      ).rows[0]?.n;
    await expect.poll(running, { timeout: 5000 }).toBe(0n);
  });

  test('a role that may not log in any more is unavailable, and works when it may', async () => {
    await host.close();
    const alter = async (how: string): Promise<void> => {
      const { Client } = await import('pg');
      const { admin } = postgres;
      const client = new Client({
        ...{ host: admin.host, port: admin.port, user: 'postgres', database: 'sallyport' },
        password: 'superuser-for-tests-only',
        ssl: { ca: admin.tls === 'unsafe-plaintext' ? '' : (admin.tls.caPem ?? '') },
      });
      await client.connect();
      await client.query(`alter role faults ${how}`);
      await client.end();
    };
    const open = async () => (await openPostgres(await postgres.optionsFor('faults'))).close();
    const options = await postgres.optionsFor('faults');
    await alter('nologin');
    expect(await kindOf(openPostgres(options))).toBe('unavailable');
    await alter('connection limit 0 login');
    expect(await kindOf(openPostgres(options))).toBe('unavailable');
    await alter('connection limit -1');
    await open();
  });
});
