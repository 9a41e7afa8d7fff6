/** A network and neighbours that mean harm: TLS taken away, rights taken by a reply subject, answers that cannot come. */
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { jetstreamManager } from '@nats-io/jetstream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectNats, openNatsBus, provisionNats } from '../../src/nats/index.ts';
import { memoryLog, type NatsRig, serverSuite, startNatsRig, TESTER } from '../../src/testing/index.ts';

const suite = await serverSuite('nats');
const DEAF = 'deaf-routes';
let rig: NatsRig;
beforeAll(async () => {
  if (suite.skip) return;
  // Half configured: it may ask, and not hear the answer.
  rig = await startNatsRig({ users: { [DEAF]: { publish: ['route.orders'], subscribe: [] } } });
});
afterAll(async () => rig?.[Symbol.asyncDispose]());

/** Greets the first connection so and the others otherwise, and keeps what it is told in clear. */
async function startImpostor(first: object, others: object) {
  let heard = '';
  let count = 0;
  const server = createServer((socket) => {
    const greeting = count++ === 0 ? first : others;
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => (heard += chunk.toString('latin1')));
    socket.write(`INFO ${JSON.stringify(greeting)}\r\n`);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    heard: () => heard,
    [Symbol.asyncDispose]: async () => void server.close(),
  };
}

const info = { server_id: 'X', version: '2.9.10', proto: 1, max_payload: 1048576, headers: true };
const honest = { ...info, tls_required: true };

describe.skipIf(suite.skip)(suite.title('a hostile network before NATS'), () => {
  test.each<[string, object, object]>([
    ['no TLS after the look', honest, info],
    ['a number for TLS', honest, { ...info, tls_available: 1 }],
    ['a text for TLS', honest, { ...info, tls_available: 'yes' }],
    ['TLS required, in other words', honest, { ...info, tls_required: false, tls_available: [] }],
  ])('%s: no password in clear', async (_, looked, greeted) => {
    await using impostor = await startImpostor(looked, greeted);
    const options = rig.options('gateway', {
      servers: [`127.0.0.1:${impostor.port}`],
      connectTimeoutMs: 500,
    });
    const log = memoryLog();
    await openNatsBus({ ...options, log }).then(
      (bus) => bus.close(),
      () => undefined,
    );
    expect(impostor.heard()).not.toContain('CONNECT');
    expect(JSON.stringify(log.lines)).toMatch(/cannot be used|offers no TLS/u);
  });
});

test.skipIf(suite.skip)(
  suite.title('a server that wants no TLS, first of two: the other one is taken, and a lost one found again'),
  async () => {
    await using impostor = await startImpostor(info, info);
    const [good = ''] = rig.options('gateway').servers;
    await using bus = await openNatsBus(
      rig.options('gateway', { servers: [`127.0.0.1:${impostor.port}`, good] }),
    );
    await bus.check();
    await rig.server.restart();
    await expect.poll(() => bus.check().then(() => 'up'), { timeout: 10_000 }).toBe('up');
    expect(impostor.heard()).toBe('');
  },
);

describe.skipIf(suite.skip)(suite.title('a hostile neighbour on NATS'), () => {
  test.each(['$JS.API.STREAM.PURGE.AUDIT', '$JS.API.STREAM.MSG.DELETE.AUDIT'])(
    'what others sent is not removed by a reply that goes to %s',
    async (reply) => {
      await rig.removeStreams();
      await provisionNats(rig.options('audit-service'));
      await using bus = await openNatsBus(rig.options('auth-service'));
      for (const byte of [1, 2, 3]) await bus.publish('audit.events.auth-service', new Uint8Array([byte]));
      const gateway = await rig.raw('gateway');
      // The server's receipt `{"stream":"AUDIT","seq":4}` reads as a request of its API.
      gateway.publish('audit.events.gateway', new Uint8Array([4]), { reply });
      await gateway.flush();
      await gateway.close();
      const tester = await rig.raw(TESTER);
      const manager = await jetstreamManager(tester);
      await expect
        .poll(async () => (await manager.streams.info('AUDIT')).state)
        .toMatchObject({ last_seq: 4 });
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect((await manager.streams.info('AUDIT')).state).toMatchObject({ messages: 4, first_seq: 1 });
      await tester.close();
    },
  );

  test('who may not hear the answer may have been understood', async () => {
    const responder = await rig.raw(TESTER);
    let executed = 0;
    responder.subscribe('route.orders', {
      callback: (_error, message) => {
        executed += 1;
        message.respond(message.data);
      },
    });
    await responder.flush();
    await using connection = await connectNats(rig.options(DEAF));
    const answer = await connection.request('route.orders', new Uint8Array([1]), { timeoutMs: 500 });
    await responder.flush();
    await responder.close();
    expect({ executed, kind: answer.kind }).toEqual({ executed: 1, kind: 'unknown' });
  });
});
