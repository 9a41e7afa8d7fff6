/** What every store must do. Run on each implementation by `store.test.ts`. */
import { beforeEach, describe, expect, test } from 'vitest';
import type { Actor, Publication } from '../../src/app/ports.ts';
import { parseInstanceName } from '../../src/domain/names.ts';
import { planDeleteBinding, planPutBinding } from '../../src/domain/plan-bindings.ts';
import { planDeleteRole, planPutRole } from '../../src/domain/plan-roles.ts';
import { bindingsOf, type Planner, type PolicyState } from '../../src/domain/policy-state.ts';
import type { PolicyStore } from '../../src/store/store.ts';
import { admin, binding, role, valid } from '../support.ts';

/** The roles each store under test is made with. */
export const builtInRoles = [role('admin', {}, true), role('sender', {}, true)];

const by = { actor: admin, atMs: 1_700_000_000_123 };
const put =
  (name: string, changes = {}): Planner =>
  (state) =>
    planPutRole(state, role(name, changes));
const bind =
  (principal: string, name: string): Planner =>
  (state) =>
    planPutBinding(state, binding(principal, name));

const publication = (revision: bigint, fill = 7): Publication => ({
  revision,
  bundle: new Uint8Array(2_000).fill(fill),
  keyId: `policy-bundle/${fill}`,
  publicKey: new Uint8Array(32).fill(fill),
  builtAtMs: 1_700_000_000_456,
});

const report = (name: string, revision: bigint, reportedAtMs: number) => ({
  instance: valid(parseInstanceName(name, 'instance')),
  revision,
  reportedAtMs,
});

/** `fresh` gives an empty store; `reopened` the same data through a new store, where the data outlives one. */
export function storeContract(
  name: string,
  make: { readonly fresh: () => Promise<PolicyStore>; readonly reopened?: () => Promise<PolicyStore> },
): void {
  describe(`policy store: ${name}`, () => {
    let store: PolicyStore;
    beforeEach(async () => {
      store = await make.fresh();
    });
    const read = async (): Promise<PolicyState> => (await (make.reopened?.() ?? store)).policy.read();

    test('is empty at revision 0, with the built-in roles', async () => {
      const state = await read();
      expect(state).toMatchObject({ revision: 0n, contentDigest: '' });
      expect([...state.roles.values()]).toEqual(builtInRoles);
      expect(state.bindings.size).toBe(0);
      expect(await store.publications.latest()).toBeUndefined();
      expect(await store.publications.announcedRevision()).toBe(0n);
    });

    test('keeps what was put, whole', async () => {
      const orders = role('orders', {
        inherits: ['sender'],
        permissions: [{ action: 'message.*', resource: `q"uote\\'d.*` }],
        description: 'größer — ∞',
      });
      const written = await store.policy.update((state) => planPutRole(state, orders), by);
      await store.policy.update(bind('user:alice', 'orders'), by);
      const state = await read();
      expect(written).toMatchObject({ kind: 'written', state: { revision: 1n } });
      expect(state.revision).toBe(2n);
      expect(state.roles.get(orders.name)).toEqual(orders);
      expect(bindingsOf(state)).toEqual([binding('user:alice', 'orders')]);
    });

    test('replaces a role', async () => {
      await store.policy.update(put('orders'), by);
      await store.policy.update(put('orders', { description: 'second' }), by);
      expect([...(await read()).roles.values()].filter((each) => each.name === 'orders')).toEqual([
        role('orders', { description: 'second' }),
      ]);
    });

    test('forgets what was deleted', async () => {
      const orders = role('orders');
      await store.policy.update(put('orders'), by);
      await store.policy.update(bind('user:alice', 'orders'), by);
      await store.policy.update((state) => planDeleteBinding(state, binding('user:alice', 'orders')), by);
      await store.policy.update((state) => planDeleteRole(state, orders.name), by);
      const state = await read();
      expect(state.roles.has(orders.name)).toBe(false);
      expect(state.bindings.size).toBe(0);
      expect(state.revision).toBe(4n);
    });

    test('stores nothing of a refused or empty plan', async () => {
      await store.policy.update(put('orders'), by);
      const before = await read();
      expect(await store.policy.update(put('orders'), by)).toEqual({ kind: 'unchanged', revision: 1n });
      expect((await store.policy.update(put('orders', { inherits: ['orders'] }), by)).kind).toBe('refused');
      expect(await read()).toEqual(before);
      expect(await store.changes.unrecorded(10)).toHaveLength(1);
    });

    test('stores nothing of a plan that throws', async () => {
      const failing = store.policy.update(() => {
        throw new Error('planner');
      }, by);
      await expect(failing).rejects.toThrow('planner');
      expect((await read()).revision).toBe(0n);
    });

    test('gives several changes of one plan one revision', async () => {
      await store.policy.update(
        () => ({
          kind: 'change',
          changes: [
            { kind: 'content-replaced', before: '', after: 'digest' },
            { kind: 'binding-put', after: binding('user:a', 'admin') },
            { kind: 'binding-put', after: binding('user:b', 'sender') },
          ],
        }),
        by,
      );
      expect(await read()).toMatchObject({ revision: 1n, contentDigest: 'digest' });
      const changes = await store.changes.unrecorded(10);
      expect(changes.map(({ revision, position }) => [revision, position])).toEqual([
        [1n, 0],
        [1n, 1],
        [1n, 2],
      ]);
    });

    test('loses no update of many at once, and each sees the one before', async () => {
      const seen: bigint[] = [];
      const names = Array.from({ length: 25 }, (_, i) => `r${i}`);
      const written = await Promise.all(
        names.map((each) =>
          store.policy.update((state) => {
            seen.push(state.revision);
            return planPutRole(state, role(each));
          }, by),
        ),
      );
      expect(seen).toEqual(names.map((_, i) => BigInt(i)));
      const revisions = written.map((each) => (each.kind === 'written' ? each.state.revision : 0n));
      expect(new Set(revisions).size).toBe(names.length);
      const state = await read();
      expect(state.revision).toBe(BigInt(names.length));
      expect(state.roles.size).toBe(names.length + builtInRoles.length);
    });

    test('lists the unrecorded changes oldest first, until each is marked', async () => {
      const before = role('orders');
      const after = role('orders', { permissions: [] });
      await store.policy.update(
        () => ({ kind: 'change', changes: [{ kind: 'role-put', before: undefined, after: before }] }),
        by,
      );
      await store.policy.update(
        () => ({ kind: 'change', changes: [{ kind: 'role-put', before, after }] }),
        by,
      );
      const service: Actor = { kind: 'service' };
      await store.policy.update(bind('user:alice', 'orders'), { actor: service, atMs: 5 });
      const first = {
        ...by,
        revision: 1n,
        position: 0,
        change: { kind: 'role-put', before: undefined, after: before },
      };
      const second = { ...by, revision: 2n, position: 0, change: { kind: 'role-put', before, after } };
      const third = {
        actor: service,
        atMs: 5,
        revision: 3n,
        position: 0,
        change: { kind: 'binding-put', after: binding('user:alice', 'orders') },
      };
      expect(await store.changes.unrecorded(10)).toEqual([first, second, third]);
      expect(await store.changes.unrecorded(1)).toEqual([first]);
      await store.changes.markRecorded({ revision: 2n, position: 0 });
      expect(await store.changes.unrecorded(10)).toEqual([first, third]);
    });

    test('keeps the newest bundle only', async () => {
      await store.publications.save(publication(3n));
      expect(await store.publications.latest()).toEqual(publication(3n));
      await store.publications.save(publication(2n, 9));
      expect(await store.publications.latest()).toEqual(publication(3n));
      await store.publications.save(publication(3n, 8));
      expect(await store.publications.latest()).toEqual(publication(3n, 8));
      await store.publications.save(publication(4n));
      const again = await (make.reopened?.() ?? store);
      expect(await again.publications.latest()).toEqual(publication(4n));
    });

    test('knows the revision of the kept one without reading it', async () => {
      expect(await store.publications.latestRevision()).toBe(0n);
      await store.publications.save(publication(7n));
      await store.publications.save(publication(6n));
      expect(await store.publications.latestRevision()).toBe(7n);
    });

    test('never takes an announcement back', async () => {
      await store.publications.markAnnounced(5n);
      await store.publications.markAnnounced(4n);
      expect(await store.publications.announcedRevision()).toBe(5n);
    });

    test('keeps one report per instance, and forgets old ones', async () => {
      await store.reports.put(report('a', 1n, 10));
      await store.reports.put(report('b', 2n ** 60n, 20));
      await store.reports.put(report('a', 2n, 30));
      await store.reports.prune(20);
      const list = [...(await store.reports.list())].sort((x, y) => (x.instance < y.instance ? -1 : 1));
      expect(list).toEqual([report('a', 2n, 30), report('b', 2n ** 60n, 20)]);
      await store.reports.prune(21);
      expect(await store.reports.list()).toEqual([report('a', 2n, 30)]);
    });
  });
}
