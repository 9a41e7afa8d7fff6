/** The carrier against real TLS servers: whom it talks to, how it ends, and that both ends see one exporter. */
import { createServer, type Server as TlsServer, type TLSSocket } from 'node:tls';
import type { AddressInfo } from 'node:net';
import { EXPORTER_LABEL, EXPORTER_LENGTH } from '@sallyport/channel';
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import type { CarrierEvents } from '../src/index.ts';
import { openGrpcCarrier } from '../src/grpc-carrier.ts';
import {
  GATEWAY_ID,
  makeCertificate,
  makeWorld,
  TRUST_DOMAIN,
  type Made,
  type World,
} from './support/certificates.ts';

let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
const cleanUps: (() => void)[] = [];
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0)) cleanUp();
});

type Behaviour = (stream: ServerDuplexStream<Buffer, Buffer>) => void;
type TestServer = { readonly port: number; readonly sockets: TLSSocket[]; readonly tls: TlsServer };

const echo: Behaviour = (stream) => {
  stream.on('data', (bytes: Buffer) => stream.write(bytes));
  stream.on('end', () => stream.end());
};

async function serve(
  certificate: Made,
  behaviour: Behaviour = echo,
  maxVersion: 'TLSv1.2' | 'TLSv1.3' = 'TLSv1.3',
) {
  const server = new Server();
  const pass = { requestStream: true, responseStream: true } as const;
  const same = (bytes: Buffer): Buffer => bytes;
  server.addService(
    {
      connect: {
        path: '/sallyport.channel.v1.ChannelService/Connect',
        ...pass,
        requestSerialize: same,
        requestDeserialize: same,
        responseSerialize: same,
        responseDeserialize: same,
      },
    },
    { connect: behaviour },
  );
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const sockets: TLSSocket[] = [];
  const tls = createServer(
    { cert: certificate.pem, key: certificate.keyPem, maxVersion, ALPNProtocols: ['h2'] },
    (socket) => {
      sockets.push(socket);
      socket.on('error', () => undefined);
      injector.injectConnection(socket);
    },
  );
  await new Promise<void>((resolve) => tls.listen(0, '127.0.0.1', resolve));
  cleanUps.push(() => {
    for (const socket of sockets) socket.destroy();
    server.forceShutdown();
    tls.close();
  });
  return { port: (tls.address() as AddressInfo).port, sockets, tls } satisfies TestServer;
}

function open(port: number, host = '127.0.0.1') {
  const events = {
    onOpen: vi.fn<CarrierEvents['onOpen']>(),
    onFrame: vi.fn<CarrierEvents['onFrame']>(),
    onDrain: vi.fn<CarrierEvents['onDrain']>(),
    onClose: vi.fn<CarrierEvents['onClose']>(),
  };
  const carrier = openGrpcCarrier(
    {
      address: `${host}:${port}`,
      caPem: world.root.pem,
      trustDomain: TRUST_DOMAIN,
      expectedGateway: GATEWAY_ID,
      timeoutMs: 5_000,
    },
    events,
  );
  cleanUps.push(() => carrier.close());
  return { carrier, events };
}
const opened = (events: ReturnType<typeof open>['events']) =>
  vi.waitFor(() => expect(events.onOpen).toHaveBeenCalledTimes(1), 5_000);
const over = (events: ReturnType<typeof open>['events']) =>
  vi.waitFor(() => expect(events.onClose).toHaveBeenCalledTimes(1), 5_000);

describe('a good gateway', () => {
  test('frames go and come whole, in order', async () => {
    const { carrier, events } = open((await serve(world.tls)).port);
    await opened(events);
    const frames = [new Uint8Array(0), Uint8Array.of(1, 2, 3), new Uint8Array(1024 * 1024).fill(7)];
    for (const frame of frames) carrier.write(frame);
    await vi.waitFor(() => expect(events.onFrame).toHaveBeenCalledTimes(3), 5_000);
    expect(events.onFrame.mock.calls.map(([frame]) => frame.length)).toEqual([0, 3, 1024 * 1024]);
    expect([...(events.onFrame.mock.calls[1]?.[0] ?? [])]).toEqual([1, 2, 3]);
  });

  // Also the self-test of src/tls-exporter.ts: a grpc-js that moved the path it uses fails here.
  test.each(['127.0.0.1', 'localhost'])('both ends have one TLS exporter (%s)', async (host) => {
    const server = await serve(world.tls);
    const { events } = open(server.port, host);
    await opened(events);
    const own = events.onOpen.mock.calls[0]?.[0];
    const theirs = server.sockets
      .at(-1)
      ?.exportKeyingMaterial(EXPORTER_LENGTH, EXPORTER_LABEL, Buffer.alloc(0));
    expect(own?.length).toBe(32);
    expect(Buffer.from(own ?? []).toString('hex')).toBe(theirs?.toString('hex'));
  });

  test('two connections have two exporters', async () => {
    const { port } = await serve(world.tls);
    const [first, second] = [open(port).events, open(port).events];
    await Promise.all([opened(first), opened(second)]);
    expect(first.onOpen.mock.calls[0]?.[0]).not.toEqual(second.onOpen.mock.calls[0]?.[0]);
  });

  test('an address that is an IP is not sent as a TLS server name: no warning of Node', async () => {
    const warnings: string[] = [];
    const onWarning = ({ message }: Error): number => warnings.push(message);
    process.on('warning', onWarning);
    const { events } = open((await serve(world.tls)).port);
    await opened(events);
    process.off('warning', onWarning);
    expect(warnings).toEqual([]);
  });

  test.each([
    ['a gateway that ends its side', true],
    ['a gateway that does not', false],
  ])('what was written before close arrives: %s', async (_name, isEnding) => {
    const arrived: number[] = [];
    const server = await serve(world.tls, (stream) => {
      stream.on('data', ({ length }: Buffer) => arrived.push(length));
      stream.on('end', () => isEnding && stream.end());
    });
    const { carrier, events } = open(server.port);
    await opened(events);
    for (let at = 0; at < 5; at += 1) carrier.write(new Uint8Array(1000));
    const startedAt = performance.now();
    carrier.close();
    await carrier.closed;
    expect(performance.now() - startedAt).toBeLessThan(1_000);
    expect(events.onClose).toHaveBeenCalledTimes(1);
    await vi.waitFor(() => expect(arrived.length).toBe(5), 5_000);
  });
});

describe('ends', () => {
  test('nobody listens', async () => {
    const { port, tls } = await serve(world.tls);
    await new Promise((resolve) => tls.close(resolve));
    const { events } = open(port);
    await over(events);
    expect(events.onClose.mock.calls[0]?.[0]).toMatchObject({ kind: 'connection', code: 'connection_lost' });
    expect(events.onClose.mock.calls[0]?.[0].message).toMatch(
      /cannot be reached: connect ECONNREFUSED [\d.:]+$/u,
    );
    expect(events.onOpen).not.toHaveBeenCalled();
  });

  test('the gateway ends the stream', async () => {
    const { events } = open((await serve(world.tls, (stream) => stream.end())).port);
    await over(events);
    expect(events.onClose.mock.calls[0]?.[0]).toMatchObject({ kind: 'connection' });
  });

  test('the connection is cut', async () => {
    const server = await serve(world.tls);
    const { carrier, events } = open(server.port);
    await opened(events);
    for (const socket of server.sockets) socket.destroy();
    await over(events);
    expect(carrier.write(new Uint8Array(1))).toBe(false);
    await carrier.closed;
  });

  test('an answer that is not of the protocol', async () => {
    const { carrier, events } = open(
      (await serve(world.tls, (stream) => void stream.write(Buffer.from([0xff, 0xff])))).port,
    );
    await over(events);
    expect(events.onClose.mock.calls[0]?.[0].kind).toBe('connection');
    await carrier.closed;
  });
});

describe('not our gateway', () => {
  const NAMED = [
    [
      'another service',
      () =>
        makeCertificate({
          issuer: world.root,
          algorithm: 'P-256',
          uris: [`spiffe://${TRUST_DOMAIN}/svc/audit-service`],
        }),
    ],
    [
      'a certificate without a name',
      () => makeCertificate({ issuer: world.root, algorithm: 'P-256', uris: [] }),
    ],
    [
      'a certificate with two names',
      () => makeCertificate({ issuer: world.root, algorithm: 'P-256', uris: [GATEWAY_ID, `${GATEWAY_ID}x`] }),
    ],
  ] as const;
  test.each(NAMED)('%s', async (_name, make) => {
    const { events } = open((await serve(await make())).port);
    await over(events);
    expect(events.onClose.mock.calls[0]?.[0]).toMatchObject({ kind: 'handshake', code: 'gateway_name' });
    expect(events.onOpen).not.toHaveBeenCalled();
  });

  test('a certificate of another root', async () => {
    const root = await makeCertificate({ isAuthority: true });
    const { events } = open((await serve(await makeCertificate({ issuer: root, algorithm: 'P-256' }))).port);
    await over(events);
    expect(events.onOpen).not.toHaveBeenCalled();
  });

  test('TLS 1.2', async () => {
    const { events } = open((await serve(world.tls, echo, 'TLSv1.2')).port);
    await over(events);
    expect(events.onOpen).not.toHaveBeenCalled();
  });
});
