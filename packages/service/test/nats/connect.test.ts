/** Who is let in, what a person reads when not, and requests that are answered. */
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { headers } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { serverTls } from '../../src/local-servers/index.ts';
import { createMetrics } from '../../src/metrics/index.ts';
import {
  connectNats,
  openNatsBus,
  provisionNats,
  type NatsOptions,
  type StreamSpec,
} from '../../src/nats/index.ts';
import { parseNatsServer } from '../../src/nats/options.ts';
import { memoryLog, type NatsRig, serverSuite, startNatsRig, TESTER } from '../../src/testing/index.ts';

const suite = await serverSuite('nats');
const soon = { timeout: 10_000, interval: 20 };
const text = (value: string): Uint8Array => new TextEncoder().encode(value);
let rig: NatsRig;
beforeAll(async () => {
  if (!suite.skip) rig = await startNatsRig();
});
afterAll(async () => rig?.[Symbol.asyncDispose]());

async function refusalOf(work: Promise<unknown>): Promise<{ kind?: unknown; message?: string }> {
  return work.then(
    () => ({}),
    (error: unknown) => error as { kind: unknown; message: string },
  );
}

describe('the address of a server', () => {
  test.each([
    ['localhost:4222', { host: 'localhost', port: 4222 }],
    ['nats://nats-1.internal:4223', { host: 'nats-1.internal', port: 4223 }],
    ['tls://[::1]:4222', { host: '::1', port: 4222 }],
    ['10.0.0.1', { host: '10.0.0.1', port: 4222 }],
  ])('%s', (given, parsed) => {
    expect(parseNatsServer(given)).toEqual(parsed);
  });

  test.each([
    '',
    'http://x:1',
    'nats://user:secret@host:4222',
    'host:0',
    'host:70000',
    'a b:1',
    'host:1/x',
    '::1:2',
  ])('%j is refused, and nothing secret is repeated', (given) => {
    expect(() => parseNatsServer(given)).toThrow(expect.objectContaining({ kind: 'invalid' }));
    expect(() => parseNatsServer(given)).not.toThrow(/secret/u);
  });
});

describe.skipIf(suite.skip)(suite.title('a connection to NATS'), () => {
  test('with a wrong password: user and file are named, the password is not', async () => {
    const passwordFile = join(rig.folder, 'wrong.password');
    await writeFile(passwordFile, 'not-the-password-at-all\n');
    const log = memoryLog();
    const refusal = await refusalOf(openNatsBus(rig.options('gateway', { passwordFile, log })));
    expect(refusal).toMatchObject({ kind: 'refused' });
    expect(refusal.message).toContain('"gateway"');
    expect(refusal.message).toContain(passwordFile);
    expect(JSON.stringify([refusal, refusal.message, log.lines])).not.toContain('not-the-password-at-all');
  });

  test('that nobody knows is refused', async () => {
    const refusal = await refusalOf(openNatsBus(rig.options('gateway', { user: 'mallory' })));
    expect(refusal).toMatchObject({ kind: 'refused' });
    expect(refusal.message).toContain('"mallory"');
  });

  test.each(['passwordFile', 'caFile'] as const)('without its %s: the file is named', async (setting) => {
    const path = join(rig.folder, 'missing');
    const refusal = await refusalOf(openNatsBus(rig.options('gateway', { [setting]: path })));
    expect(refusal).toMatchObject({ kind: 'refused' });
    expect(refusal.message).toContain(path);
  });

  test("whose server's certificate is another authority's is refused", async () => {
    const { caFile } = await serverTls(join(rig.folder, 'other-tls'));
    const refusal = await refusalOf(openNatsBus(rig.options('gateway', { caFile })));
    expect(refusal).toMatchObject({ kind: 'refused' });
    expect(refusal.message).toContain(caFile);
  });

  test('whose server has a certificate of another name is refused', async () => {
    await using relay = await startRelay(rig.server.port, '127.0.0.2');
    const refusal = await refusalOf(
      openNatsBus(rig.options('gateway', { servers: [`127.0.0.2:${relay.port}`] })),
    );
    expect(refusal).toMatchObject({ kind: 'refused' });
    expect(refusal.message).toContain('ERR_TLS_CERT_ALTNAME_INVALID');
  });

  test('whose server strips TLS from its greeting gets no password', async () => {
    const heard: string[] = [];
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (chunk) => heard.push(chunk.toString()));
      socket.write('INFO {"server_id":"x","version":"2.9.10","proto":1,"max_payload":1048576}\r\n');
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    const refusal = await refusalOf(openNatsBus(rig.options('gateway', { servers: [`127.0.0.1:${port}`] })));
    server.close();
    expect(refusal).toMatchObject({ kind: 'refused' });
    expect(refusal.message).toContain('offers no TLS');
    expect(heard).toEqual([]);
  });

  test.each<[string, (options: NatsOptions) => NatsOptions]>([
    [
      'no caFile',
      (options) => {
        const { caFile, ...others } = options;
        return caFile === undefined ? options : others;
      },
    ],
    ['no servers', (options) => ({ ...options, servers: [] })],
    ['a name that is none', (options) => ({ ...options, name: 'a b' })],
  ])('with %s is invalid', async (_what, change) => {
    const refusal = await refusalOf(openNatsBus(change(rig.options('gateway'))));
    expect(refusal).toMatchObject({ kind: 'invalid' });
  });

  test('with something else than NATS behind the address: it opens, and says what it met', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    await using bus = await openNatsBus(rig.options('gateway', { servers: [`127.0.0.1:${port}`] }));
    await expect(bus.check()).rejects.toThrow('it does not speak NATS');
    server.close();
  });

  test('shows in the metrics whether it is there', async () => {
    const metrics = createMetrics({ service: 'gateway' });
    await using bus = await openNatsBus({ ...rig.options('gateway'), metrics });
    await bus.check();
    expect(await metrics.exposition()).toMatch(/^sallyport_bus_connected\{.*\} 1$/mu);
    await bus.close();
    expect(await metrics.exposition()).toMatch(/^sallyport_bus_connected\{.*\} 0$/mu);
  });

  test('the first server away: the next one is taken', async () => {
    const [good = ''] = rig.options('gateway').servers;
    await using bus = await openNatsBus(rig.options('gateway', { servers: ['127.0.0.1:1', good] }));
    await bus.check();
  });

  test('a password that changed takes effect at the next connection, without a restart', async () => {
    const passwordFile = join(rig.folder, 'rotated.password');
    await writeFile(passwordFile, rig.passwordOf('gateway'));
    await using bus = await openNatsBus(rig.options('gateway', { passwordFile }));
    await bus.check();
    await writeFile(passwordFile, 'stale-stale-stale-stale');
    await rig.server.restart();
    await vi.waitFor(() => expect(bus.check()).rejects.toThrow('refuses the user "gateway"'), soon);
    await writeFile(passwordFile, rig.passwordOf('gateway'));
    await vi.waitFor(() => bus.check(), soon);
  });

  test('a stream that is there with other rules is not taken over', async () => {
    const spec: StreamSpec = {
      name: 'OTHER',
      subjects: ['other.>'],
      retention: 'workqueue',
      maxBytes: 1024 * 1024,
      maxAgeMs: 600_000,
      deduplicationWindowMs: 120_000,
    };
    const options = { ...rig.options(TESTER), consumers: [] };
    await provisionNats({ ...options, stream: spec });
    await provisionNats({ ...options, stream: { ...spec, maxBytes: 2 * 1024 * 1024, replicas: 1 } });
    for (const change of [{ subjects: ['other.x'] }, { retention: 'interest' }] as const) {
      const refusal = await refusalOf(provisionNats({ ...options, stream: { ...spec, ...change } }));
      expect(refusal).toMatchObject({ kind: 'invalid' });
      expect(refusal.message).toContain('OTHER');
    }
    await rig.removeStreams();
  });
});

describe.skipIf(suite.skip)(suite.title('requests over NATS'), () => {
  test('are answered, with headers both ways', async () => {
    const responder = await rig.raw(TESTER);
    responder.subscribe('ask.a', {
      callback: (_error, message) => {
        const answer = headers();
        answer.set('Content-Type', message.headers?.get('Sallyport-Principal') ?? 'none');
        message.respond(message.data, { headers: answer });
      },
    });
    await responder.flush();
    await using connection = await connectNats(rig.options(TESTER));
    const answer = await connection.request('ask.a', text('hello'), {
      timeoutMs: 2000,
      headers: { 'Sallyport-Principal': 'user:alice' },
    });
    expect(answer).toMatchObject({ kind: 'reply' });
    if (answer.kind !== 'reply') throw new Error('no reply');
    expect([...answer.payload]).toEqual([...text('hello')]);
    expect([...answer.headers]).toEqual([['Content-Type', 'user:alice']]);
    await responder.close();
  });

  test('that nobody listens to were not sent', async () => {
    await using connection = await connectNats(rig.options(TESTER));
    const answer = await connection.request('ask.nobody', text('x'), { timeoutMs: 2000 });
    expect(answer.kind).toBe('not_sent');
  });

  test('that are not answered in time are unknown', async () => {
    const responder = await rig.raw(TESTER);
    responder.subscribe('ask.silent', { callback: () => undefined });
    await responder.flush();
    await using connection = await connectNats(rig.options(TESTER));
    const answer = await connection.request('ask.silent', text('x'), { timeoutMs: 100 });
    expect(answer.kind).toBe('unknown');
    await responder.close();
  });

  test('whose connection breaks off are unknown, at once', async () => {
    const responder = await rig.raw(TESTER);
    responder.subscribe('ask.silent', { callback: () => undefined });
    await responder.flush();
    await using connection = await connectNats(rig.options(TESTER));
    const asked = connection.request('ask.silent', text('x'), { timeoutMs: 20_000 });
    await connection.check();
    await rig.server.restart();
    expect((await asked).kind).toBe('unknown');
    await responder.close();
  });

  test('on a subject that this user may not use were not sent', async () => {
    await using connection = await connectNats(rig.options('gateway'));
    const answer = await connection.request('ask.a', text('x'), { timeoutMs: 2000 });
    expect(answer.kind).toBe('not_sent');
  });

  test('without a connection were not sent', async () => {
    await rig.server.stop();
    await using connection = await connectNats(rig.options(TESTER));
    const answer = await connection.request('ask.a', text('x'), { timeoutMs: 2000 });
    expect(answer.kind === 'not_sent' && answer.problem).toContain('not reachable');
    await rig.server.restart();
  });

  test.each([
    ['X', 'a\r\nNats-Msg-Id: forged'],
    ['X\r\nY', 'a'],
    ['', 'a'],
    ['X', 'a\0b'],
  ])('with the header %j: %j are invalid', async (name, value) => {
    await using connection = await connectNats(rig.options(TESTER));
    const refusal = await refusalOf(
      connection.request('ask.a', text('x'), { timeoutMs: 100, headers: { [name]: value } }),
    );
    expect(refusal).toMatchObject({ kind: 'invalid' });
  });

  test('after close are refused', async () => {
    const connection = await connectNats(rig.options(TESTER));
    await connection.close();
    await connection.close();
    const refusal = await refusalOf(connection.request('ask.a', text('x'), { timeoutMs: 100 }));
    expect(refusal).toMatchObject({ kind: 'closed' });
  });
});

/** The same server under an address that its certificate does not have. */
async function startRelay(to: number, host: string): Promise<{ port: number } & AsyncDisposable> {
  const server = createServer((socket) => {
    const upstream = connect(to, '127.0.0.1');
    socket.on('error', () => upstream.destroy());
    upstream.on('error', () => socket.destroy());
    socket.pipe(upstream).pipe(socket);
  });
  await once(server.listen(0, host), 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => void server.close(),
  };
}
