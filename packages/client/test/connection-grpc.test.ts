/** Many sessions over one real gRPC stream and TLS connection, with the gateway's side of packages/channel behind it. */
import { afterEach, beforeAll, expect, test, vi } from 'vitest';
import { connect, openConnection } from '../src/index.ts';
import { makeWorld, TRUST_DOMAIN, type World } from './support/certificates.ts';
import { body, failureOf, psk, text } from './support/gateway.ts';
import { grpcServers, type GatewayStream } from './support/grpc-servers.ts';
import { MultiGateway } from './support/multi-gateway.ts';

let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
const { start, stop } = grpcServers();
afterEach(stop);

async function serve(gateway: MultiGateway) {
  const streams: GatewayStream[] = [];
  const { server, port } = await start(world, (stream) => {
    streams.push(stream);
    stream.on('data', (frame: Uint8Array) => gateway.onFrame(frame, (answer) => stream.write(answer)));
    stream.on('end', () => stream.end());
  });
  const options = {
    address: `127.0.0.1:${port}`,
    trust: { caPem: world.root.pem, trustDomain: TRUST_DOMAIN },
  };
  return { options, streams, server };
}

test('sessions with different credentials share the stream, and large bodies pass each other', async () => {
  const gateway = new MultiGateway(world);
  const { options, streams } = await serve(gateway);
  await using connection = openConnection(options);
  const channels = await Promise.all([
    connection.open(gateway.alice),
    connection.open({ credential: { kind: 'psk', ...psk } }),
    connection.open(gateway.alice),
  ]);
  expect(channels.map(({ principal }) => principal)).toEqual(['user:alice', 'workload:batch', 'user:alice']);
  const bodies = Array.from({ length: 12 }, (_, at) => new Uint8Array(400_000).fill(at));
  const sent = channels.flatMap((channel) => bodies.map((item) => channel.request('echo', item)));
  const marks = (await Promise.all(sent)).map((response) => [response.body.length, response.body[0]]);
  const expected = bodies.map((_, at) => [400_000, at]);
  expect(marks).toEqual([...expected, ...expected, ...expected]);
  expect(streams.length).toBe(1);
  await channels[0]?.close();
  expect(text((await channels[1].request('echo', body('still here'))).body)).toBe('still here');
  expect(connection.counts).toEqual({ sessions: 2, strays: 0 });
});

test('a cut connection ends all of its sessions; a session of connect() ends its connection', async () => {
  const gateway = new MultiGateway(world);
  const { options, streams, server } = await serve(gateway);
  const single = await connect({ ...options, ...gateway.alice });
  await single.close();
  await vi.waitFor(() => expect(streams[0]?.writableEnded).toBe(true));
  const connection = openConnection({ ...options, resume: false });
  const [one, other] = [await connection.open(gateway.alice), await connection.open(gateway.alice)];
  server.forceShutdown();
  await vi.waitFor(() => expect(connection.closedBy?.code).toBe('connection_lost'));
  expect([one.closedBy?.kind, other.closedBy?.kind]).toEqual(['connection', 'connection']);
  expect((await failureOf(connection.open(gateway.alice))).kind).toBe('connection');
});

test('nobody listens: open() says so', async () => {
  const gateway = new MultiGateway(world);
  const { options, server } = await serve(gateway);
  server.forceShutdown();
  await using connection = openConnection(options);
  const error = await failureOf(connection.open(gateway.alice));
  expect(error).toMatchObject({ kind: 'connection', code: 'connection_lost' });
});
