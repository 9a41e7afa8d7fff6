import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { decodeEvent, recordsOf, type AuditEvent } from '@sallyport/audit-log';
import { eventsv1 } from '@sallyport/proto';
import { openPglite, type DatabaseHost } from '@sallyport/service/database';
import { memoryTrail } from '@sallyport/service/testing';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { readPolicyModule } from '../src/clients/policy-module.ts';
import { createWorld, startPolicyService, type Started, type World } from './fixture.ts';

let world: World;

let host: DatabaseHost;

beforeAll(async () => {
  host = await openPglite({ memory: true });
}, 60_000);

afterAll(() => host.close());

beforeEach(async () => {
  world = await createWorld(host);
});

afterEach(() => world[Symbol.asyncDispose]());

const ready = (service: Started) => vi.waitFor(() => service.readiness['policy']?.(), 10_000);
const changes = () =>
  world.events.flatMap((event) => (event.type === 'sallyport.audit.entity_management' ? [event.data] : []));

const keyChanged = (purpose: string, keyId: string) =>
  toBinary(
    eventsv1.KeyChangedSchema,
    create(eventsv1.KeyChangedSchema, { name: `signing/${purpose}`, purpose, keyId, state: 'ACTIVE' }),
  );

test('an empty database gets the initial bindings, recorded as the work of the service', async () => {
  await using service = await startPolicyService(world);
  await ready(service);
  const admin = await service.client('user/admin');
  const { bindings, revision } = await admin.listBindings({});
  expect(revision).toBe(1n);
  expect(bindings.map(({ principal, role }) => `${principal} ${role}`)).toEqual([
    'user:admin admin',
    'user:auditor auditor',
  ]);
  expect(changes()).toMatchObject([
    { actor: { app_name: 'policy-service' }, entity: { type: 'policy' } },
    { actor: { app_name: 'policy-service' }, entity: { uid: 'user:admin admin' } },
    { actor: { app_name: 'policy-service' }, entity: { uid: 'user:auditor auditor' } },
  ]);
});

test('another start with other initial bindings gives nobody anything', async () => {
  {
    await using service = await startPolicyService(world);
    await ready(service);
  }
  const builtIn = [{ principal: 'user:mallory', role: 'admin' }];
  await using service = await startPolicyService(world, { config: { builtIn } });
  const mallory = await service.client('user/mallory');
  await expect(mallory.listRoles({})).rejects.toMatchObject({ reason: 'denied' });
  expect(changes()).toHaveLength(3);
});

test('a restart without key-service serves and decides by the bundle kept', async () => {
  let bundle: Uint8Array;
  {
    await using service = await startPolicyService(world);
    await ready(service);
    ({ bundle } = await (await service.client('svc/gateway')).getBundle({}));
  }
  world.keys.away = true;
  await using service = await startPolicyService(world);
  await service.readiness['policy']?.();
  const served = await (await service.client('svc/gateway')).getBundle({});
  expect(Buffer.from(served.bundle).equals(bundle)).toBe(true);
  await (await service.client('user/admin')).listRoles({});
});

test('a first start without key-service denies, is not ready, and becomes ready by itself', async () => {
  world.keys.away = true;
  await using service = await startPolicyService(world);
  await expect(service.readiness['policy']?.()).rejects.toMatchObject({ reason: 'unavailable' });
  const admin = await service.client('user/admin');
  await expect(admin.listRoles({})).rejects.toMatchObject({ reason: 'policy_unavailable' });
  const gateway = await service.client('svc/gateway');
  await expect(gateway.getBundle({})).rejects.toMatchObject({ reason: 'policy_unavailable' });
  world.keys.away = false;
  await ready(service);
  await admin.listRoles({});
});

test('a release with other built-in roles makes a new revision that every gateway pulls', async () => {
  {
    await using service = await startPolicyService(world);
    await ready(service);
  }
  const module = await readPolicyModule();
  await using service = await startPolicyService(world, {
    overrides: { module: { ...module, digest: 'next' } },
  });
  const gateway = await service.client('svc/gateway');
  await vi.waitFor(
    async () => expect((await gateway.getBundle({ currentRevision: 1n })).revision).toBe(2n),
    10_000,
  );
  expect(changes().at(-1)).toMatchObject({
    entity: { type: 'policy' },
    entity_result: { data: { digest: 'next' } },
  });
});

test('while the spool is full a change is refused and not stored', async () => {
  let full = false;
  await using service = await startPolicyService(world, {
    overrides: { startAuditTrail: memoryTrail(world.events, () => full) },
  });
  await ready(service);
  const admin = await service.client('user/admin');
  full = true;
  await expect(admin.putRole({ role: { name: 'unseen' } })).rejects.toMatchObject({ reason: 'spool_full' });
  await expect(service.readiness['audit']?.()).rejects.toThrow('no room');
  full = false;
  const { roles, revision } = await admin.listRoles({});
  expect(roles.map(({ name }) => name)).not.toContain('unseen');
  expect(revision).toBe(1n);
});

test('a bundle key that is replaced brings a bundle under the new key', async () => {
  await using service = await startPolicyService(world);
  await ready(service);
  const gateway = await service.client('svc/gateway');
  world.keys.rotate();
  await world.bus.publish('keys.changed', keyChanged('policy-bundle', 'policy-bundle/2'));
  await vi.waitFor(
    async () => expect((await gateway.getBundle({ currentRevision: 1n })).revision).toBe(2n),
    10_000,
  );
  expect(changes().at(-1)).toMatchObject({
    entity: { type: 'policy', data: { key: 'policy-bundle/1' } },
    entity_result: { data: { key: 'policy-bundle/2' } },
  });
  // Told twice, done once; keys of other purposes and noise are not ours.
  await world.bus.publish('keys.changed', keyChanged('policy-bundle', 'policy-bundle/2'));
  await world.bus.publish('keys.changed', keyChanged('audit-checkpoint', 'x'));
  await world.bus.publish('keys.changed', Uint8Array.of(255));
  const admin = await service.client('user/admin');
  expect((await admin.putRole({ role: { name: 'next' } })).revision).toBe(3n);
});

test('a bundle key that was replaced while nobody listened brings a bundle under the new key', async () => {
  {
    await using service = await startPolicyService(world);
    await ready(service);
  }
  world.keys.rotate();
  await using service = await startPolicyService(world);
  const gateway = await service.client('svc/gateway');
  await vi.waitFor(
    async () => expect((await gateway.getBundle({ currentRevision: 1n })).revision).toBe(2n),
    10_000,
  );
});

test('calls and changes leave through a real spool, the denied ones too', async () => {
  const spoolDirectory = await mkdtemp(join(tmpdir(), 'sallyport-policy-'));
  const shipped: AuditEvent[] = [];
  await using shipping = await world.bus.subscribe('audit.events.*', {}, async ({ payload }) => {
    for (const body of fromBinary(eventsv1.AuditBatchSchema, payload).bodies) {
      const decoded = decodeEvent(body);
      if (decoded.ok) shipped.push(decoded.event);
    }
  });
  try {
    await using service = await startPolicyService(world, { config: { spoolDirectory }, realTrail: true });
    await ready(service);
    await (await service.client('user/admin')).putRole({ role: { name: 'seen' } });
    const alice = await service.client('user/alice');
    await expect(alice.putRole({ role: { name: 'unseen' } })).rejects.toMatchObject({ reason: 'denied' });
    const rows = () => shipped.flatMap((event) => recordsOf(event));
    await vi.waitFor(
      () =>
        expect(rows()).toMatchObject(
          expect.arrayContaining([
            expect.objectContaining({
              principal: 'user:admin',
              destination: 'role:seen',
              outcome: 'success',
            }),
            expect.objectContaining({ principal: 'user:admin', action: 'policy.write', decision: 'allow' }),
            expect.objectContaining({ principal: 'user:alice', action: 'policy.write', decision: 'deny' }),
          ]),
        ),
      5_000,
    );
  } finally {
    await shipping.unsubscribe();
    await rm(spoolDirectory, { recursive: true, force: true });
  }
});

test.each([
  ['a principal of no kind', [{ principal: 'admin', role: 'admin' }], 'builtIn[0].principal'],
  ['a bad role name', [{ principal: 'user:a', role: 'Admin' }], 'builtIn[0].role'],
])('initial bindings with %s stop the start, saying where', async (_what, builtIn, key) => {
  await expect(startPolicyService(world, { config: { builtIn } })).rejects.toMatchObject({
    name: 'ConfigError',
    problems: [{ key }],
  });
});

test('an initial binding to a role that does not exist stops the start', async () => {
  const builtIn = [{ principal: 'user:a', role: 'ghost' }];
  await expect(startPolicyService(world, { config: { builtIn } })).rejects.toMatchObject({
    reason: 'not_found',
    field: 'builtIn[0]',
  });
});
