/**
 * The way of an audit event over a real NATS server, with the rights that each service has there: recorded once, in the
 * log once, whatever happens to the server and the network between.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import { create, toBinary } from '@bufbuild/protobuf';
import { decodeEvent, verifyLog } from '@sallyport/audit-log';
import { eventsv1 } from '@sallyport/proto';
import { startAuditTrail, type AuditTrail } from '@sallyport/service/audit';
import type { Bus } from '@sallyport/service/bus';
import type { ServiceName } from '@sallyport/service/identity';
import { startCutProxy, type CutProxy } from '@sallyport/service/local-servers';
import { openNatsBus } from '@sallyport/service/nats';
import { memoryLog, serverSuite, startNatsRig, TESTER, type NatsRig } from '@sallyport/service/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { clock, createWorld, eventually, ready, sourceOf, startAuditService, type World } from './fixture.ts';
import { callBody, gateway, trustDomain } from './support.ts';

const suite = await serverSuite('nats');
const SEED = Number(process.env['SALLYPORT_SEED'] ?? 20_261);
let rig: NatsRig;
beforeAll(async () => {
  if (!suite.skip) rig = await startNatsRig();
});
afterAll(async () => rig?.[Symbol.asyncDispose]());
beforeEach(() => rig.removeStreams());

/** A world whose audit-service is on NATS, through `proxy` when given. */
async function natsWorld(proxy?: CutProxy): Promise<World> {
  const world = await createWorld();
  await world.bus.close();
  world.bus = await busOf('audit-service', proxy);
  return world;
}

const busOf = (service: string, proxy?: CutProxy): Promise<Bus> =>
  openNatsBus({
    ...rig.options(service),
    ...(proxy === undefined ? {} : { servers: [`127.0.0.1:${proxy.port}`] }),
    timeoutMs: 1000,
    pingIntervalMs: 400,
    connectTimeoutMs: 1000,
  });

type Producer = { readonly trail: AuditTrail; readonly bus: Bus; recorded: number };

async function startProducer(world: World, service: ServiceName, proxy?: CutProxy): Promise<Producer> {
  const bus = await busOf(service, proxy);
  const trail = await startAuditTrail({
    serviceId: `spiffe://${trustDomain}/svc/${service}`,
    directory: join(world.folder, `spool-${service}`),
    bus,
    clock,
    log: memoryLog(),
    resendAfterMs: 500,
  });
  return { trail, bus, recorded: 0 };
}

async function record(producer: Producer, n: number): Promise<void> {
  const decoded = decodeEvent(callBody(n));
  if (!decoded.ok) throw new Error('a broken builder');
  await producer.trail.record(decoded.event);
  producer.recorded += 1;
}

/** mulberry32. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

describe.skipIf(suite.skip)(suite.title('audit events over NATS'), () => {
  test('a batch in the name of another service is a finding, is dropped, and comes no more', async () => {
    await using world = await natsWorld();
    await using service = await startAuditService(world);
    await ready(service);
    await using tester = await busOf(TESTER); // a broker without permissions, or a stolen password
    const batch = create(eventsv1.AuditBatchSchema, {
      producer: gateway,
      firstSeq: 1n,
      floorSeq: 1n,
      bodies: [callBody(1)],
    });
    await tester.publish('audit.events.key-service', toBinary(eventsv1.AuditBatchSchema, batch));
    const client = await service.client();
    await eventually(async () => {
      const { records } = await client.queryRecords({ action: 'forged_batch' });
      return records.length === 1;
    }, 'the finding is in the log');
    await sleep(3000); // longer than the server waits before it delivers again
    const { records } = await client.queryRecords({ principal: 'user:alice' });
    expect(records).toEqual([]);
  }, 30_000);

  test(`every event once in the log, through faults (seed ${SEED})`, async () => {
    const random = randomOf(SEED);
    const load = randomOf(SEED + 1); // of its own: the faults follow from the seed alone
    const address = { host: rig.server.host, port: rig.server.port };
    await using producerSide = await startCutProxy({ to: address });
    await using consumerSide = await startCutProxy({ to: address });
    await using world = await natsWorld(consumerSide);
    let service = await startAuditService(world);
    await ready(service);
    const producers = [
      await startProducer(world, 'gateway', producerSide),
      await startProducer(world, 'key-service'),
    ];
    let next = 0;
    let isOver = false;
    const recording = Promise.all(
      producers.map(async (producer) => {
        while (!isOver) {
          await Promise.all(
            Array.from({ length: 1 + Math.floor(load() * 5) }, () => record(producer, ++next)),
          );
          await sleep(load() * 20);
        }
      }),
    );

    const directions = ['to-server', 'to-client', 'both'] as const;
    const direction = () => directions[Math.floor(random() * directions.length)] ?? 'both';
    const kill = async (empty: boolean): Promise<void> => {
      rig.server.signal('SIGKILL');
      await rig.server.exited;
      await rig.server.restart({ empty });
    };
    const cut = async (proxy: CutProxy): Promise<void> => {
      proxy.cut(direction());
      await sleep(1000 + random() * 1500);
      proxy.heal();
    };
    const faults: Readonly<Record<string, () => Promise<void>>> = {
      'server stopped and started': () => rig.server.restart(),
      'server killed': () => kill(false),
      'server killed, started empty': () => kill(true),
      'server paused': async () => {
        rig.server.signal('SIGSTOP');
        await sleep(1000 + random() * 1500);
        rig.server.signal('SIGCONT');
      },
      'producer cut off': () => cut(producerSide),
      'consumer cut off': () => cut(consumerSide),
      'connections broken off': async () => {
        producerSide.reset();
        consumerSide.reset();
      },
      'stream deleted': () => rig.remove('stream', 'AUDIT', 'audit-service'),
      'audit-service restarted': async () => {
        await service[Symbol.asyncDispose]();
        service = await startAuditService(world);
      },
    };
    const done: string[] = [];
    for (let n = 0; n < 8; n += 1) {
      const names = Object.keys(faults);
      const name = names[Math.floor(random() * names.length)] ?? '';
      await sleep(300 + random() * 700);
      // Not there to be deleted: then it is on its way already.
      await faults[name]?.().catch(() => undefined);
      done.push(name);
    }
    await sleep(500);
    isOver = true;
    await recording;

    for (const { trail } of producers)
      await eventually(() => trail.spool.depthBytes === 0, `${trail.spool.producer} is acknowledged`, 60_000);
    const client = await service.client();
    const seqs = new Map<string, bigint[]>();
    for await (const { leaves } of client.exportLeaves({})) {
      for (const leaf of leaves)
        seqs.set(leaf.producer, [...(seqs.get(leaf.producer) ?? []), leaf.producerSeq]);
    }
    for (const { trail, recorded } of producers) {
      const inLog = seqs.get(trail.spool.producer) ?? [];
      expect(inLog).toEqual(Array.from({ length: recorded }, (_, i) => BigInt(i + 1)));
    }
    const { verifierKey } = await client.getCheckpoint({});
    // At once, though the log goes on while it is read, since reading is recorded too.
    expect((await verifyLog(sourceOf(client), { verifierKey })).findings).toEqual([]);
    const counts = producers.map(({ recorded }) => recorded).join(' + ');
    process.stdout.write(`audit over NATS: seed ${SEED}, ${counts} events, faults: ${done.join('; ')}\n`);

    for (const { trail, bus } of producers) {
      await trail.dispose();
      await bus.close();
    }
    await service[Symbol.asyncDispose]();
  }, 180_000);
});
