import { getOption } from '@bufbuild/protobuf';
import { ED25519 } from '@sallyport/crypto';
import { verifyBundle } from '@sallyport/policy-engine';
import { access, keyv1, policyv1 } from '@sallyport/proto';
import { SallyportError } from '@sallyport/service/errors';
import { grpcClient, type GrpcClient } from '@sallyport/service/grpc';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { activeBundleKey } from '../src/clients/bundle-key.ts';
import { reasonOf, sighting } from './calls.ts';
import { createWorld, startPolicyService, stubKeyService, type Started, type World } from './fixture.ts';

type Client = GrpcClient<typeof policyv1.PolicyService>;

let world: World;
let service: Started;
const clients = new Map<string, Client>();

beforeAll(async () => {
  world = await createWorld();
  service = await startPolicyService(world);
  for (const path of ['svc/gateway', 'svc/auth-service', 'user/admin', 'user/auditor', 'user/alice']) {
    clients.set(path, await service.client(path));
  }
  await vi.waitFor(() => service.readiness['policy']?.(), 10_000);
}, 60_000);

afterAll(async () => {
  await service[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
});

function as(path: string): Client {
  const client = clients.get(path);
  if (client === undefined) throw new Error(path);
  return client;
}

const subject = { principal: 'user:alice', tenant: 'default', method: 'certificate' };
const sendTo = (resourceName: string) => ({
  subject,
  action: 'message.send',
  resourceKind: 'destination',
  resourceName,
});

describe('who may call', () => {
  const empty: { readonly [K in keyof Client & string]?: (client: Client) => Promise<unknown> } = {
    getBundle: (c) => c.getBundle({}),
    reportRevision: (c) => c.reportRevision({ instance: 'g', revision: 1n }),
    decide: (c) => c.decide(sendTo('echo')),
    checkAccess: (c) => c.checkAccess(sendTo('echo')),
    listRoles: (c) => c.listRoles({}),
    putRole: (c) => c.putRole({ role: { name: 'table' } }),
    deleteRole: (c) => c.deleteRole({ name: 'table' }),
    listBindings: (c) => c.listBindings({}),
    putBinding: (c) => c.putBinding({ binding: { principal: 'user:table', role: 'guest' } }),
    deleteBinding: (c) => c.deleteBinding({ binding: { principal: 'user:table', role: 'guest' } }),
    observeTools: (c) => c.observeTools({ instance: 'g', tools: [sighting('table', 'read')] }),
    listTools: (c) => c.listTools({}),
    getTool: (c) => c.getTool({ route: 'table', tool: 'read' }),
    approveTool: (c) => c.approveTool(sighting('table', 'read')),
    rejectTool: (c) => c.rejectTool(sighting('table', 'read')),
    getStatus: (c) => c.getStatus({}),
  };

  for (const method of policyv1.PolicyService.methods) {
    const { services, principalAction } = getOption(method, access);
    for (const path of ['svc/gateway', 'svc/auth-service', 'user/admin', 'user/auditor', 'user/alice']) {
      const isService = path.startsWith('svc/');
      const expected = isService
        ? services.includes(path.slice(4))
          ? 'answered'
          : 'caller_not_allowed'
        : principalAction === ''
          ? 'caller_not_allowed'
          : path === 'user/admin'
            ? 'answered'
            : 'denied';
      test(`${method.name} by ${path}: ${expected}`, async () => {
        const attempt = empty[method.localName as keyof Client & string];
        if (attempt === undefined) throw new Error(`no row for ${method.name}`);
        const outcome = await attempt(as(path)).then(
          () => 'answered',
          (error: unknown) => (error instanceof SallyportError ? error.reason : String(error)),
        );
        expect(outcome).toBe(expected);
      });
    }
  }
});

describe('a change, from request to force', () => {
  test('a role and a binding: pulled, verified, decided, recorded', async () => {
    const announced: Uint8Array[] = [];
    await using subscription = await world.bus.subscribe(
      'policy.bundle',
      {},
      async (m) => void announced.push(m.payload),
    );
    void subscription;
    const admin = as('user/admin');
    const gateway = as('svc/gateway');
    const before = await as('svc/auth-service').decide(sendTo('orders.eu'));
    expect(before.decision).toMatchObject({ allowed: false, reasons: ['no_roles'] });
    world.events.length = 0;

    const role = { name: 'orders', permissions: [{ action: 'message.send', resource: 'orders.*' }] };
    const put = await admin.putRole({ role });
    const bound = await admin.putBinding({ binding: { principal: 'user:alice', role: 'orders' } });
    expect(bound.revision).toBe(put.revision + 1n);

    const pulled = await gateway.getBundle({ currentRevision: put.revision });
    expect(pulled.revision).toBe(bound.revision);
    const { keyId, publicKey } = await activeBundleKey(world.keys);
    const key = ED25519.publicKeyFromRaw(publicKey);
    if (key === undefined) throw new Error('not a key');
    const verified = await verifyBundle(pulled.bundle, new Map([[keyId, key]]));
    expect(verified).toMatchObject({ ok: true, bundle: { revision: Number(bound.revision) } });
    const again = await gateway.getBundle({ currentRevision: pulled.revision });
    expect(again).toMatchObject({ revision: pulled.revision, bundle: { length: 0 } });

    const after = await as('svc/auth-service').decide(sendTo('orders.eu'));
    expect(after.decision).toMatchObject({ allowed: true, revision: bound.revision });
    const checked = await admin.checkAccess(sendTo('echo'));
    expect(checked).toMatchObject({
      decision: { allowed: false, requires: ['role:sender'] },
      roles: ['orders'],
    });
    await expect.poll(() => announced.length).toBeGreaterThanOrEqual(2);

    const changes = world.events.filter((event) => event.type === 'sallyport.audit.entity_management');
    expect(changes.map((event) => event.data)).toMatchObject([
      {
        actor: { user: { uid: 'user:admin' } },
        activity_name: 'create',
        entity: { type: 'role', uid: 'orders', version: put.revision.toString() },
        entity_result: { data: { permissions: role.permissions } },
      },
      {
        actor: { user: { uid: 'user:admin' } },
        entity: { type: 'binding', uid: 'user:alice orders', version: bound.revision.toString() },
      },
    ]);
  });

  test('before and after of a changed role are recorded', async () => {
    const admin = as('user/admin');
    await admin.putRole({ role: { name: 'twice', permissions: [{ action: 'a', resource: 'x' }] } });
    world.events.length = 0;
    await admin.putRole({ role: { name: 'twice', permissions: [{ action: 'a', resource: 'y' }] } });
    expect(
      world.events.find((event) => event.type === 'sallyport.audit.entity_management')?.data,
    ).toMatchObject({
      activity_name: 'update',
      entity: { data: { permissions: [{ action: 'a', resource: 'x' }] } },
      entity_result: { data: { permissions: [{ action: 'a', resource: 'y' }] } },
    });
  });

  test('built-in roles are listed as such; a caller cannot make one', async () => {
    const admin = as('user/admin');
    await admin.putRole({ role: { name: 'mine', builtIn: true } });
    const { roles } = await admin.listRoles({});
    const flags = new Map(roles.map(({ name, builtIn }) => [name, builtIn]));
    expect(flags.get('admin')).toBe(true);
    expect(flags.get('mine')).toBe(false);
  });

  test('ten writes at once: ten revisions, none lost', async () => {
    const admin = as('user/admin');
    const names = Array.from({ length: 10 }, (_, i) => `many-${i}`);
    const answers = await Promise.all(names.map((name) => admin.putRole({ role: { name } })));
    expect(new Set(answers.map(({ revision }) => revision)).size).toBe(10);
    const { roles } = await admin.listRoles({});
    expect(roles.map(({ name }) => name)).toEqual(expect.arrayContaining(names));
  });

  test('the slowest gateway is first', async () => {
    const gateway = as('svc/gateway');
    const { revision } = await gateway.getBundle({});
    await gateway.reportRevision({ instance: 'fast', revision });
    await gateway.reportRevision({ instance: 'slow', revision: revision - 1n });
    const status = await as('user/admin').getStatus({});
    expect(status.revision).toBe(revision);
    expect(status.builtAt).toBeDefined();
    expect(status.instances.map(({ instance }) => instance).filter((name) => name !== 'g')).toEqual([
      'slow',
      'fast',
    ]);
  });
});

describe('bad requests', () => {
  test.each<[string, (c: Client) => Promise<unknown>, string, string | undefined]>([
    ['no role', (c) => c.putRole({}), 'invalid_argument', 'role'],
    ['no binding', (c) => c.putBinding({}), 'invalid_argument', 'binding'],
    ['no subject', (c) => c.checkAccess({ action: 'a' }), 'invalid_argument', 'subject'],
    [
      'a bad pattern',
      (c) => c.putRole({ role: { name: 'p', permissions: [{ action: 'a*', resource: '*' }] } }),
      'invalid_argument',
      'role.permissions[0].action',
    ],
    [
      'a cycle',
      (c) => c.putRole({ role: { name: 'loop', inherits: ['loop'] } }),
      'policy_invalid',
      'role.inherits',
    ],
    [
      'an unknown parent',
      (c) => c.putRole({ role: { name: 'p', inherits: ['ghost'] } }),
      'not_found',
      'role.inherits[0]',
    ],
    [
      'too many permissions',
      (c) =>
        c.putRole({
          role: {
            name: 'p',
            permissions: Array.from({ length: 129 }, (_, i) => ({ action: `a${i}`, resource: '*' })),
          },
        }),
      'too_large',
      'role.permissions',
    ],
    [
      'the last admin',
      (c) => c.deleteBinding({ binding: { principal: 'user:admin', role: 'admin' } }),
      'policy_invalid',
      'binding',
    ],
    ['a bad principal to list', (c) => c.listBindings({ principal: '*' }), 'invalid_argument', 'principal'],
  ])('%s', async (_what, attempt, reason, field) => {
    expect(await reasonOf(attempt(as('user/admin')))).toMatchObject({ reason, field });
  });

  test('more than a message may have', async () => {
    const description = 'x'.repeat(5 * 1024 * 1024);
    const { reason } = await reasonOf(as('user/admin').putRole({ role: { name: 'p', description } }));
    expect(['too_large', 'busy']).toContain(reason);
  });
});

describe('with a key-service that goes and comes', () => {
  test('a write says it is stored only, decisions go on, and the bundle follows', async () => {
    const admin = as('user/admin');
    const { revision } = await as('svc/gateway').getBundle({});
    world.keys.away = true;
    const binding = { principal: 'user:alice', role: 'auditor' };
    const answer = await reasonOf(admin.putBinding({ binding }));
    expect(answer.reason).toBe('unavailable');
    expect(answer.message).toContain(`stored as revision ${revision + 1n} but not in force yet`);
    expect((await admin.listBindings({ principal: 'user:alice' })).bindings).toMatchObject(
      expect.arrayContaining([expect.objectContaining(binding)]),
    );
    expect((await as('svc/gateway').getBundle({ currentRevision: revision })).revision).toBe(revision);
    world.keys.away = false;
    expect((await admin.putBinding({ binding })).revision).toBe(revision + 1n);
    expect((await as('svc/gateway').getBundle({ currentRevision: revision })).bundle.length).toBeGreaterThan(
      0,
    );
  });
});

test('a stub that is not key-service is not believed', async () => {
  const impostorWorld = { ...world.authority, identity: () => world.authority.identity('svc/audit-service') };
  await using impostor = await stubKeyService(impostorWorld, world.keys);
  await using client = grpcClient(keyv1.KeyService, {
    address: impostor.address,
    expectedServer: 'key-service',
    identity: await world.authority.identity('svc/policy-service'),
    trust: world.authority.trust,
    deadlineMs: 1_000,
  });
  await expect(activeBundleKey(client)).rejects.toMatchObject({ reason: 'unavailable' });
});
