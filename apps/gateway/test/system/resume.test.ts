/** A session that outlives its connection and its gateway: two gateways, one Redis, clients that keep no rules. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from '@sallyport/client';
import { controlMessage, FRAME_TYPE, type OutgoingMessage } from '@sallyport/channel';
import { toHex } from '@sallyport/crypto';
import { startCutProxy, type CutProxy, type LocalServer } from '@sallyport/service/local-servers';
import { serverSuite } from '@sallyport/service/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { redisReplayGuard, type ComposedGateway } from '../../src/compose.ts';
import type { RawCarrier } from '../support/raw-client.ts';
import { redisWorld, type RedisWorld } from '../support/redis.ts';
import {
  createWorld,
  request,
  TRUST_DOMAIN,
  until,
  type Answer,
  type RawSession,
  type World,
} from '../support/world.ts';

const suite = await serverSuite('redis');

type Upstream = AsyncDisposable & {
  readonly url: string;
  /** Idempotency keys, in order. */
  readonly keys: string[];
  readonly open: ServerResponse[];
  isHolding: boolean;
};

async function startUpstream(): Promise<Upstream> {
  const state = { keys: [] as string[], open: [] as ServerResponse[], isHolding: false };
  const server = createServer((incoming, response) => {
    state.keys.push(String(incoming.headers['idempotency-key']));
    incoming
      .resume()
      .on('end', () => (state.isHolding ? void state.open.push(response) : response.end('done')));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(state, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}

describe.skipIf(suite.skip)(suite.title('resume'), () => {
  let redis: RedisWorld;
  let server: LocalServer;
  let cleanUp: AsyncDisposableStack;
  let upstream: Upstream;
  let world: World;
  /** The first gateway's line to Redis. */
  let line: CutProxy;
  let other: ComposedGateway;

  beforeAll(async () => {
    redis = await redisWorld();
    server = await redis.start();
  }, 60_000);
  afterAll(() => redis[Symbol.asyncDispose]());
  beforeEach(async () => {
    cleanUp = new AsyncDisposableStack();
    upstream = cleanUp.use(await startUpstream());
    line = cleanUp.use(await startCutProxy({ to: { host: server.host, port: server.port } }));
    const http = { kind: 'http' as const, url: upstream.url, timeoutMs: 5_000, maxResponseBytes: 65_536 };
    world = cleanUp.use(
      await createWorld({
        routes: { echo: { kind: 'echo' }, orders: { ...http, isIdempotent: true }, payments: http },
        guard: redisReplayGuard(redis.target(line.port)),
        overrides: { attachmentCheckMs: 200 },
      }),
    );
    other = await world.replica(redisReplayGuard(redis.target(server.port)));
  });
  afterEach(async () => {
    line.heal();
    await cleanUp.disposeAsync();
  });

  /** The other gateway, stopped before, starts again and ships what waits in its spool. */
  async function comesBack(stopped: Promise<void> | undefined): Promise<void> {
    await stopped;
    other = await world.replica(redisReplayGuard(redis.target(server.port)), 2);
  }
  const isWorking = async ({ readiness }: ComposedGateway): Promise<boolean> =>
    (await Promise.allSettled([readiness['guard']?.()])).every(({ status }) => status === 'fulfilled');
  const rowsOf = (id: string) => world.records().filter(({ sessionId }) => sessionId === id);
  const carrierTo = async (to?: ComposedGateway): Promise<RawCarrier> => cleanUp.use(await world.carrier(to));
  const again = (message: OutgoingMessage, firstSentAtMs: number): OutgoingMessage => ({
    ...message,
    firstSentAtMs,
  });
  /** The answer to this message, whatever else comes. */
  async function answerTo(
    session: RawSession,
    message: OutgoingMessage,
    heard: readonly Answer[] = [],
  ): Promise<Answer> {
    for (let answers = heard; ; answers = await session.answers()) {
      const found = answers.find(({ correlation }) => correlation === toHex(message.correlation));
      if (found !== undefined) return found;
    }
  }

  test('after its connection is lost: on the other gateway, and on the first again', async () => {
    const first = await world.carrier();
    const session = await world.session(first);
    await session.ping();
    await first[Symbol.asyncDispose]();
    const resumed = await session.resume(await carrierTo(other));
    await resumed.attach();
    await resumed.ping();
    const back = await resumed.resume(await carrierTo());
    await back.attach();
    await back.ping();
    expect(back.channel.epoch).toBe(2);
    expect(world.services.calls.filter((call) => /^(close|destroy)/u.test(call))).toEqual([]);
    await until(() => rowsOf(session.id).filter(({ action }) => action === 'session.resume').length === 2);
    await until(() => rowsOf(session.id).filter(({ phase }) => phase === 'outcome').length === 3);
  });

  test('what was answered before is answered the same, and done once', async () => {
    const session = await world.session(await carrierTo());
    const [sentAtMs, message] = [Date.now(), request('orders', '{}')];
    const carrier = await carrierTo();
    const own = await world.session(carrier, 'bob');
    carrier.send(own.seal(message));
    expect(await answerTo(own, message)).toMatchObject({ kind: 'response', text: 'done' });
    const resumed = await own.resume(await carrierTo(other));
    const heard = await resumed.attach(again(message, sentAtMs));
    expect(await answerTo(resumed, message, heard)).toMatchObject({ kind: 'response', text: 'done' });
    expect(upstream.keys).toHaveLength(1);
    expect(session.channel.epoch).toBe(0);
  });

  test('what runs at a gateway that lives is running, then answered from there', async () => {
    upstream.isHolding = true;
    const carrier = await world.carrier();
    const session = await world.session(carrier);
    const [sentAtMs, message] = [Date.now(), request('orders', '{}')];
    carrier.send(session.seal(message));
    await until(() => upstream.open.length === 1);
    await carrier[Symbol.asyncDispose]();
    const next = await carrierTo(other);
    const resumed = await session.resume(next);
    const heard = await resumed.attach(again(message, sentAtMs));
    expect(await answerTo(resumed, message, heard)).toMatchObject({ kind: 'refusal', text: 'running' });
    upstream.open[0]?.end('made');
    let answer: Answer | undefined;
    await until(async () => {
      next.send(resumed.seal(again(message, sentAtMs)));
      answer = await answerTo(resumed, message);
      return answer.kind === 'response';
    });
    expect(answer).toMatchObject({ text: 'made' });
    expect(upstream.keys).toHaveLength(1);
    await until(() =>
      rowsOf(session.id).some(({ phase, outcome }) => phase === 'outcome' && outcome === 'success'),
    );
  });

  test('what ran at a gateway that is gone is unknown, or runs again under the same key where that is safe', async () => {
    upstream.isHolding = true;
    const carrier = await world.carrier();
    const session = await world.session(carrier);
    const sentAtMs = Date.now();
    const [order, payment] = [request('orders', '{}'), request('payments', '{}')];
    carrier.send(session.seal(order, payment));
    await until(() => upstream.open.length === 2);
    line.cut('both');
    await carrier[Symbol.asyncDispose]();
    upstream.isHolding = false;
    await delay(5_500);
    const resumed = await session.resume(await carrierTo(other));
    const heard = await resumed.attach(again(payment, sentAtMs));
    expect(await answerTo(resumed, payment, heard)).toMatchObject({
      kind: 'refusal',
      text: 'outcome_unknown',
    });
    const next = await resumed.resume(await carrierTo(other));
    const later = await next.attach(again(order, sentAtMs));
    expect(await answerTo(next, order, later)).toMatchObject({ kind: 'response', text: 'done' });
    const key = (message: OutgoingMessage): string => `${session.id}-${toHex(message.correlation)}`;
    expect([...upstream.keys].sort()).toEqual([key(order), key(order), key(payment)].sort());
  }, 20_000);

  test('the gateway that had it admits nothing more, and says superseded', async () => {
    const old = await carrierTo();
    const session = await world.session(old);
    await session.ping();
    const late = session.seal(request('orders', '{}'));
    const resumed = await session.resume(await carrierTo(other));
    await resumed.attach();
    old.send(late);
    await until(async () => (await world.metric('frames_rejected_total', { cause: 'superseded' })) === 1);
    await resumed.ping();
    expect(upstream.keys).toEqual([]);
  });

  test('the gateway that had it hears of it, although nothing more comes', async () => {
    const old = await carrierTo();
    const session = await world.session(old);
    await session.ping();
    const resumed = await session.resume(await carrierTo(other));
    await resumed.attach();
    await old.nextFor(session.channel.sid);
    await until(async () => (await world.metric('sessions')) === 0);
    await resumed.ping();
  });

  test('a ResumeHello without its first frame, also a recorded one, changes nothing', async () => {
    const carrier = await carrierTo();
    const session = await world.session(carrier);
    const attempt = await carrierTo(other);
    const recorded: Uint8Array[] = [];
    const spy = { ...attempt, send: (frame: Uint8Array) => (recorded.push(frame), attempt.send(frame)) };
    const resumed = await session.resume(spy);
    for (let time = 0; time < 3; time += 1) {
      attempt.send(recorded[0] ?? new Uint8Array());
      await attempt.next(FRAME_TYPE.resumeAnswer);
    }
    // The answer that the client took up has been replaced by later ones.
    await expect(resumed.attach()).rejects.toThrow('invalid_message');
    const once = await resumed.resume(await carrierTo(other));
    await once.attach();
    await once.ping();
    const resumes = () => rowsOf(session.id).filter(({ action }) => action === 'session.resume');
    await until(() => resumes().length > 0); // in the spool before it is answered; its way here may take a moment
    expect(resumes()).toHaveLength(1);
  });

  test('of two that resume at once, one gets it', async () => {
    const session = await world.session(await carrierTo());
    const one = await session.resume(await carrierTo());
    const two = await session.resume(await carrierTo(other));
    const ends = await Promise.allSettled([one.attach(), two.attach()]);
    expect(ends.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    await (ends[0]?.status === 'fulfilled' ? one : two).ping();
  });

  test('resumed at the same gateway while its old connection still stands: the old one ends', async () => {
    const old = await carrierTo();
    const session = await world.session(old);
    const resumed = await session.resume(await carrierTo());
    await resumed.attach();
    await resumed.ping();
    await old.nextFor(session.channel.sid);
    expect(world.services.calls.filter((call) => /^(close|destroy)/u.test(call))).toEqual([]);
  });

  test.each([
    {
      what: 'revoked',
      begin: (id: string) => redis.command(server.port, 'HSET', `{${id}}:s`, 'rv', '1'),
      alert: 'unknown_session',
    },
    {
      what: 'whose record is gone',
      begin: (id: string) => redis.command(server.port, 'DEL', `{${id}}:rec`),
      alert: 'unknown_session',
    },
    {
      what: 'whose record was put there by others',
      begin: (id: string) => redis.command(server.port, 'SETRANGE', `{${id}}:rec`, '90', 'xxxx'),
      alert: 'unknown_session',
    },
    {
      what: 'while key-service is away',
      begin: () => world.services.broken.add('session_key'),
      alert: 'busy',
    },
  ])('a session $what is not resumed: $alert', async ({ begin, alert }) => {
    const session = await world.session(await carrierTo());
    await begin(session.id);
    await expect(session.resume(await carrierTo(other))).rejects.toThrow(alert);
  });

  test('a session that was revoked while nobody had it stays so, whatever Redis forgets of it', async () => {
    const carrier = await carrierTo();
    const session = await world.session(carrier);
    await carrier[Symbol.asyncDispose]();
    const mark = [`{${session.id}}:s`, 'rv'] as const;
    await until(async () => (await world.metric('sessions', {})) === 0);
    world.services.revoked.push(session.id);
    await until(async () => (await redis.command(server.port, 'HEXISTS', ...mark)) === ':1');
    await delay(1_500); // the other one has heard of it too
    await redis.command(server.port, 'HDEL', ...mark);
    await expect(session.resume(await carrierTo(other))).rejects.toThrow('unknown_session');
  });

  test('while policy cannot be judged nothing is resumed, retryably: the session is not over for that', async () => {
    const config = { policy: { maxAgeMs: 1_000 } };
    await using own = await createWorld({ config, guard: redisReplayGuard(redis.target(server.port)) });
    await until(async () => (await own.readiness.report()).ready, 10_000);
    const carrier = await own.carrier();
    const session = await own.session(carrier);
    await carrier[Symbol.asyncDispose]();
    own.services.broken.add('policy');
    await until(async () => !(await own.readiness.report()).ready, 10_000);
    await using meanwhile = await own.carrier();
    await expect(session.resume(meanwhile)).rejects.toThrow('busy');
    own.services.broken.delete('policy');
    await until(async () => (await own.readiness.report()).ready, 10_000);
    await using next = await own.carrier();
    await (await session.resume(next)).attach();
  });

  test('while Redis is away nothing is resumed, retryably', async () => {
    const session = await world.session(await carrierTo(other));
    line.cut('both');
    await expect(session.resume(await carrierTo())).rejects.toThrow('busy');
    line.heal();
    await until(async () => (await world.readiness.report()).ready, 10_000);
    const resumed = await session.resume(await carrierTo());
    await resumed.attach();
    await resumed.ping();
  });

  test('a session that its client closed is over everywhere', async () => {
    const carrier = await carrierTo();
    const session = await world.session(carrier);
    carrier.send(
      session.seal(controlMessage({ kind: 'close', code: 'unavailable', retryAfterMs: 0, detail: '' })),
    );
    await until(() => world.services.calls.includes(`destroy ${session.id}`));
    await expect(session.resume(await carrierTo(other))).rejects.toThrow('unknown_session');
  });

  test('a gateway that stops leaves its sessions to the others', async () => {
    const session = await world.session(await carrierTo(other));
    await session.ping();
    await other[Symbol.asyncDispose]();
    expect((await session.answers())[0]).toMatchObject({ kind: 'control' });
    const resumed = await session.resume(await carrierTo());
    await resumed.attach();
    await resumed.ping();
    expect(world.services.calls.filter((call) => /^(close|destroy)/u.test(call))).toEqual([]);
  });

  test('Redis restarted empty: the session ends with epoch_required, and a new one works', async () => {
    const carrier = await carrierTo();
    const session = await world.session(carrier);
    await session.ping();
    const recorded = session.seal(request('orders', '{}'));
    carrier.send(recorded);
    await session.answers();
    await server.restart({ empty: true });
    await until(async () => (await world.readiness.report()).ready, 10_000);
    await until(() => isWorking(other), 10_000);
    carrier.send(session.seal(request('orders', '{}')));
    await until(
      async () => (await world.metric('frames_rejected_total', { cause: 'session_unknown' })) === 1,
    );
    carrier.send(recorded);
    await until(async () => (await world.metric('frames_rejected_total', { cause: 'session_ended' })) === 1);
    expect(upstream.keys).toHaveLength(1);
    await expect(session.resume(await carrierTo(other))).rejects.toThrow('unknown_session');
    await (await world.session(await carrierTo())).ping();
  });

  test('the client library under load: a gateway stops, its line to Redis breaks, and nothing is done twice', async () => {
    const identity = await world.credential('alice');
    const channel = await connect({
      addresses: [other.port, world.gateway.port].map((port) => `localhost:${port}`),
      trust: { caPem: world.caPem, trustDomain: TRUST_DOMAIN },
      credential: { kind: 'certificate', certPem: identity.certPem, key: identity.key },
    });
    const total = 600;
    const answers: Promise<string>[] = [];
    let stopped: Promise<void> | undefined;
    for (let index = 0; index < total; index += 1) {
      if (index === 200) stopped = Promise.resolve(other[Symbol.asyncDispose]());
      if (index === 400) {
        // However slow the machine is: half of them are done, and the rest is on its way when the line breaks.
        await Promise.all(answers.slice(0, total / 2));
        line.reset();
      }
      const body = new TextEncoder().encode(`{"n":${index}}`);
      answers.push(
        channel.request('orders', body, { timeoutMs: 20_000 }).then(
          (response) => new TextDecoder().decode(response.body),
          (error: unknown) => String(error),
        ),
      );
      if (index % 10 === 0) await delay(5);
    }
    const ends = new Map<string, number>();
    for (const answer of await Promise.all(answers)) ends.set(answer, (ends.get(answer) ?? 0) + 1);
    await channel.close();
    await comesBack(stopped);
    const done = ends.get('done') ?? 0;
    ends.delete('done');
    // Where Redis could not be asked the caller hears so, and nothing was done.
    for (const end of ends.keys()) expect(end).toContain('the replay guard cannot be asked');
    expect(done).toBeGreaterThanOrEqual(total / 2);
    expect(new Set(upstream.keys).size).toBe(upstream.keys.length);
    expect(upstream.keys).toHaveLength(done);
    const successes = () =>
      world.records().filter(({ phase, outcome }) => phase === 'outcome' && outcome === 'success');
    await until(() => successes().length >= done);
    expect(successes()).toHaveLength(done);
  }, 60_000);

  test('under load, moved to and fro and at last away from a gateway that stops: each done once and recorded', async () => {
    const total = 400;
    const messages = Array.from({ length: total }, (_, index) => ({
      message: request('orders', `{"n":${index}}`),
      sentAtMs: 0,
      answer: undefined as Answer | undefined,
    }));
    let carrier = await world.carrier();
    let session: RawSession = await world.session(carrier);
    let [next, moves] = [0, 0];
    const open = () => messages.slice(0, next).filter(({ answer }) => answer === undefined);
    const take = (answers: readonly Answer[]): void => {
      for (const { correlation, kind, text } of answers) {
        const entry = messages.find(({ message }) => toHex(message.correlation) === correlation);
        if (
          entry === undefined ||
          (kind === 'refusal' && ['running', 'duplicate', 'unavailable'].includes(text))
        )
          continue;
        entry.answer ??= { correlation, kind, text };
      }
    };
    let stopped: Promise<void> | undefined;
    while (next < total || open().length > 0) {
      const batch = messages.slice(next, next + 8);
      next += batch.length;
      for (const entry of batch) entry.sentAtMs = Date.now();
      const resends =
        batch.length === 0 ? open().map(({ message, sentAtMs }) => again(message, sentAtMs)) : [];
      const frame = [...batch.map(({ message }) => message), ...resends].slice(0, 100);
      carrier.send(session.seal(...frame));
      const isMove = next % 40 === 0 && next < total;
      if (!isMove) {
        take(await session.answers().catch(() => []));
        continue;
      }
      moves += 1;
      await carrier[Symbol.asyncDispose]();
      if (next >= 320) stopped ??= Promise.resolve(other[Symbol.asyncDispose]());
      carrier = await world.carrier(moves % 2 === 1 && stopped === undefined ? other : undefined);
      const resumed = await session.resume(carrier);
      session = resumed;
      take(await resumed.attach(...open().map(({ message, sentAtMs }) => again(message, sentAtMs))));
    }
    await carrier[Symbol.asyncDispose]();
    await comesBack(stopped);
    const ends = new Map<string, number>();
    for (const { answer } of messages) ends.set(answer?.text ?? '', (ends.get(answer?.text ?? '') ?? 0) + 1);
    expect(Object.fromEntries(ends)).toEqual({ done: total });
    expect(moves).toBeGreaterThan(5);
    expect(new Set(upstream.keys).size).toBe(total);
    expect(upstream.keys).toHaveLength(total);
    // Others are of messages that a moved session did not forward: they came again.
    const outcomesOf = () =>
      rowsOf(session.id).filter(({ phase, outcome }) => phase === 'outcome' && outcome === 'success');
    await until(() => outcomesOf().length >= total);
    const outcomes = outcomesOf();
    expect(outcomes).toHaveLength(total);
    expect(new Set(outcomes.map(({ correlation }) => correlation)).size).toBe(total);
  }, 60_000);
});
