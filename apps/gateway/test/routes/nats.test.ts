/** The route over NATS against a real server: what arrives, and what is certain when nothing comes back. */
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect, headers, type Msg, type NatsConnection } from '@nats-io/transport-node';
import { memoryLog, serverFolders, serverSuite, type ServerFolders } from '@sallyport/service/testing';
import { startNats, type LocalServer } from '@sallyport/service/local-servers';
import { natsRoutePermissions } from '@sallyport/service/nats';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { RemoteRoute } from '../../src/routes/attempts.ts';
import type { NatsRouteConfig } from '../../src/routes/config.ts';
import { natsRoute } from '../../src/routes/nats.ts';
import { natsConnections } from '../../src/routes/nats-connections.ts';
import { messageTo, testPorts } from '../support/routes.ts';

const suite = await serverSuite('nats');
const SUBJECT = 'orders.in';
const routePassword = randomBytes(18).toString('base64url');
const upstreamPassword = randomBytes(18).toString('base64url');

let folders: ServerFolders;
let server: LocalServer;
let passwordFile: string;
let upstream: NatsConnection;
const cleanups: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  if (suite.skip) return;
  folders = await serverFolders();
  server = await startNats({
    folder: join(await folders.folder(), 'server'),
    tls: folders.tls,
    users: [
      {
        name: 'routes',
        password: routePassword,
        ...natsRoutePermissions('routes', [SUBJECT, 'nobody.there']),
      },
      { name: 'upstream', password: upstreamPassword, publish: ['>'], subscribe: ['>'] },
    ],
    jetStream: { maxFileBytes: 16 * 1024 * 1024 },
  });
  passwordFile = join(await folders.folder(), 'routes.password');
  await writeFile(passwordFile, `${routePassword}\n`, { mode: 0o600 });
  upstream = await connectUpstream();
}, 30_000);

afterAll(async () => {
  if (suite.skip) return;
  await upstream.close();
  await server.stop();
  await folders[Symbol.asyncDispose]();
});

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const connectUpstream = (): Promise<NatsConnection> =>
  connect({
    servers: [`127.0.0.1:${server.port}`],
    user: 'upstream',
    pass: upstreamPassword,
    tls: { ca: folders.tls.caPem },
  });

/** Answers on the subject with what `answer` makes of a message; undefined = not at all. */
async function responder(answer: (message: Msg) => Uint8Array | undefined): Promise<Msg[]> {
  const seen: Msg[] = [];
  const subscription = upstream.subscribe(SUBJECT, {
    callback: (error, message) => {
      if (error !== null) throw error;
      seen.push(message);
      const body = answer(message);
      if (body !== undefined) message.respond(body);
    },
  });
  await upstream.flush();
  cleanups.push(async () => {
    subscription.unsubscribe();
    await upstream.flush().catch(() => undefined);
  });
  return seen;
}

function routeTo(
  config: Partial<NatsRouteConfig> = {},
  password = passwordFile,
  monotonic = (): number => performance.now(),
): RemoteRoute {
  const connections = natsConnections(memoryLog(), monotonic);
  cleanups.push(async () => connections[Symbol.asyncDispose]());
  const given: NatsRouteConfig = {
    kind: 'nats',
    subject: SUBJECT,
    timeoutMs: 2_000,
    maxResponseBytes: 1024,
    nats: {
      servers: [`127.0.0.1:${server.port}`],
      user: 'routes',
      passwordFile: password,
      caFile: folders.tls.caFile,
    },
    ...config,
  };
  return natsRoute(given, connections.to(given.nats), testPorts());
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe.skipIf(suite.skip)(suite.title('the route over NATS'), () => {
  test('brings the body, who sent it and where it is recorded, and takes the reply back', async () => {
    const seen = await responder((message) => {
      const answered = headers();
      answered.set('Content-Type', 'text/plain');
      message.respond(bytes('made'), { headers: answered });
      return undefined;
    });
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const result = await routeTo().send(messageTo({ traceparent }));
    expect(result).toMatchObject({ kind: 'response', status: 'ok', contentType: 'text/plain' });
    expect(result.kind === 'response' && new TextDecoder().decode(result.body)).toBe('made');
    expect(seen).toHaveLength(1);
    expect(seen[0]?.string()).toBe('{"n":1}');
    const told = Object.fromEntries(
      (seen[0]?.headers?.keys() ?? []).map((name) => [name, seen[0]?.headers?.get(name)]),
    );
    expect(told).toEqual({
      'Content-Type': 'application/json',
      'Sallyport-Principal': 'user:alice',
      'Sallyport-Tenant': 'default',
      'Sallyport-Destination': 'orders',
      'Sallyport-Session': 'aa',
      'Sallyport-Correlation': 'bb',
      'Sallyport-Sequence': '7',
      'Sallyport-Message-Digest': 'cc',
      'Sallyport-Policy-Revision': '3',
      'Sallyport-Idempotency-Key': 'aa-bb',
      traceparent,
    });
  });

  test.each([
    ['a destination', { destination: 'a\r\nX-Evil: 1' }],
    ['a principal', { principal: 'user:a\r\nX-Evil: 1' }],
    ['a content type', { contentType: 'text/plain\r\nX-Evil: 1' }],
    ['a trace', { traceparent: '00\r\nX-Evil: 1' }],
  ])('%s cannot smuggle a header', async (_, part) => {
    const seen = await responder(() => bytes('ok'));
    expect(await routeTo().send(messageTo(part))).toMatchObject({ kind: 'response' });
    expect(seen[0]?.headers?.keys().some((name) => /evil/iu.test(name))).toBe(false);
  });

  test('nobody who listens: certainly without effect, tried again for a route of any kind', async () => {
    const ports = testPorts();
    const connections = natsConnections(memoryLog(), ports.monotonic);
    cleanups.push(async () => connections[Symbol.asyncDispose]());
    const nats = {
      ...{ servers: [`127.0.0.1:${server.port}`], user: 'routes' },
      ...{ passwordFile, caFile: folders.tls.caFile },
    };
    const limits = { timeoutMs: 2_000, maxResponseBytes: 1 };
    const config: NatsRouteConfig = { kind: 'nats', subject: 'nobody.there', ...limits, nats };
    const route = natsRoute(config, connections.to(nats), ports);
    expect(await route.send(messageTo())).toMatchObject({
      ...{ kind: 'failure', reason: 'upstream_failed', status: 'not_sent', isWithoutEffect: true },
    });
    expect(ports.counted).toEqual(['repeated', 'repeated']);
  });

  test.each([
    { isIdempotent: false, most: 1 },
    { isIdempotent: true, most: 1 },
  ])(
    'nobody who answers: unknown, asked $most times (idempotent: $isIdempotent)',
    async ({ isIdempotent, most }) => {
      const seen = await responder(() => undefined);
      const result = await routeTo({ timeoutMs: 200, isIdempotent }).send(messageTo());
      expect(result).toMatchObject({ reason: 'upstream_timeout', status: 'timeout', isWithoutEffect: false });
      expect(seen).toHaveLength(most);
    },
  );

  test('a reply above the limit is not taken', async () => {
    await responder(() => new Uint8Array(1025));
    expect(await routeTo().send(messageTo())).toMatchObject({ reason: 'too_large', isWithoutEffect: false });
  });

  test.each([
    { code: '404', status: '404', isWithoutEffect: true, isIdempotent: true, times: 1 },
    { code: '500', status: '500', isWithoutEffect: false, isIdempotent: true, times: 1 },
    { code: '503', status: '503', isWithoutEffect: false, isIdempotent: false, times: 1 },
    { code: '503', status: '503', isWithoutEffect: false, isIdempotent: true, times: 3 },
    { code: 'whatever', status: '500', isWithoutEffect: false, isIdempotent: false, times: 1 },
  ])(
    'a service error $code, idempotent: $isIdempotent',
    async ({ code, status, isWithoutEffect, isIdempotent, times }) => {
      const seen = await responder((message) => {
        const failed = headers();
        failed.set('Nats-Service-Error-Code', code);
        failed.set('Nats-Service-Error', 'inside');
        message.respond(bytes('inside'), { headers: failed });
        return undefined;
      });
      const result = await routeTo({ isIdempotent }).send(messageTo());
      expect(result).toMatchObject({ reason: 'upstream_failed', status, isWithoutEffect });
      expect(JSON.stringify(result)).not.toContain('inside');
      expect(seen).toHaveLength(times);
    },
  );

  test('a subject that its user may not use is certainly without effect', async () => {
    const result = await routeTo({ subject: 'audit.events.gateway' }).send(messageTo());
    expect(result).toMatchObject({ kind: 'failure', isWithoutEffect: true });
  });

  test('a server that is away fails nobody at the start, and is found when it is back', async () => {
    const seen = await responder(() => bytes('ok'));
    const route = routeTo({
      timeoutMs: 10_000,
      breaker: { minCalls: 1000, failureRatio: 1, windowMs: 1000, openMs: 100 },
    });
    expect(await route.send(messageTo())).toMatchObject({ kind: 'response' });
    await server.stop();
    // Until the connection is known to be lost, what was sent on it is unknown.
    const isCertain = async (): Promise<boolean> => {
      const result = await route.send(messageTo());
      expect(result.kind).toBe('failure');
      return result.kind === 'failure' && result.isWithoutEffect;
    };
    await expect.poll(isCertain, { timeout: 10_000 }).toBe(true);
    await server.restart();
    await upstream.close().catch(() => undefined);
    upstream = await connectUpstream();
    await responder(() => bytes('ok'));
    await expect
      .poll(async () => (await route.send(messageTo())).kind, { timeout: 15_000, interval: 200 })
      .toBe('response');
    expect(seen).toHaveLength(1);
  }, 30_000);

  test('a password that is refused is that route’s trouble alone, until the file is right', async () => {
    await responder(() => bytes('ok'));
    const wrong = join(await folders.folder(), 'wrong.password');
    await writeFile(wrong, randomBytes(18).toString('base64url'), { mode: 0o600 });
    let now = 0;
    const route = routeTo({}, wrong, () => now);
    const result = await route.send(messageTo());
    expect(result).toMatchObject({ kind: 'failure', isWithoutEffect: true });
    expect(await routeTo().send(messageTo())).toMatchObject({ kind: 'response' });
    await writeFile(wrong, routePassword);
    now += 5_000;
    expect(await route.send(messageTo())).toMatchObject({ kind: 'response' });
  });

  test('a gateway that gives up stops waiting', async () => {
    const seen = await responder(() => undefined);
    const giveUp = new AbortController();
    const sent = routeTo({ isIdempotent: true }).send(messageTo({ signal: giveUp.signal }));
    await expect.poll(() => seen.length).toBe(1);
    giveUp.abort();
    expect(await sent).toMatchObject({ status: 'given_up', isWithoutEffect: false });
    expect(seen).toHaveLength(1);
  });
});
