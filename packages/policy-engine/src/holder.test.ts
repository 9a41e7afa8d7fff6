import { describe, expect, test } from 'vitest';
import { DENY, ALLOW, fakeModule } from './testing/fake-module.ts';
import { bind, bundleKeys, contentOf, requestOf, signer, testClock } from '../test/support.ts';
import { buildBundle } from './bundle.ts';
import type { BundleContent, BundleKeys } from './bundle.ts';
import { PolicyEngine } from './engine.ts';
import { BundleHolder } from './holder.ts';
import type { LastGoodStore } from './holder.ts';

const alice = requestOf('user:alice', 'message.send', 'echo');
const build = (overrides: Partial<BundleContent>): Promise<Uint8Array> =>
  buildBundle(contentOf(overrides), signer);

type MemoryStore = LastGoodStore & {
  stored: { bytes: Uint8Array; storedAtMs: number } | undefined;
  isFull: boolean;
};

function memoryStore(epoch: { nowMs: number }): MemoryStore {
  const store: MemoryStore = {
    stored: undefined,
    isFull: false,
    read: () => Promise.resolve(store.stored),
    write: (bytes) => {
      if (store.isFull) return Promise.reject(new Error('disk full'));
      store.stored = { bytes, storedAtMs: epoch.nowMs };
      return Promise.resolve();
    },
    touch: (atMs) => {
      if (store.stored !== undefined) store.stored = { ...store.stored, storedAtMs: atMs };
      return Promise.resolve();
    },
  };
  return store;
}

function start(earlier?: { store: MemoryStore; epoch: { nowMs: number } }) {
  const epoch = earlier?.epoch ?? { nowMs: 1_800_000_000_000 };
  const store = earlier?.store ?? memoryStore(epoch);
  const clock = testClock();
  const trust: { keys: BundleKeys | Error } = { keys: bundleKeys };
  const engine = new PolicyEngine({ monotonicMs: clock.monotonicMs });
  const holder = new BundleHolder({
    engine,
    store,
    keys: () => (trust.keys instanceof Error ? Promise.reject(trust.keys) : trust.keys),
    monotonicMs: clock.monotonicMs,
    epochMs: () => epoch.nowMs,
  });
  const pass = (ms: number): void => {
    clock.nowMs += ms;
    epoch.nowMs += ms;
  };
  return { holder, engine, store, epoch, trust, pass };
}

test('at first there is nothing, and everything is denied', async () => {
  const { holder, engine } = start();
  expect(await holder.restore()).toBeUndefined();
  expect(holder.current).toBeUndefined();
  expect(holder.revision).toBe(0);
  expect(engine.decide(alice).reasons).toEqual(['policy_missing']);
});

test('a bundle offered is in force, and stored', async () => {
  const { holder, engine, store } = start();
  const bytes = await build({ revision: 3 });
  expect(await holder.offer(bytes)).toEqual({ kind: 'swapped', revision: 3, isPersisted: true });
  expect(holder.current).toMatchObject({ revision: 3, source: 'offered', ageMs: 0 });
  expect(engine.decide(alice)).toMatchObject({ decision: 'allow', policyRevision: 3 });
  expect(store.stored?.bytes).toEqual(bytes);
});

test('a newer one takes its place: one role flipped, decision and revision change', async () => {
  const { holder, engine } = start();
  await holder.offer(await build({ revision: 3 }));
  expect(engine.decide(alice)).toMatchObject({ decision: 'allow', policyRevision: 3 });
  await holder.offer(await build({ revision: 4, bindings: bind('user:alice', 'guest') }));
  expect(engine.decide(alice)).toMatchObject({ decision: 'deny', policyRevision: 4 });
});

test('pins of tools are those of the bundle in force, also after a restart', async () => {
  const first = start();
  expect(first.holder.pinOf('files', 'read')).toBeUndefined();
  expect(first.holder.toolPinning).toBe('first-use');
  const pin = { kind: 'pinned', digest: 'ab'.repeat(32) } as const;
  const routes = new Map([['files', new Map([['read', pin]])]]);
  await first.holder.offer(await build({ revision: 3, toolPins: { mode: 'approve', routes } }));
  const second = start(first);
  await second.holder.restore();
  for (const { holder } of [first, second]) {
    expect(holder.pinOf('files', 'read')).toEqual(pin);
    expect(holder.pinOf('files', 'write')).toBeUndefined();
    expect(holder.pinOf('other', 'read')).toBeUndefined();
    expect(holder.toolPinning).toBe('approve');
  }
  await second.holder.offer(await build({ revision: 4 }));
  expect(second.holder.pinOf('files', 'read')).toBeUndefined();
  expect(second.holder.toolPinning).toBe('first-use');
});

describe('refused, with the one before still in force', () => {
  const refusals: Record<string, [offered: () => Promise<Uint8Array>, problem: string]> = {
    'an older revision': [() => build({ revision: 2 }), 'rollback'],
    'the same revision with other content': [() => build({ revision: 3, bindings: [] }), 'conflict'],
    noise: [() => Promise.resolve(new Uint8Array(10)), 'not_gzip'],
    'a policy that allows strangers': [
      () => build({ revision: 4, wasm: fakeModule({ short: ALLOW }) }),
      'unfit',
    ],
    'an unknown key': [
      () => buildBundle(contentOf({ revision: 4 }), { ...signer, keyId: 'x' }),
      'key_unknown',
    ],
  };
  test.each(Object.entries(refusals))('%s', async (_name, [offered, problem]) => {
    const { holder, engine, store } = start();
    await holder.offer(await build({ revision: 3 }));
    const before = store.stored;
    expect(await holder.offer(await offered())).toMatchObject({ kind: 'refused', problem });
    expect(holder.revision).toBe(3);
    expect(engine.decide(alice)).toMatchObject({ decision: 'allow', policyRevision: 3 });
    expect(store.stored).toBe(before);
  });

  test('keys that cannot be had', async () => {
    const { holder, trust } = start();
    trust.keys = new Error('key-service is down');
    expect(await holder.offer(await build({ revision: 3 }))).toMatchObject({ problem: 'keys_unavailable' });
    trust.keys = bundleKeys;
    expect(await holder.offer(await build({ revision: 3 }))).toMatchObject({ kind: 'swapped' });
  });
});

describe('age', () => {
  test('grows, and starts anew when the same bundle is offered again or confirmed', async () => {
    const { holder, pass } = start();
    const bytes = await build({ revision: 3 });
    await holder.offer(bytes);
    pass(5000);
    expect(holder.current?.ageMs).toBe(5000);
    expect(await holder.offer(bytes)).toEqual({ kind: 'unchanged', revision: 3 });
    expect(holder.current?.ageMs).toBe(0);
    pass(7000);
    holder.confirm(3);
    expect(holder.current?.ageMs).toBe(0);
  });

  test('is not reset by the confirmation of another revision', async () => {
    const { holder, pass } = start();
    await holder.offer(await build({ revision: 3 }));
    pass(5000);
    holder.confirm(4);
    expect(holder.current?.ageMs).toBe(5000);
  });
});

describe('a restart', () => {
  test('starts with the last good one, as old as it is', async () => {
    const first = start();
    await first.holder.offer(await build({ revision: 3 }));
    first.epoch.nowMs += 60_000;
    const second = start(first);
    expect(await second.holder.restore()).toEqual({ kind: 'swapped', revision: 3, isPersisted: true });
    expect(second.holder.current).toMatchObject({ revision: 3, source: 'restored', ageMs: 60_000 });
    expect(second.engine.decide(alice).decision).toBe('allow');
  });

  test('finds it as old as it was remembered to be', async () => {
    const first = start();
    await first.holder.offer(await build({ revision: 3 }));
    first.pass(60_000);
    first.holder.confirm(3);
    first.pass(1_000);
    await first.holder.rememberAge();
    first.pass(5_000);
    const second = start(first);
    await second.holder.restore();
    expect(second.holder.current).toMatchObject({ revision: 3, ageMs: 6_000 });
  });

  test('never finds an older one young because a newer could not be stored', async () => {
    const first = start();
    await first.holder.offer(await build({ revision: 3 }));
    first.pass(60_000);
    first.store.isFull = true;
    await first.holder.offer(await build({ revision: 4 }));
    await first.holder.rememberAge();
    const second = start(first);
    await second.holder.restore();
    expect(second.holder.current).toMatchObject({ revision: 3, ageMs: 60_000 });
  });

  test('does not open a way back to an older one', async () => {
    const first = start();
    await first.holder.offer(await build({ revision: 3 }));
    const second = start(first);
    await second.holder.restore();
    expect(await second.holder.offer(await build({ revision: 2 }))).toMatchObject({ problem: 'rollback' });
  });

  test('with the stored bundle damaged: says so, denies, and takes the next good one', async () => {
    const first = start();
    await first.holder.offer(await build({ revision: 3 }));
    first.store.stored?.bytes.fill(0, 100);
    const second = start(first);
    expect(await second.holder.restore()).toMatchObject({ kind: 'refused' });
    expect(second.engine.decide(alice).reasons).toEqual(['policy_missing']);
    expect(await second.holder.offer(await build({ revision: 3 }))).toMatchObject({ kind: 'swapped' });
  });

  test('with a clock that went back: age is never below zero', async () => {
    const first = start();
    await first.holder.offer(await build({ revision: 3 }));
    first.epoch.nowMs -= 60_000;
    const second = start(first);
    await second.holder.restore();
    expect(second.holder.current?.ageMs).toBe(0);
  });
});

test('a store that fails does not keep a newer policy out of force', async () => {
  const { holder, engine, store } = start();
  store.isFull = true;
  expect(await holder.offer(await build({ revision: 3 }))).toMatchObject({
    kind: 'swapped',
    isPersisted: false,
  });
  expect(engine.current?.revision).toBe(3);
});

test('offers made at once are taken in order, and the newest ends in force', async () => {
  const { holder, engine, store } = start();
  const slow = await build({ revision: 5 });
  const fast = await build({ revision: 4, wasm: fakeModule({ short: DENY }) });
  const results = await Promise.all([holder.offer(slow), holder.offer(fast)]);
  expect(results).toMatchObject([
    { kind: 'swapped', revision: 5 },
    { kind: 'refused', problem: 'rollback' },
  ]);
  expect(engine.current?.revision).toBe(5);
  expect(store.stored?.bytes).toEqual(slow);
});
