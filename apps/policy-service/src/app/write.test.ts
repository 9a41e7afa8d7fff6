import { SallyportError, unavailable } from '@sallyport/service/errors';
import { describe, expect, test } from 'vitest';
import { admin, bench, fakeKeys, roleInput, type Bench } from '../../test/support.ts';
import { decide } from './decide.ts';
import { deleteBinding } from './delete-binding.ts';
import { deleteRole } from './delete-role.ts';
import { listBindings, listRoles } from './list-policy.ts';
import { putBinding } from './put-binding.ts';
import { putRole } from './put-role.ts';

const send = (destination: string, principal = 'user:alice') => ({
  principal,
  tenant: 'default',
  method: 'certificate',
  action: 'message.send',
  resource: { kind: 'destination', name: destination },
});

async function using(options: Parameters<typeof bench>[0], test: (b: Bench) => Promise<void>): Promise<void> {
  const b = await bench(options);
  try {
    await test(b);
  } finally {
    await b.publisher[Symbol.asyncDispose]();
  }
}

const reasonOf = async (promise: Promise<unknown>) => {
  const error = await promise.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  if (!(error instanceof SallyportError)) throw new Error('expected a SallyportError', { cause: error });
  return { reason: error.reason, field: error.field, message: error.message };
};

describe('one fact changed: decision and revision change', () => {
  test('a binding', async () => {
    await using({}, async ({ write, publisher }) => {
      await publisher.ensure(1n);
      const before = decide(publisher.inForce, send('echo'));
      expect(before).toMatchObject({ allowed: false, reasons: ['no_roles'], requires: ['role:sender'] });
      const revision = await putBinding(write, admin, { principal: 'user:alice', role: 'sender' });
      expect(decide(publisher.inForce, send('echo'))).toMatchObject({ allowed: true, revision });
      expect(revision).toBeGreaterThan(before.revision);
      const later = await deleteBinding(write, admin, { principal: 'user:alice', role: 'sender' });
      expect(later).toBe(revision + 1n);
      expect(decide(publisher.inForce, send('echo'))).toMatchObject({ allowed: false, revision: later });
    });
  });

  test('a permission of a role held', async () => {
    await using({}, async ({ write, publisher }) => {
      await putRole(write, admin, roleInput('orders'));
      await putBinding(write, admin, { principal: 'user:alice', role: 'orders' });
      expect(decide(publisher.inForce, send('orders.eu')).allowed).toBe(false);
      const permissions = [{ action: 'message.send', resource: 'orders.*' }];
      const revision = await putRole(write, admin, roleInput('orders', { permissions }));
      expect(decide(publisher.inForce, send('orders.eu'))).toMatchObject({ allowed: true, revision });
      expect(decide(publisher.inForce, send('echo'))).toMatchObject({ allowed: false, revision });
    });
  });

  test('a role inherited', async () => {
    await using({}, async ({ write, publisher }) => {
      await putRole(write, admin, roleInput('orders', { permissions: [] }));
      await putBinding(write, admin, { principal: 'user:alice', role: 'orders' });
      expect(decide(publisher.inForce, send('echo')).allowed).toBe(false);
      await putRole(write, admin, roleInput('orders', { permissions: [], inherits: ['sender'] }));
      const access = decide(publisher.inForce, send('echo'));
      expect(access).toMatchObject({ allowed: true, roles: ['guest', 'orders', 'sender'] });
    });
  });

  test.each([
    ['principal', { ...send('echo'), principal: 'user:bob' }],
    ['tenant', { ...send('echo'), tenant: 'other' }],
    ['action', { ...send('echo'), action: 'audit.read' }],
    ['resource', { ...send('*') }],
  ])('the %s asked about', async (_what, request) => {
    await using({}, async ({ write, publisher }) => {
      await putBinding(write, admin, { principal: 'user:alice', role: 'sender' });
      expect(decide(publisher.inForce, send('echo')).allowed).toBe(true);
      expect(decide(publisher.inForce, request).allowed).toBe(false);
    });
  });
});

describe('a write is refused', () => {
  const cases: [string, (b: Bench) => Promise<unknown>, string, string | undefined][] = [
    [
      'malformed role',
      ({ write }) => putRole(write, admin, roleInput('No')),
      'invalid_argument',
      'role.name',
    ],
    [
      'cycle',
      ({ write }) => putRole(write, admin, roleInput('a', { inherits: ['a'] })),
      'policy_invalid',
      'role.inherits',
    ],
    [
      'unknown parent',
      ({ write }) => putRole(write, admin, roleInput('a', { inherits: ['ghost'] })),
      'not_found',
      'role.inherits[0]',
    ],
    [
      'built-in role',
      ({ write }) => putRole(write, admin, roleInput('admin')),
      'policy_invalid',
      'role.name',
    ],
    [
      'too many parents',
      ({ write }) =>
        putRole(write, admin, roleInput('a', { inherits: Array.from({ length: 33 }, (_, i) => `p${i}`) })),
      'too_large',
      'role.inherits',
    ],
    ['deleting a ghost', ({ write }) => deleteRole(write, admin, 'ghost'), 'not_found', 'name'],
    ['deleting a built-in', ({ write }) => deleteRole(write, admin, 'sender'), 'policy_invalid', 'name'],
    ['deleting a bad name', ({ write }) => deleteRole(write, admin, '*'), 'invalid_argument', 'name'],
    [
      'binding a stranger of no kind',
      ({ write }) => putBinding(write, admin, { principal: 'alice', role: 'sender' }),
      'invalid_argument',
      'binding.principal',
    ],
    [
      'binding to a ghost',
      ({ write }) => putBinding(write, admin, { principal: 'user:alice', role: 'ghost' }),
      'not_found',
      'binding.role',
    ],
    [
      'the last admin',
      ({ write }) => deleteBinding(write, admin, { principal: 'user:admin', role: 'admin' }),
      'policy_invalid',
      'binding',
    ],
  ];

  test.each(cases)('%s', async (_what, attempt, reason, field) => {
    await using({}, async (b) => {
      const before = await b.store.policy.read();
      expect(await reasonOf(attempt(b))).toMatchObject({ reason, field });
      expect(await b.store.policy.read()).toEqual(before);
      expect(await b.store.changes.unrecorded(10)).toEqual([]);
    });
  });

  test('while nothing can be recorded', async () => {
    await using({}, async (b) => {
      await b.publisher.ensure(1n);
      const write = { ...b.write, checkRecorder: () => Promise.reject(unavailable('spool')) };
      await expect(putRole(write, admin, roleInput('a'))).rejects.toThrow('spool');
      expect((await b.store.policy.read()).revision).toBe(1n);
    });
  });
});

describe('key-service is away', () => {
  test('a write is stored, says so, and is not in force until it can be signed', async () => {
    await using({}, async (b) => {
      await b.publisher.ensure(1n);
      b.keys.away = true;
      const alice = { principal: 'user:alice', role: 'sender' };
      const answer = await reasonOf(putBinding(b.write, admin, alice));
      expect(answer.reason).toBe('unavailable');
      expect(answer.message).toContain('stored as revision 2 but not in force yet');
      expect(answer.message).toContain('key-service is not reachable');
      expect((await listBindings(b.store.policy, 'user:alice')).bindings).toEqual([alice]);
      expect(decide(b.publisher.inForce, send('echo'))).toMatchObject({ allowed: false, revision: 1n });

      // Recorded although not in force: the log knows of every stored change.
      expect(b.recorded.at(-1)).toMatchObject({ revision: 2n, actor: admin });

      b.keys.away = false;
      expect(await putBinding(b.write, admin, alice)).toBe(2n);
      expect(decide(b.publisher.inForce, send('echo'))).toMatchObject({ allowed: true, revision: 2n });
      expect(b.announced).toEqual([1n, 2n]);
    });
  });

  test('a write waits no longer than it may', async () => {
    const keys = fakeKeys();
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    await using({ keys, forceTimeout: async () => undefined }, async (b) => {
      await b.publisher.ensure(1n);
      keys.beforeSign = () => released;
      const answer = await reasonOf(putRole(b.write, admin, roleInput('slow')));
      expect(answer).toMatchObject({ reason: 'unavailable' });
      expect(answer.message).toContain('stored as revision 2');
      expect((await listRoles(b.store.policy)).roles.map(({ name }) => name)).toContain('slow');
      release();
      await b.publisher.ensure(2n);
    });
  });
});

test('writes at once lose nothing, and each is answered with a revision that has it', async () => {
  await using({}, async (b) => {
    const names = Array.from({ length: 30 }, (_, i) => `r${i}`);
    const revisions = await Promise.all(names.map((name) => putRole(b.write, admin, roleInput(name))));
    expect(new Set(revisions).size).toBe(names.length);
    const { roles, revision } = await listRoles(b.store.policy);
    expect(roles.map(({ name }) => name)).toEqual(expect.arrayContaining(names));
    expect(revision).toBe(31n);
    expect(b.publisher.inForce()?.publication.revision).toBe(31n);
    expect(b.announced).toEqual([...b.announced].sort((x, y) => Number(x - y)));
    expect(b.recorded.map((each) => each.revision).filter((each) => each > 1n)).toEqual(
      names.map((_, i) => BigInt(i + 2)),
    );
  });
});

test('the same write again makes no revision and no event', async () => {
  await using({}, async (b) => {
    const first = await putRole(b.write, admin, roleInput('a'));
    const events = b.recorded.length;
    expect(await putRole(b.write, admin, roleInput('a'))).toBe(first);
    expect(b.recorded).toHaveLength(events);
  });
});
