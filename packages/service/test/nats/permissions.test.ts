/** Every service against every subject, asked of a real server. The table is written out: the code is not its own witness. */
import { errors, type NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SERVICE_NAMES, type ServiceName } from '../../src/identity/index.ts';
import { natsRoutePermissions, openNatsBus, provisionNats } from '../../src/nats/index.ts';
import { type NatsRig, serverSuite, startNatsRig } from '../../src/testing/index.ts';

const all = SERVICE_NAMES;
const audit = ['audit-service'] as const;

/** Who may; nobody else. `*` and `>` are asked for literally. */
const rows: readonly {
  readonly subject: string;
  readonly publish?: readonly ServiceName[];
  readonly subscribe?: readonly ServiceName[];
}[] = [
  ...all.map((name) => ({ subject: `audit.events.${name}`, publish: [name] })),
  { subject: 'audit.events.other' },
  { subject: 'audit.events.*' },
  { subject: 'audit.>' },
  { subject: '>' },
  ...all.map((name) => ({ subject: `audit.ack.${name}.1f`, publish: audit, subscribe: [name] })),
  { subject: 'audit.ack.*.*', publish: audit },
  {
    subject: 'policy.bundle',
    publish: ['policy-service'],
    subscribe: ['policy-service', 'gateway'],
  },
  {
    subject: 'policy.bundle.heartbeat',
    publish: ['policy-service'],
    subscribe: ['policy-service', 'gateway'],
  },
  { subject: 'sessions.revoked', publish: ['auth-service'], subscribe: ['gateway'] },
  { subject: 'sessions.revoked.heartbeat', publish: ['auth-service'], subscribe: ['gateway'] },
  {
    subject: 'keys.changed',
    publish: ['key-service'],
    subscribe: ['gateway', 'key-service', 'policy-service', 'audit-service'],
  },
  {
    subject: 'keys.changed.heartbeat',
    publish: ['key-service'],
    subscribe: ['gateway', 'key-service', 'policy-service', 'audit-service'],
  },
  // Answers to others: forging one is as good as being the broker.
  ...all.map((name) => ({ subject: `_INBOX_${name}.1.2`, subscribe: [name] })),
  { subject: '_INBOX.>' },
  // JetStream: one stream, one consumer, nothing that removes or reads beside it.
  { subject: '$JS.API.STREAM.INFO.AUDIT', publish: audit },
  { subject: '$JS.API.STREAM.CREATE.AUDIT', publish: audit },
  { subject: '$JS.API.CONSUMER.INFO.AUDIT.audit-service', publish: audit },
  { subject: '$JS.API.CONSUMER.CREATE.AUDIT.audit-service.audit.events.*', publish: audit },
  { subject: '$JS.API.CONSUMER.MSG.NEXT.AUDIT.audit-service', publish: audit },
  { subject: '$JS.ACK.AUDIT.audit-service.1.1.1.1.0', publish: audit },
  { subject: '$JS.ACK.OTHER.audit-service.1.1.1.1.0' },
  { subject: '$JS.API.INFO' },
  { subject: '$JS.API.STREAM.NAMES' },
  { subject: '$JS.API.STREAM.LIST' },
  { subject: '$JS.API.STREAM.CREATE.OTHER' },
  { subject: '$JS.API.STREAM.UPDATE.AUDIT' },
  { subject: '$JS.API.STREAM.DELETE.AUDIT' },
  { subject: '$JS.API.STREAM.PURGE.AUDIT' },
  { subject: '$JS.API.STREAM.MSG.GET.AUDIT' },
  { subject: '$JS.API.STREAM.MSG.DELETE.AUDIT' },
  { subject: '$JS.API.DIRECT.GET.AUDIT' },
  { subject: '$JS.API.CONSUMER.CREATE.AUDIT' },
  { subject: '$JS.API.CONSUMER.DURABLE.CREATE.AUDIT.spy' },
  { subject: '$JS.API.CONSUMER.CREATE.AUDIT.spy.audit.events.*' },
  { subject: '$JS.API.CONSUMER.DELETE.AUDIT.audit-service' },
  { subject: '$JS.API.CONSUMER.MSG.NEXT.AUDIT.spy' },
  { subject: '$JS.EVENT.ADVISORY.>' },
  { subject: '$SYS.>' },
  { subject: 'route.orders' },
];

const suite = await serverSuite('nats');
let rig: NatsRig;
const connections = new Map<string, NatsConnection>();
const routes = 'gateway-routes';

beforeAll(async () => {
  if (suite.skip) return;
  rig = await startNatsRig({ users: { [routes]: natsRoutePermissions(routes, ['route.orders']) } });
  for (const name of [...all, routes]) connections.set(name, await rig.raw(name));
});
afterAll(async () => {
  for (const connection of connections.values()) await connection.close();
  await rig?.[Symbol.asyncDispose]();
});

function connectionOf(name: string): NatsConnection {
  const connection = connections.get(name);
  if (connection === undefined) throw new Error(`no connection of ${name}`);
  return connection;
}

async function mayPublish(name: string, subject: string): Promise<boolean> {
  const connection = connectionOf(name);
  const refused = new Set<string>();
  const statuses = connection.status();
  void (async () => {
    for await (const status of statuses) {
      if (status.type === 'error' && status.error instanceof errors.PermissionViolationError)
        refused.add(status.error.subject);
    }
  })();
  connection.publish(subject, new Uint8Array());
  await connection.flush();
  await new Promise((resolve) => setTimeout(resolve, 2));
  return !refused.has(subject);
}

async function maySubscribe(name: string, subject: string): Promise<boolean> {
  let isRefused = false;
  const subscription = connectionOf(name).subscribe(subject, {
    callback: (error) => {
      isRefused ||= error !== null;
    },
  });
  await connectionOf(name).flush();
  if (!subscription.isClosed()) subscription.unsubscribe();
  return !isRefused;
}

describe.skipIf(suite.skip)(suite.title('what a service may on NATS'), () => {
  for (const name of all) {
    describe(name, () => {
      test.each(rows.map((row) => [row.subject, row.publish?.includes(name) ?? false] as const))(
        'publishing on %s: %s',
        async (subject, may) => {
          expect(await mayPublish(name, subject)).toBe(may);
        },
      );
      test.each(rows.map((row) => [row.subject, row.subscribe?.includes(name) ?? false] as const))(
        'subscribing to %s: %s',
        async (subject, may) => {
          expect(await maySubscribe(name, subject)).toBe(may);
        },
      );
    });
  }

  test.each(rows.map(({ subject }) => subject))("the gateway's user for routes on %s", async (subject) => {
    expect([await mayPublish(routes, subject), await maySubscribe(routes, subject)]).toEqual([
      subject === 'route.orders',
      false,
    ]);
  });

  test.each(all.filter((name) => name !== 'audit-service'))('%s cannot provision', async (name) => {
    await expect(provisionNats(rig.options(name))).rejects.toMatchObject({ kind: 'refused' });
  });

  test('audit-service provisions, twice, and consumes what each service sends', async () => {
    await provisionNats(rig.options('audit-service'));
    await provisionNats(rig.options('audit-service'));
    await using consumer = await openNatsBus(rig.options('audit-service'));
    const got: string[] = [];
    await consumer.subscribe(
      'audit.events.*',
      { durable: 'audit-service', maxInFlight: 64 },
      async ({ subject }) => void got.push(subject),
    );
    for (const name of all) {
      await using bus = await openNatsBus(rig.options(name));
      await bus.publish(`audit.events.${name}`, new Uint8Array([1]));
      const other = all.find((candidate) => candidate !== name) ?? name;
      await expect(bus.publish(`audit.events.${other}`, new Uint8Array([1]))).rejects.toMatchObject({
        kind: 'refused',
      });
    }
    await expect.poll(() => got.toSorted()).toEqual(all.map((name) => `audit.events.${name}`).toSorted());
  });

  test('the bus says that it is refused: a publication, a subscription, a durable one', async () => {
    await using bus = await openNatsBus(rig.options('gateway'));
    const nothing = async (): Promise<void> => undefined;
    await expect(bus.publish('keys.changed', new Uint8Array())).rejects.toMatchObject({ kind: 'refused' });
    await expect(bus.subscribe('audit.events.*', {}, nothing)).rejects.toMatchObject({ kind: 'refused' });
    await expect(
      bus.subscribe('audit.events.*', { durable: 'audit-service' }, nothing),
    ).rejects.toMatchObject({
      kind: 'refused',
    });
    await bus.check();
  });
});
