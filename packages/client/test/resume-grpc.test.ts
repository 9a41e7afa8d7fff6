/** A session that changes its gateway, over real gRPC and TLS: servers are cut off in the middle of their work. */
import { afterEach, beforeAll, expect, test } from 'vitest';
import { connect } from '../src/index.ts';
import { makeWorld, TRUST_DOMAIN, type World } from './support/certificates.ts';
import { Cluster } from './support/cluster.ts';
import { body, text } from './support/gateway.ts';
import { grpcServers } from './support/grpc-servers.ts';
import { eventually, watchRejections, works } from './support/sessions.ts';

let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
const { start, stop } = grpcServers();
afterEach(stop);
watchRejections();

/** One gateway of the cluster, as a server. */
function serve(cluster: Cluster, name: string, port = 0) {
  return start(
    world,
    (stream) => {
      const carrier = cluster.openCarrier(
        {
          onOpen: () => undefined,
          onFrame: (frame) => stream.write(frame),
          onDrain: () => undefined,
          onClose: () => stream.end(),
        },
        name,
      );
      stream.on('data', (frame: Uint8Array) => carrier.write(frame));
      stream.on('end', () => carrier.close());
      stream.on('close', () => carrier.close());
    },
    port,
  );
}

function optionsFor(ports: readonly number[]) {
  const { alice, root } = world;
  return {
    addresses: ports.map((port) => `127.0.0.1:${port}`),
    trust: { caPem: root.pem, trustDomain: TRUST_DOMAIN },
    credential: { kind: 'certificate' as const, certPem: alice.pem, key: alice.key },
    resume: { firstPauseMs: 5, maxPauseMs: 100 },
  };
}

test('its gateway is cut off under load: all is answered by the other, nothing twice', async () => {
  const cluster = new Cluster(world);
  const a = await serve(cluster, 'a');
  const b = await serve(cluster, 'b');
  const channel = await connect(optionsFor([a.port, b.port]));
  cluster.fateOf = () => (cluster.requests.length % 3 === 0 ? { kind: 'kept' } : { kind: 'answered' });
  const responses = Array.from({ length: 200 }, (_, at) => channel.request('echo', body(String(at))));
  await eventually(() => expect(cluster.requests.length).toBeGreaterThan(50));
  cluster.fateOf = () => ({ kind: 'answered' });
  a.server.forceShutdown();
  const texts = (await Promise.all(responses)).map((response) => text(response.body));
  expect(texts).toEqual(responses.map((_, at) => String(at)));
  expect([cluster.executed.length, new Set(cluster.executed).size]).toEqual([200, 200]);
  expect(channel.counts).toMatchObject({ resumes: 1, rejected: 0 });
  expect(cluster.stored(channel).attachment.wire.address).toBe('b');
  await channel.close();
});

test('the only gateway comes back on its port, and the session goes on', async () => {
  const cluster = new Cluster(world);
  const first = await serve(cluster, 'a');
  const channel = await connect(optionsFor([first.port]));
  await works(channel);
  first.server.forceShutdown();
  await eventually(() => expect(channel.state).toBe('resuming'));
  const response = channel.request('echo', body('later'));
  await serve(cluster, 'a', first.port);
  expect(text((await response).body)).toBe('later');
  expect(channel.counts.resumes).toBe(1);
  await channel.close();
});
