/** Conditions on arguments, and tools, over the wire. */
import { fromJson, type JsonObject, type MessageInitShape } from '@bufbuild/protobuf';
import { ListValueSchema, ValueSchema } from '@bufbuild/protobuf/wkt';
import { recordsOf } from '@sallyport/audit-log';
import { ED25519, toHex } from '@sallyport/crypto';
import { verifyBundle } from '@sallyport/policy-engine';
import { policyv1 } from '@sallyport/proto';
import type { GrpcClient } from '@sallyport/service/grpc';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { activeBundleKey } from '../src/clients/bundle-key.ts';
import { reasonOf, sighting } from './calls.ts';
import { createWorld, startPolicyService, type Started, type World } from './fixture.ts';

type Client = GrpcClient<typeof policyv1.PolicyService>;

let world: World;
let service: Started;
const clients = new Map<string, Client>();

beforeAll(async () => {
  world = await createWorld();
  service = await startPolicyService(world);
  for (const path of ['svc/gateway', 'user/admin']) clients.set(path, await service.client(path));
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

describe('conditions on arguments', () => {
  const admin = () => as('user/admin');
  const asked = (call: Parameters<Client['checkAccess']>[0]['call']) => ({
    subject: { ...subject, principal: 'user:payer' },
    action: 'context.tools.call',
    resourceKind: 'tool',
    resourceName: 'bank.pay',
    ...(call === undefined ? {} : { call }),
  });
  const check = (value: JsonObject) => admin().checkAccess(asked({ case: 'arguments', value }));

  test('a role with every operator comes back as it was put, decides, and says why', async () => {
    const when = [
      { argument: '/amount', operator: { case: 'atMost', value: 100 } },
      { argument: '/amount', operator: { case: 'atLeast', value: 1 } },
      { argument: '/to/iban', operator: { case: 'startsWith', value: 'DE' } },
      { argument: '/currency', operator: { case: 'equals', value: fromJson(ValueSchema, 'EUR') } },
      { argument: '/kind', operator: { case: 'oneOf', value: fromJson(ListValueSchema, ['a', 1, null]) } },
      { argument: '/file', operator: { case: 'within', value: '/srv/data' } },
      { argument: '/force', operator: { case: 'absent', value: true } },
    ] as const;
    const permissions = [{ action: 'context.tools.call', resource: 'bank.*', when: [...when] }];
    const { revision } = await admin().putRole({ role: { name: 'payer', permissions } });
    await admin().putBinding({ binding: { principal: 'user:payer', role: 'payer' } });
    const { roles } = await admin().listRoles({});
    const stored = roles.find(({ name }) => name === 'payer');
    expect(stored?.revision).toBe(revision);
    expect(stored?.permissions[0]?.when).toMatchObject(
      when.map(({ argument, operator }) => ({ argument, operator })),
    );

    const fine = { amount: 5, to: { iban: 'DE1' }, currency: 'EUR', kind: null, file: '/srv/data/x' };
    expect(await check(fine)).toMatchObject({ decision: { allowed: true } });
    for (const [path, value] of [
      ['/amount', { ...fine, amount: 101 }],
      ['/amount', { ...fine, amount: '5' }],
      ['/to/iban', { ...fine, to: {} }],
      ['/currency', { ...fine, currency: 'eur' }],
      ['/kind', { ...fine, kind: 2 }],
      ['/file', { ...fine, file: '/srv/data/../etc' }],
      ['/force', { ...fine, force: false }],
    ] as const) {
      const { decision } = await check(value);
      expect(decision, path).toMatchObject({ allowed: false, reasons: ['argument_refused'] });
      expect(decision?.requires).toContain(`argument:${path}`);
    }
    expect((await admin().checkAccess(asked({ case: 'anyArguments', value: true }))).decision?.allowed).toBe(
      true,
    );
    expect((await admin().checkAccess(asked(undefined))).decision?.allowed).toBe(false);
  });

  test.each<[string, MessageInitShape<typeof policyv1.ConditionSchema>, string]>([
    ['no pointer', { argument: 'a', operator: { case: 'absent', value: true } }, 'argument'],
    ['no operator', { argument: '/a' }, ''],
    ['absent: false', { argument: '/a', operator: { case: 'absent', value: false } }, 'absent'],
    ['infinity', { argument: '/a', operator: { case: 'atMost', value: Infinity } }, 'at_most'],
    ['no number', { argument: '/a', operator: { case: 'atLeast', value: NaN } }, 'at_least'],
    ['an empty prefix', { argument: '/a', operator: { case: 'startsWith', value: '' } }, 'starts_with'],
    ['a relative folder', { argument: '/a', operator: { case: 'within', value: 'srv' } }, 'within'],
    ['a folder with ..', { argument: '/a', operator: { case: 'within', value: '/srv/../etc' } }, 'within'],
    [
      'a folder with a slash at the end',
      { argument: '/a', operator: { case: 'within', value: '/srv/' } },
      'within',
    ],
    [
      'an object',
      { argument: '/a', operator: { case: 'equals', value: fromJson(ValueSchema, { a: 1 }) } },
      'equals',
    ],
    [
      'an integer that is not exact',
      { argument: '/a', operator: { case: 'equals', value: fromJson(ValueSchema, 2 ** 53) } },
      'equals',
    ],
    [
      'an empty list',
      { argument: '/a', operator: { case: 'oneOf', value: fromJson(ListValueSchema, []) } },
      'one_of',
    ],
    [
      'a list in a list',
      { argument: '/a', operator: { case: 'oneOf', value: fromJson(ListValueSchema, [[]]) } },
      'one_of',
    ],
  ])('refused: %s', async (_what, condition, member) => {
    const permissions = [{ action: 'a', resource: '*', when: [condition] }];
    const refusal = await reasonOf(admin().putRole({ role: { name: 'bad', permissions } }));
    const where = 'role.permissions[0].when[0]';
    expect(refusal).toMatchObject({
      reason: 'invalid_argument',
      field: member === '' ? where : `${where}.${member}`,
    });
  });

  test('more arguments than a question may carry are refused, whoever mentions them', async () => {
    const many = (from: number) => ({
      name: `paths-${from}`,
      permissions: [0, 1, 2].map((block) => ({
        action: 'a',
        resource: String(block),
        when: Array.from({ length: 16 }, (_, i) => ({
          argument: `/${from + block * 16 + i}`,
          operator: { case: 'absent', value: true } as const,
        })),
      })),
    });
    await admin().putRole({ role: many(0) });
    expect(await reasonOf(admin().putRole({ role: many(100) }))).toMatchObject({ reason: 'too_large' });
    await admin().deleteRole({ name: 'paths-0' });
  });

  test('a role that somebody else changed since it was read is not overwritten', async () => {
    const role = { name: 'shared', permissions: [{ action: 'a', resource: '*' }] };
    const other = { ...role, permissions: [{ action: 'b', resource: '*' }] };
    const first = await admin().putRole({ role, expectedRevision: 0n });
    expect(await reasonOf(admin().putRole({ role: other, expectedRevision: 0n }))).toMatchObject({
      reason: 'conflict',
      field: 'expected_revision',
    });
    const second = await admin().putRole({ role: other, expectedRevision: first.revision });
    expect((await reasonOf(admin().putRole({ role, expectedRevision: first.revision }))).reason).toBe(
      'conflict',
    );
    await admin().deleteRole({ name: 'shared' });
    expect((await reasonOf(admin().putRole({ role, expectedRevision: second.revision }))).reason).toBe(
      'conflict',
    );
  });
});

describe('tools', () => {
  const gateway = () => as('svc/gateway');
  const admin = () => as('user/admin');
  const observe = (...tools: ReturnType<typeof sighting>[]) =>
    gateway().observeTools({ instance: 'gateway-0#1', tools });
  async function pinsAt(revision: bigint) {
    return vi.waitFor(async () => {
      const pulled = await gateway().getBundle({ currentRevision: revision - 1n });
      expect(pulled.revision).toBeGreaterThanOrEqual(revision);
      const { keyId, publicKey } = await activeBundleKey(world.keys);
      const key = ED25519.publicKeyFromRaw(publicKey);
      if (key === undefined) throw new Error('not a key');
      const verified = await verifyBundle(pulled.bundle, new Map([[keyId, key]]));
      if (!verified.ok) throw new Error(verified.problem);
      return verified.bundle.toolPins;
    }, 10_000);
  }

  test('from first sight to drift, approval and rejection', async () => {
    world.events.length = 0;
    const one = sighting('files', 'read', 'reads');
    const two = sighting('files', 'read', 'reads, and more');
    const first = await observe(one, sighting('files', 'write'));
    const pinned = (await pinsAt(first.revision)).routes.get('files');
    expect(pinned?.get('read')).toEqual({ kind: 'pinned', digest: toHex(one.digest) });
    // Told again, nothing happens.
    expect((await observe(one)).revision).toBe(first.revision);

    // Another definition: the pin stays, no revision, a finding.
    expect((await observe(two)).revision).toBe(first.revision);
    const listed = await admin().listTools({ route: 'files', changedOnly: true });
    expect(listed.tools).toMatchObject([
      { tool: 'read', status: policyv1.ToolStatus.CHANGED, candidateRejected: false },
    ]);
    const shown = await admin().getTool({ route: 'files', tool: 'read' });
    expect(shown).toMatchObject({
      pinnedDefinition: one.definitionJson,
      candidateDefinition: two.definitionJson,
    });
    expect(shown.tool).toMatchObject({ seenBy: 'gateway-0#1', approvedBy: 'first-use' });
    const findings = () => world.events.flatMap(recordsOf).filter(({ action }) => action === 'tool_changed');
    expect(findings()).toMatchObject([{ destination: 'tool:files/read' }]);
    await observe(two);
    expect(findings()).toHaveLength(1);

    // What was reviewed is what is approved.
    const three = sighting('files', 'read', 'steals');
    await observe(three);
    expect(await reasonOf(admin().approveTool(two))).toMatchObject({ reason: 'conflict', field: 'digest' });
    const approved = await admin().approveTool(three);
    expect((await pinsAt(approved.revision)).routes.get('files')?.get('read')).toEqual({
      kind: 'pinned',
      digest: toHex(three.digest),
    });
    expect((await admin().approveTool(three)).revision).toBe(approved.revision);
    expect((await admin().getTool({ route: 'files', tool: 'read' })).tool).toMatchObject({
      status: policyv1.ToolStatus.PINNED,
      approvedBy: 'user:admin',
    });

    // A candidate is rejected, and the one in use after all.
    await observe(two);
    await admin().rejectTool(two);
    expect((await admin().listTools({ route: 'files', changedOnly: true })).tools).toEqual([]);
    const gone = await admin().rejectTool(three);
    expect((await pinsAt(gone.revision)).routes.get('files')?.get('read')).toEqual({ kind: 'unapproved' });

    const actions = world.events
      .flatMap(recordsOf)
      .filter(({ destination }) => destination === 'tool:files/read');
    expect(actions.map(({ principal, action, activity }) => `${principal} ${action} ${activity}`)).toEqual([
      'policy-service tools.observe create',
      ' tool_changed create',
      ' tool_changed create',
      'user:admin tools.write activate',
      ' tool_changed create',
      'user:admin tools.write deactivate',
      'user:admin tools.write deactivate',
    ]);
    expect(world.events.map((event) => JSON.stringify(event)).join('')).not.toContain('steals');
  });

  test('a server that shows another definition each time writes so many findings and no more', async () => {
    await observe(sighting('flip', 'x', '0'));
    world.events.length = 0;
    for (let i = 1; i <= 40; i += 1) await observe(sighting('flip', 'x', String(i)));
    expect(world.events.flatMap(recordsOf).filter(({ action }) => action === 'tool_changed')).toHaveLength(
      30,
    );
  });

  test.each([
    ['a route out of form', { route: 'Files' }, 'tools[0].route'],
    ['a tool without name', { tool: '' }, 'tools[0].tool'],
    ['a tool with a line break', { tool: 'a\nb' }, 'tools[0].tool'],
    ['a digest that is none', { digest: new Uint8Array(31) }, 'tools[0].digest'],
    ['a definition that is no JSON', { definitionJson: '{' }, 'tools[0].definition_json'],
    ['a definition that is a list', { definitionJson: '[]' }, 'tools[0].definition_json'],
    ['the definition of another tool', { definitionJson: '{"name":"other"}' }, 'tools[0].definition_json'],
    ['a definition of another digest', { definitionJson: '{"name":"read"}' }, 'tools[0].definition_json'],
  ])('refused: %s', async (_what, changes, field) => {
    const refusal = await reasonOf(observe({ ...sighting('bad', 'read', 'x'), ...changes }));
    expect(refusal).toMatchObject({ reason: 'invalid_argument', field });
    expect((await admin().listTools({ route: 'bad' })).tools).toEqual([]);
  });

  test('too many, too long, and twice are refused', async () => {
    const many = Array.from({ length: 101 }, (_, i) => sighting('bad', `t${i}`));
    expect((await reasonOf(observe(...many))).reason).toBe('too_large');
    const long = sighting('bad', 'read', 'x'.repeat(70_000));
    expect((await reasonOf(observe(long))).reason).toBe('too_large');
    expect((await reasonOf(observe(sighting('bad', 'a'), sighting('bad', 'a', 'x')))).reason).toBe(
      'invalid_argument',
    );
  });

  test('without its definition a tool is pinned by digest', async () => {
    const bare = { ...sighting('bare', 'read'), definitionJson: '' };
    const { revision } = await observe(bare);
    expect((await pinsAt(revision)).routes.get('bare')?.get('read')).toEqual({
      kind: 'pinned',
      digest: toHex(bare.digest),
    });
  });

  test('what nobody has seen is not found', async () => {
    const nowhere = sighting('nowhere', 'read');
    for (const asked of [
      admin().getTool(nowhere),
      admin().approveTool(nowhere),
      admin().rejectTool(nowhere),
    ]) {
      expect((await reasonOf(asked)).reason).toBe('not_found');
    }
  });

  test('pages', async () => {
    for (let page = 0; page < 11; page += 1) {
      await observe(...Array.from({ length: 100 }, (_, i) => sighting('pages', `t${page * 100 + i}`)));
    }
    const first = await admin().listTools({ route: 'pages' });
    expect([first.tools.length, first.hasMore]).toEqual([1_000, true]);
    const last = first.tools.at(-1);
    const rest = await admin().listTools({
      route: 'pages',
      afterRoute: 'pages',
      afterTool: last?.tool ?? '',
    });
    expect([rest.tools.length, rest.hasMore]).toEqual([100, false]);
    expect(new Set([...first.tools, ...rest.tools].map(({ tool }) => tool)).size).toBe(1_100);
  }, 60_000);
});
