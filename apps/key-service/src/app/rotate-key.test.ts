import { utf8 } from '@sallyport/crypto';
import { SallyportError } from '@sallyport/service/errors';
import { beforeEach, describe, expect, it } from 'vitest';
import { keyRef, memoryRootKey, reasonOf, testApp, type TestApp } from '../../test/support.ts';
import { memoryStore } from '../store/memory.ts';
import { checkRootKey, holdsWrappedKeys } from './start-keys.ts';

const admin = { kind: 'principal', id: 'user:admin' } as const;
const item = { plaintext: utf8('a secret'), aad: utf8('where it belongs') };
const versionsOf = async (app: TestApp, name: string) =>
  (await app.keys.listKeys()).find((key) => key.ref.name === name)?.versions ?? [];

describe('RotateKey', () => {
  let app: TestApp;
  beforeEach(async () => {
    app = testApp();
    await app.keys.createSigningKeys();
  });

  it('makes a new version active and the old one verify-only', async () => {
    app.clock.advance(5);
    const active = await app.keys.rotateKey(keyRef('policy-bundle'), admin);
    expect(active).toMatchObject({ version: 2, state: 'active', uses: 0n });
    expect(await versionsOf(app, 'policy-bundle')).toMatchObject([
      { version: 1, state: 'deactivated', deactivatedAt: app.clock.now() },
      { version: 2, state: 'active', deactivatedAt: undefined },
    ]);
    const signature = await app.keys.sign('policy-service', 'policy-bundle', utf8('bundle'));
    expect(signature.keyId).toBe(active.keyId);
    expect(await app.keys.listPublicKeys('policy-bundle')).toMatchObject([
      { state: 'deactivated' },
      { state: 'active', keyId: active.keyId },
    ]);
  });

  it('has recorded and announced both changes when it answers', async () => {
    const before = app.recorded.length;
    await app.keys.rotateKey(keyRef('policy-bundle'), admin);
    const told = app.recorded.slice(before);
    expect(told).toMatchObject([
      { change: 'created', cause: 'rotation', actor: admin, subject: { name: 'policy-bundle', version: 2 } },
      {
        change: 'deactivated',
        cause: 'rotation',
        actor: admin,
        subject: { name: 'policy-bundle', version: 1 },
      },
    ]);
    expect(app.announced.slice(before)).toEqual(told);
    expect(await app.store.outbox.pending(10)).toEqual([]);
  });

  it('answers all concurrent calls with one new version', async () => {
    const active = await Promise.all(
      Array.from({ length: 10 }, () => app.keys.rotateKey(keyRef('policy-bundle'), admin)),
    );
    expect(new Set(active.map(({ keyId }) => keyId)).size).toBe(1);
    expect(await versionsOf(app, 'policy-bundle')).toHaveLength(2);
  });

  it('refuses a key that was never made', async () => {
    expect(await reasonOf(app.keys.rotateKey(keyRef('auth/never'), admin))).toBe('not_found');
  });

  it('fails when the spool takes nothing; what happened is told later, once', async () => {
    let full = true;
    const store = memoryStore();
    const root = memoryRootKey();
    await testApp({ store, root }).keys.createSigningKeys();
    const record = async () => {
      if (full) throw new SallyportError('spool_full', 'no room');
    };
    app = testApp({ store, root, record });
    expect(await reasonOf(app.keys.rotateKey(keyRef('policy-bundle'), admin))).toBe('spool_full');
    expect(app.recorded).toEqual([]);
    full = false;
    await app.keys.rotateKey(keyRef('audit-checkpoint'), admin);
    expect(
      app.recorded.map(({ change, subject }) => [change, subject.type === 'key' && subject.name]),
    ).toEqual([
      ['created', 'policy-bundle'],
      ['deactivated', 'policy-bundle'],
      ['created', 'audit-checkpoint'],
      ['deactivated', 'audit-checkpoint'],
    ]);
  });
});

describe('a full spool', () => {
  const full = () => Promise.reject(new SallyportError('spool_full', 'no room'));
  const [store, root] = [memoryStore(), memoryRootKey()];
  const app = testApp({ store, root, checkRecorder: full });

  it.each([
    ['a rotation', () => app.keys.rotateKey(keyRef('policy-bundle'), admin)],
    ['a new key', () => app.keys.encrypt('auth-service', 'auth/new', [item])],
    ['a data key', () => app.keys.generateDataKey('audit-service', 'audit/day', item.aad)],
  ])('refuses %s before anything is changed', async (_, change) => {
    const earlier = testApp({ store, root }).keys;
    await earlier.createSigningKeys();
    await earlier.encrypt('audit-service', 'audit/day', [item]);
    const versions = await store.keys.list();
    expect(await reasonOf(change())).toBe('spool_full');
    expect(await store.keys.list()).toEqual(versions);
    expect(await store.outbox.pending(1)).toEqual([]);
  });

  it('does not stop a version that reached its bound from giving way', async () => {
    const [small, key] = [memoryStore(), memoryRootKey()];
    await testApp({ store: small, root: key }).keys.encrypt('auth-service', 'auth/psk', [item]);
    const sealing = testApp({ store: small, root: key, checkRecorder: full, block: 1n, maxSeals: 2n });
    for (let sealed = 0; sealed < 5; sealed += 1) {
      await sealing.keys.encrypt('auth-service', 'auth/psk', [item]);
    }
    expect((await versionsOf(sealing, 'auth/psk')).length).toBeGreaterThan(1);
  });
});

describe('use counter', () => {
  const name = 'auth/psk';
  const seal = (app: TestApp, count = 1) =>
    app.keys.encrypt(
      'auth-service',
      name,
      Array.from({ length: count }, () => item),
    );

  it('shows the seals made, not the block set aside', async () => {
    const app = testApp({ block: 100n });
    await seal(app, 3);
    await seal(app);
    expect(await versionsOf(app, name)).toMatchObject([{ uses: 4n }]);
    expect(await app.store.keys.active(keyRef(name))).toMatchObject({ usesReserved: 100n });
  });

  it('rotates by itself before a version seals more than its bound', async () => {
    const app = testApp({ block: 4n, maxSeals: 10n });
    for (let sealed = 0; sealed < 25; sealed += 1) await seal(app);
    const versions = await versionsOf(app, name);
    expect(versions.length).toBeGreaterThanOrEqual(3);
    for (const { uses } of versions) expect(uses).toBeLessThanOrEqual(10n);
    expect(versions.reduce((sum, { uses }) => sum + uses, 0n)).toBe(25n);
    expect(app.recorded).toContainEqual(
      expect.objectContaining({
        change: 'created',
        cause: 'use_limit',
        actor: { kind: 'service', name: 'key-service' },
      }),
    );
  });

  it('rotates under concurrency without a seal too many', async () => {
    const app = testApp({ block: 4n, maxSeals: 8n });
    await Promise.all(Array.from({ length: 12 }, () => seal(app)));
    const versions = await versionsOf(app, name);
    expect(versions.reduce((sum, { uses }) => sum + uses, 0n)).toBe(12n);
    for (const { uses } of versions) expect(uses).toBeLessThanOrEqual(8n);
  });

  it('never counts too few after a crash', async () => {
    const [store, root] = [memoryStore(), memoryRootKey()];
    let sealed = 0n;
    for (let life = 0; life < 5; life += 1) {
      const app = testApp({ store, root, block: 10n });
      await seal(app, 3); // and then the process is gone, its block with it
      sealed += 3n;
    }
    const [version] = await versionsOf(testApp({ store, root }), name);
    expect(version?.uses).toBeGreaterThanOrEqual(sealed);
    expect(version?.uses).toBe(50n);
  });

  it('gives the rest of its blocks back on a clean shutdown', async () => {
    const [store, root] = [memoryStore(), memoryRootKey()];
    const app = testApp({ store, root, block: 10n });
    await seal(app, 3);
    await app.uses.close();
    expect(await versionsOf(testApp({ store, root }), name)).toMatchObject([{ uses: 3n }]);
  });

  it('takes a batch larger than its block, and none larger than the bound', async () => {
    const app = testApp({ block: 2n, maxSeals: 20n });
    await seal(app, 20);
    expect(await versionsOf(app, name)).toMatchObject([{ uses: 20n }]);
    expect(await reasonOf(seal(app, 21))).toBe('busy');
  });

  it('seals under the new version at once when another replica rotated', async () => {
    const [store, root] = [memoryStore(), memoryRootKey()];
    const [here, there] = [testApp({ store, root }), testApp({ store, root })];
    await seal(here);
    const rotated = await there.keys.rotateKey(keyRef(name), admin);
    const old = (await store.keys.version(keyRef(name), 1))?.keyId;
    if (old !== undefined) await here.uses.retire(old); // what the announcement on the bus does
    const [ciphertext] = await seal(here);
    expect(ciphertext?.[7]).toBe(rotated.version);
  });

  it('notices another replica’s rotation by itself when the announcement is lost', async () => {
    const [store, root] = [memoryStore(), memoryRootKey()];
    const [here, there] = [testApp({ store, root }), testApp({ store, root })];
    await seal(here);
    await there.keys.rotateKey(keyRef(name), admin);
    here.clock.advance(10_000);
    const [ciphertext] = await seal(here);
    expect(ciphertext?.[7]).toBe(2);
  });
});

describe('start', () => {
  it('makes the signing keys, once', async () => {
    const app = testApp();
    await app.keys.createSigningKeys();
    await app.keys.createSigningKeys();
    expect(
      (await app.keys.listPublicKeys('')).map(({ purpose, algorithm }) => `${purpose} ${algorithm}`),
    ).toEqual([
      'access-token Ed25519',
      'access-token P-256',
      'audit-checkpoint Ed25519',
      'policy-bundle Ed25519',
      'session-binding Ed25519',
    ]);
  });

  it('refuses a root key that is not the database’s', async () => {
    const [store, root] = [memoryStore(), memoryRootKey()];
    expect(holdsWrappedKeys(await store.keys.list())).toBe(false);
    await testApp({ store, root }).keys.createSigningKeys();
    const stored = await store.keys.list();
    expect(holdsWrappedKeys(stored)).toBe(true);
    await checkRootKey(root, stored);
    await expect(checkRootKey(memoryRootKey(), stored)).rejects.toThrow('not the root key of this database');
  });
});
