/** Redis that forgot: nothing old is re-admitted, and the rest goes on (PROTOCOL.md "Redis failover"). */
import { systemClock } from '@sallyport/service/clock';
import { startCutProxy, type LocalServer } from '@sallyport/service/local-servers';
import { serverSuite } from '@sallyport/service/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Attachment, GuardSession, RecordClaim } from '../../src/app/ports.ts';
import { attachment, named, record, request, verdictsOf } from '../contract/replay-guard.ts';
import { MASTER_NAME, redisWorld, startCluster, type RedisWorld } from '../support/redis.ts';
import {
  isReady,
  readyGuard,
  switchProxy,
  type SharedGuard,
  type SwitchProxy,
} from '../support/shared-guards.ts';
import { until } from '../support/world.ts';

const suite = await serverSuite('redis');
const RECORD = new Uint8Array(200);

const admit = async (
  { guard }: SharedGuard,
  session: GuardSession,
  ...records: RecordClaim[]
): Promise<readonly string[]> => verdictsOf(await guard.admit(session, records));

/** The session again, by whoever gets it: what a resume does. */
async function resume(shared: SharedGuard, of: Attachment, firstSequence: number): Promise<GuardSession> {
  const found = await shared.store.find(of.sessionId);
  if (found === undefined || found === 'revoked') throw new Error('nothing to resume');
  const session = await shared.store.takeOver(of, found, { firstSequence, sealedRecord: RECORD });
  if ('refused' in session) throw new Error(session.refused);
  return session;
}

describe.skipIf(suite.skip)(suite.title('Redis failed over'), () => {
  let world: RedisWorld;
  let cleanUp: AsyncDisposableStack;
  beforeEach(async () => {
    cleanUp = new AsyncDisposableStack();
    world = cleanUp.use(await redisWorld());
  });
  afterEach(() => cleanUp.disposeAsync());

  /** A master and a replica that gets nothing from `lag()` on; the name that gateways use leads to the master. */
  async function pair(): Promise<{
    name: SwitchProxy;
    lag(): Promise<void>;
    failOver(): Promise<void>;
    replica: LocalServer;
  }> {
    const master = await world.start();
    const line = cleanUp.use(await startCutProxy({ to: { host: master.host, port: master.port } }));
    const replica = await world.start({ replicaOf: { ...world.replicaOf(master), port: line.port } });
    const name = cleanUp.use(await switchProxy(master.port));
    const info = async (): Promise<string> => world.command(replica.port, 'INFO', 'replication');
    await until(async () => (await info()).includes('master_link_status:up'), 10_000);
    const offset = async (port: number): Promise<string | undefined> =>
      /master_repl_offset:(\d+)/u.exec(await world.command(port, 'INFO', 'replication'))?.[1];
    return {
      name,
      replica,
      async lag() {
        await until(async () => (await offset(master.port)) === (await offset(replica.port)));
        line.cut('both');
      },
      async failOver() {
        master.signal('SIGKILL');
        await master.exited;
        await world.command(replica.port, 'REPLICAOF', 'NO', 'ONE');
        name.to(replica.port);
      },
    };
  }

  test('to a replica that lagged: what it lost is never admitted again, known claims stay, lost ones are unknown', async () => {
    const { name, lag, failOver } = await pair();
    const shared = cleanUp.use(await readyGuard(world.target(name.port)));
    const opened = attachment(systemClock());
    const session = await shared.guard.attach(opened);
    await shared.store.save(session, RECORD);
    const sentAtMs = Date.now();
    const frames = [1, 2, 3, 4, 5, 6].map((seq) => [record(seq, request(`c${seq}`))]);
    for (const frame of frames.slice(0, 3)) expect(await admit(shared, session, ...frame)).toEqual(['new']);
    await shared.guard.conclude(session, [{ correlation: named('c1'), state: 'done', response: RECORD }]);
    await lag();
    for (const frame of frames.slice(3)) expect(await admit(shared, session, ...frame)).toEqual(['new']);
    await shared.guard.conclude(session, [{ correlation: named('c2'), state: 'done', response: RECORD }]);
    await failOver();
    await until(() => isReady(shared), 10_000);

    for (const frame of frames) expect(await admit(shared, session, ...frame)).toEqual(['epoch_required']);
    expect(await admit(shared, session, record(7))).toEqual(['epoch_required']);

    const resumed = await resume(shared, opened, 7);
    for (const frame of frames) expect((await admit(shared, resumed, ...frame))[0]).not.toBe('new');
    const again = (seq: number, of: string): Promise<readonly string[]> =>
      admit(shared, resumed, record(seq, request(of, of, sentAtMs)));
    expect(await again(7, 'c1')).toEqual(['done']);
    expect(await shared.guard.response(resumed, named('c1'))).toEqual(RECORD);
    // Its end was lost with the old server; that it began was not.
    expect(await again(8, 'c2')).toEqual(['unknown']);
    expect(await again(9, 'c3')).toEqual(['unknown']);
    for (const [index, lost] of ['c4', 'c5', 'c6'].entries())
      expect(await again(10 + index, lost)).toEqual(['unknown']);
    expect(await admit(shared, resumed, record(13, request('c7')))).toEqual(['new']);
  });

  test('to a replica that lost nothing of the session: its epoch ends all the same', async () => {
    const { name, lag, failOver } = await pair();
    const shared = cleanUp.use(await readyGuard(world.target(name.port)));
    const session = await shared.guard.attach(attachment(systemClock()));
    await admit(shared, session, record(1));
    await lag();
    await failOver();
    await until(() => isReady(shared), 10_000);
    expect(await admit(shared, session, record(2))).toEqual(['epoch_required']);
  });

  test('a gateway that had the session before cannot come back by a failover that forgot its successor', async () => {
    const { name, lag, failOver } = await pair();
    const target = world.target(name.port);
    const [before, after] = [cleanUp.use(await readyGuard(target)), cleanUp.use(await readyGuard(target))];
    const opened = attachment(systemClock());
    const first = await before.guard.attach(opened);
    await before.store.save(first, RECORD);
    expect(await admit(before, first, record(1))).toEqual(['new']);
    const captured = record(2, request('c2'));
    await lag();
    const second = await resume(after, opened, 3);
    expect(await admit(after, second, record(3, request('c2')))).toEqual(['new']);
    await failOver();
    await until(async () => (await isReady(before)) && (await isReady(after)), 10_000);
    expect(await admit(before, first, captured)).toEqual(['epoch_required']);
    expect(await admit(after, second, record(4))).toEqual(['epoch_required']);
  });

  test('by Sentinel, in mid-traffic: refused for a while, then by the new master, nothing twice', async () => {
    const master = await world.start();
    const replica = await world.start({ replicaOf: world.replicaOf(master) });
    await until(
      async () =>
        (await world.command(replica.port, 'INFO', 'replication')).includes('master_link_status:up'),
      10_000,
    );
    const sentinel = await world.sentinel(master, 1);
    const shared = cleanUp.use(
      await readyGuard(world.target(sentinel.port, { kind: 'sentinel', name: MASTER_NAME })),
    );
    // The sentinel learns of the replica from the master, at most every 10 s.
    await until(async () => (await world.sentinelReplicas(sentinel.port)) > 0, 15_000);
    const session = await shared.guard.attach(attachment(systemClock()));
    const admitted: RecordClaim[][] = [];
    const refusals: string[] = [];
    master.signal('SIGKILL');
    await until(async () => {
      const frame = [record(admitted.length + 1, request(`c${admitted.length}`))];
      const verdict = await shared.guard.admit(session, frame).catch(() => undefined);
      if (verdict?.kind === 'admitted') admitted.push(frame);
      if (verdict?.kind === 'refused') refusals.push(verdict.cause);
      return verdict?.kind === 'refused';
    }, 15_000);
    expect(['epoch_required', 'session_unknown']).toContain(refusals[0]);
    for (const frame of admitted) expect((await admit(shared, session, ...frame))[0]).toBe(refusals[0]);
    expect(await isReady(shared)).toBe(true);
    const next = await shared.guard.attach(attachment(systemClock()));
    expect(await admit(shared, next, record(1))).toEqual(['new']);
  }, 60_000);

  test('one master of a cluster down: its sessions are refused, the others go on, and it comes back', async () => {
    const servers = await startCluster(world);
    const shared = cleanUp.use(
      await readyGuard(
        world.target(0, {
          kind: 'cluster',
          nodes: servers.map(({ port }) => ({ host: '127.0.0.1', port })),
        }),
      ),
    );
    const sessions: { session: GuardSession; port: number }[] = [];
    while (new Set(sessions.map(({ port }) => port)).size < 3) {
      const opened = attachment(systemClock());
      const session = await shared.guard.attach(opened);
      const held = await Promise.all(
        servers.map(
          async ({ port }) =>
            [port, await world.command(port, 'EXISTS', `{${opened.sessionId}}:s`).catch(() => '')] as const,
        ),
      );
      const port = held.find(([, answer]) => answer === ':1')?.[0];
      if (port !== undefined) sessions.push({ session, port });
    }
    const [down] = servers;
    if (down === undefined) throw new Error('no servers');
    for (const { session } of sessions) expect(await admit(shared, session, record(1))).toEqual(['new']);
    await world.commandAll(servers, 'CONFIG', 'SET', 'cluster-require-full-coverage', 'no');
    down.signal('SIGSTOP');
    const ends = await Promise.allSettled(sessions.map(({ session }) => admit(shared, session, record(2))));
    for (const [index, { port }] of sessions.entries())
      expect(ends[index]?.status).toBe(port === down.port ? 'rejected' : 'fulfilled');
    expect(await isReady(shared)).toBe(false);
    down.signal('SIGCONT');
    await until(() => isReady(shared), 15_000);
    for (const { session } of sessions) expect(await admit(shared, session, record(3))).toEqual(['new']);
  }, 60_000);
});

describe.skipIf(suite.skip)(suite.title('several gateways on one Redis'), () => {
  let world: RedisWorld;
  let cleanUp: AsyncDisposableStack;
  let server: LocalServer;
  beforeEach(async () => {
    cleanUp = new AsyncDisposableStack();
    world = cleanUp.use(await redisWorld());
    server = await world.start();
  });
  afterEach(() => cleanUp.disposeAsync());

  /** A claim under one gateway, and the session at another. */
  async function handedOver(): Promise<{
    first: SharedGuard;
    claimed: GuardSession;
    second: SharedGuard;
    session: GuardSession;
  }> {
    const [first, second] = [
      await readyGuard(world.target(server.port)),
      cleanUp.use(await readyGuard(world.target(server.port))),
    ];
    const opened = attachment(systemClock());
    const claimed = await first.guard.attach(opened);
    await first.store.save(claimed, RECORD);
    expect(await admit(first, claimed, record(1, request('c1')), record(2, request('c2')))).toEqual([
      'new',
      'new',
    ]);
    return { first, claimed, second, session: await resume(second, opened, 3) };
  }
  const repeatable = (name: string) => {
    const claim = request(name, name, Date.now());
    return { request: { ...claim.request, isRepeatable: true } };
  };

  test('what runs at a gateway that lives is running, and done once that says so', async () => {
    const { first, claimed, second, session } = await handedOver();
    cleanUp.use(first);
    expect(await admit(second, session, record(3, request('c1')), record(4, repeatable('c2')))).toEqual([
      'running',
      'running',
    ]);
    await first.guard.conclude(claimed, [{ correlation: named('c1'), state: 'done', response: RECORD }]);
    expect(await admit(second, session, record(5, request('c1')))).toEqual(['done']);
    expect(await second.guard.response(session, named('c1'))).toEqual(RECORD);
    expect(await admit(first, claimed, record(6))).toEqual(['superseded']);
  });

  test('what ran at a gateway that died is unknown, or runs again where the route is idempotent, once', async () => {
    const { first, second, session } = await handedOver();
    await first[Symbol.asyncDispose]();
    expect(await admit(second, session, record(3, request('c1')))).toEqual(['unknown']);
    const resends = [4, 5, 6].map((seq) => admit(second, session, record(seq, repeatable('c2'))));
    expect((await Promise.all(resends)).flat().sort()).toEqual(['running', 'running', 'taken_over']);
  });

  test('a gateway that can no longer reach Redis counts as dead within 6 s', async () => {
    const line = cleanUp.use(await startCutProxy({ to: { host: server.host, port: server.port } }));
    const first = cleanUp.use(await readyGuard(world.target(line.port)));
    const second = cleanUp.use(await readyGuard(world.target(server.port)));
    const opened = attachment(systemClock());
    const claimed = await first.guard.attach(opened);
    await first.store.save(claimed, RECORD);
    await admit(first, claimed, record(1, request('c1')));
    line.cut('both');
    const session = await resume(second, opened, 2);
    let seq = 2;
    const again = (): Promise<readonly string[]> => admit(second, session, record((seq += 1), request('c1')));
    expect(await again()).toEqual(['running']);
    await until(async () => (await again())[0] === 'unknown', 8_000);
  }, 20_000);

  test('of several that take a session on, exactly one gets it', async () => {
    const guards = [];
    for (let count = 0; count < 4; count += 1)
      guards.push(cleanUp.use(await readyGuard(world.target(server.port))));
    const opened = attachment(systemClock());
    const [first] = guards;
    if (first === undefined) throw new Error('no guards');
    const own = await first.guard.attach(opened);
    await first.store.save(own, RECORD);
    const found = await first.store.find(opened.sessionId);
    if (found === undefined || found === 'revoked') throw new Error('nothing to resume');
    const ends = await Promise.all(
      guards.map(({ store }) => store.takeOver(opened, found, { firstSequence: 1, sealedRecord: RECORD })),
    );
    expect(ends.map((end) => ('refused' in end ? end.refused : 'attached')).sort()).toEqual([
      'attached',
      'superseded',
      'superseded',
      'superseded',
    ]);
  });

  test('revoked at one: refused at all, and not to be resumed', async () => {
    const { first, second, session, claimed } = await handedOver();
    cleanUp.use(first);
    await first.guard.revoke(session.sessionId);
    expect(await admit(second, session, record(3))).toEqual(['revoked']);
    expect(await admit(first, claimed, record(3))).toEqual(['revoked']);
    expect(await second.store.find(session.sessionId)).toBe('revoked');
  });

  test('answers lie sealed in Redis, and open for nobody else', async () => {
    const { first, claimed, second, session } = await handedOver();
    cleanUp.use(first);
    const secret = 'the answer is forty-two';
    await first.guard.conclude(claimed, [
      { correlation: named('c1'), state: 'done', response: new TextEncoder().encode(secret) },
    ]);
    expect(await world.command(server.port, 'HGETALL', `{${session.sessionId}}:r`)).not.toContain('forty');
    expect(new TextDecoder().decode(await second.guard.response(session, named('c1')))).toBe(secret);
    const stranger = cleanUp.use(await readyGuard(world.target(server.port)));
    const other = await stranger.guard.attach({ ...attachment(systemClock()), sessionId: session.sessionId });
    expect(await stranger.guard.response(other, named('c1'))).toBeUndefined();
  });
});
