import { describe, expect, test } from 'vitest';
import { admin, bench, fakeKeys, role } from '../../test/support.ts';
import { memoryStore } from '../store/memory.ts';
import { readPolicyModule } from '../clients/policy-module.ts';
import { planPutRole } from '../domain/plan-roles.ts';
import type { PolicyStore } from '../store/store.ts';

const module = await readPolicyModule();
const freshStore = () => memoryStore(module.roles);

/** What a process leaves behind that dies right after its commit. */
async function commitAndDie(store: PolicyStore): Promise<void> {
  const plan = (state: Parameters<typeof planPutRole>[0]) => planPutRole(state, role('orders'));
  await store.policy.update(plan, { actor: admin, atMs: 7 });
}

describe('a first start', () => {
  test('records, puts in force and announces the initial bindings', async () => {
    const order: string[] = [];
    const { publisher, recorded } = await bench({
      overrides: { announce: async (revision) => void order.push(`announce ${revision}`) },
    });
    await publisher.ensure(1n);
    expect(recorded.map(({ change }) => change.kind)).toEqual(['content-replaced', 'binding-put']);
    expect(order).toEqual(['announce 1']);
    expect(publisher.inForce()?.publication.revision).toBe(1n);
    await publisher[Symbol.asyncDispose]();
  });

  test('without key-service has nothing in force, and comes into force when it is there', async () => {
    const keys = fakeKeys();
    keys.away = true;
    const { publisher, store } = await bench({ keys });
    await expect(publisher.ensure(1n)).rejects.toMatchObject({ reason: 'unavailable' });
    expect(publisher.inForce()).toBeUndefined();
    expect(await store.publications.latest()).toBeUndefined();
    keys.away = false;
    await publisher.ensure(1n);
    expect(publisher.inForce()?.publication.revision).toBe(1n);
    await publisher[Symbol.asyncDispose]();
  });
});

describe('a crash', () => {
  test('between commit and announcement: the next start records, builds and announces', async () => {
    const store = freshStore();
    const first = await bench({ store });
    await first.publisher.ensure(1n);
    await first.publisher[Symbol.asyncDispose]();
    await commitAndDie(store);

    const second = await bench({ store, keys: first.keys });
    await second.publisher.ensure(2n);
    expect(second.recorded).toMatchObject([
      { revision: 2n, change: { kind: 'role-put' }, actor: admin, atMs: 7 },
    ]);
    expect(second.announced).toEqual([2n]);
    expect((await store.publications.latest())?.revision).toBe(2n);
    await second.publisher[Symbol.asyncDispose]();
  });

  test('between building and announcing: the next start announces without building again', async () => {
    const store = freshStore();
    const first = await bench({
      store,
      overrides: {
        announce: async () => {
          throw new Error('cut');
        },
      },
    });
    await first.publisher.ensure(1n);
    expect(await store.publications.announcedRevision()).toBe(0n);
    await first.publisher[Symbol.asyncDispose]();

    const keys = fakeKeys();
    keys.away = true;
    const second = await bench({ store, keys });
    await second.publisher.ensure(1n);
    await expect.poll(() => second.announced).toEqual([1n]);
    expect(await store.publications.announcedRevision()).toBe(1n);
    await second.publisher[Symbol.asyncDispose]();
  });

  test('between recording and marking it: the event is recorded again, under the same revision', async () => {
    const store = freshStore();
    const lossy = {
      ...store,
      changes: { ...store.changes, markRecorded: () => Promise.reject(new Error('cut')) },
    };
    const first = await bench({ store: lossy });
    await expect(first.publisher.ensure(1n)).rejects.toThrow('cut');
    expect(first.publisher.inForce()).toBeUndefined();
    await first.publisher[Symbol.asyncDispose]();

    const second = await bench({ store });
    await second.publisher.ensure(1n);
    expect(second.recorded[0]).toEqual(first.recorded[0]);
    await second.publisher[Symbol.asyncDispose]();
  });
});

describe('a restart without key-service', () => {
  test('serves the last good bundle', async () => {
    const store = freshStore();
    const first = await bench({ store });
    await first.publisher.ensure(1n);
    const bundle = first.publisher.inForce()?.publication.bundle;
    await first.publisher[Symbol.asyncDispose]();

    const keys = fakeKeys();
    keys.away = true;
    const second = await bench({ store, keys });
    // Not by toEqual: the difference of two bundles takes minutes to print.
    expect(bundle?.length).toBeGreaterThan(0);
    expect(
      Buffer.from(second.publisher.inForce()?.publication.bundle ?? []).equals(bundle ?? new Uint8Array()),
    ).toBe(true);
    await second.publisher[Symbol.asyncDispose]();
  });

  test.each([0, 40, -1])('never serves a kept bundle with a damaged byte (%i)', async (at) => {
    const store = freshStore();
    const first = await bench({ store });
    await first.publisher.ensure(1n);
    await first.publisher[Symbol.asyncDispose]();
    const kept = await store.publications.latest();
    if (kept === undefined) throw new Error('nothing was kept');
    const bundle = Uint8Array.from(kept.bundle);
    const index = at < 0 ? bundle.length + at : at;
    bundle[index] = (bundle[index] ?? 0) ^ 1;
    const damaged: PolicyStore = {
      ...store,
      publications: { ...store.publications, latest: async () => ({ ...kept, bundle }) },
    };
    const keys = fakeKeys();
    keys.away = true;
    const second = await bench({ store: damaged, keys });
    expect(second.publisher.inForce()).toBeUndefined();
    keys.away = false;
    await second.publisher.ensure(1n);
    expect(second.publisher.inForce()?.publication.revision).toBe(1n);
    await second.publisher[Symbol.asyncDispose]();
  });
});

test('a revision whose change cannot be recorded does not come into force', async () => {
  let full = false;
  const { publisher, store } = await bench({
    overrides: {
      record: async () => {
        if (full) throw new Error('spool full');
      },
    },
  });
  await publisher.ensure(1n);
  full = true;
  await commitAndDie(store);
  await expect(publisher.ensure(2n)).rejects.toThrow('spool full');
  expect(publisher.inForce()?.publication.revision).toBe(1n);
  full = false;
  await publisher.ensure(2n);
  expect(publisher.inForce()?.publication.revision).toBe(2n);
  await publisher[Symbol.asyncDispose]();
});

test('a bus that does not take the announcement keeps no revision out of force, and hears of it later', async () => {
  let broken = true;
  const announced: bigint[] = [];
  const { publisher } = await bench({
    overrides: {
      announce: async (revision) => {
        if (broken) throw new Error('no bus');
        announced.push(revision);
      },
    },
  });
  await publisher.ensure(1n);
  expect(publisher.problem()).toBeInstanceOf(Error);
  broken = false;
  publisher.wake();
  await expect.poll(() => announced).toEqual([1n]);
  expect(publisher.problem()).toBeUndefined();
  await publisher[Symbol.asyncDispose]();
});

test('a bundle of a key that is rotated while it is signed is not kept', async () => {
  const keys = fakeKeys();
  keys.beforeSign = () => {
    keys.beforeSign = () => undefined;
    keys.rotate();
  };
  const { publisher, store } = await bench({ keys });
  await publisher.ensure(1n).catch(() => undefined);
  await publisher.ensure(1n);
  expect((await store.publications.latest())?.keyId).toBe('policy-bundle/2');
  await publisher[Symbol.asyncDispose]();
});

test('a replica puts in force what another one published', async () => {
  const store = freshStore();
  const keys = fakeKeys();
  const one = await bench({ store, keys });
  await one.publisher.ensure(1n);
  const two = await bench({ store, keys });
  await two.publisher.ensure(1n);
  await commitAndDie(store);
  await one.publisher.ensure(2n);
  const signatures = keys.signatures;
  two.publisher.wake();
  await expect.poll(() => two.publisher.inForce()?.publication.revision).toBe(2n);
  expect(keys.signatures).toBe(signatures);
  await one.publisher[Symbol.asyncDispose]();
  await two.publisher[Symbol.asyncDispose]();
});
