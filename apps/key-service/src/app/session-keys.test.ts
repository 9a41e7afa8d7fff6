import { ED25519, aead, randomBytes, sha256, toHex } from '@sallyport/crypto';
import { SallyportError } from '@sallyport/service/errors';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  HOUR,
  TRUST_DOMAIN,
  encodeTestBinding,
  keyRef,
  memoryRootKey,
  reasonOf,
  testApp,
  testBindingInput,
  type TestApp,
  type TestBinding,
} from '../../test/support.ts';
import { parseCiphertext } from '../domain/ciphertext.ts';
import { CLOCK_SKEW_MS, MAX_SESSION_IDS } from '../domain/limits.ts';
import { sessionKeyContext } from '../domain/wrap-context.ts';
import { memoryStore } from '../store/memory.ts';
import { keyMaterial } from './key-material.ts';

const admin = { kind: 'principal', id: 'user:admin' } as const;

describe('session keys', () => {
  let app: TestApp;
  beforeEach(async () => {
    app = testApp();
    await app.keys.createSigningKeys();
  });

  const bindingOf = (changes: Partial<TestBinding> = {}): TestBinding => ({
    sessionId: randomBytes(16),
    tenant: 'default',
    trustDomain: TRUST_DOMAIN,
    notBefore: app.clock.now(),
    notAfter: app.clock.now() + 8 * HOUR,
    ...changes,
  });
  /** As auth-service signs it. */
  const signed = async (changes: Partial<TestBinding> = {}) => {
    const binding = encodeTestBinding(bindingOf(changes));
    const { keyId, signature } = await app.keys.sign(
      'auth-service',
      'session-binding',
      testBindingInput(binding),
    );
    return { binding, keyId, signature };
  };
  const create = async (changes: Partial<TestBinding> = {}) =>
    app.keys.createSessionKey('gateway', await signed(changes));

  it('are 32 random bytes with a lease of an hour', async () => {
    const [one, other] = [await create(), await create()];
    expect(one.sessionKey).toHaveLength(32);
    expect(one.sessionKey).not.toEqual(other.sessionKey);
    expect(one.leaseNotAfter).toBe(app.clock.now() + HOUR);
  });

  it('end with the binding when that is sooner', async () => {
    const notAfter = app.clock.now() + HOUR / 2;
    expect((await create({ notAfter })).leaseNotAfter).toBe(notAfter);
  });

  it('lie in the store under the tenant’s domain key', async () => {
    const root = memoryRootKey();
    app = testApp({ root });
    await app.keys.createSigningKeys();
    const sessionId = randomBytes(16);
    const request = await signed({ sessionId, tenant: 'acme' });
    const { sessionKey } = await app.keys.createSessionKey('gateway', request);
    const row = await app.store.sessionKeys.find(sessionId);
    if (row?.kind !== 'live') throw new Error('not stored');
    const parent = await app.store.keys.byId(row.parent);
    const item = parseCiphertext(row.wrapped);
    if (parent === undefined || item === undefined) throw new Error('not wrapped');
    expect([parent.tenant, parent.name]).toEqual(['acme', 'channel/session']);
    const opened = aead(item.aead).open({
      key: await keyMaterial(root).domain(parent, 'process'),
      iv: item.nonce,
      aad: sessionKeyContext(parent, item.header, sessionId, sha256(request.binding)),
      sealed: item.sealed,
    });
    expect(opened).toEqual(sessionKey);
  });

  it('are the same for the same binding, with a new lease, however many ask at once', async () => {
    const request = await signed();
    const ask = () => app.keys.createSessionKey('gateway', request);
    const [first, ...others] = await Promise.all([ask(), ask(), ask(), ask()]);
    for (const other of others) expect(other.sessionKey).toEqual(first?.sessionKey);
    app.clock.advance(HOUR / 2);
    const later = await ask();
    expect(later).toEqual({ sessionKey: first?.sessionKey, leaseNotAfter: app.clock.now() + HOUR });
    expect(app.recorded.filter(({ subject }) => subject.type === 'session-key')).toHaveLength(1);
  });

  it('are recorded with session and gateway', async () => {
    const sessionId = randomBytes(16);
    await create({ sessionId });
    expect(app.recorded.at(-1)).toMatchObject({
      change: 'created',
      actor: { kind: 'service', name: 'gateway' },
      subject: { type: 'session-key', tenant: 'default', sessionId: toHex(sessionId) },
    });
  });

  it('are given for a binding of a rotated binding key', async () => {
    const request = await signed();
    await app.keys.rotateKey(keyRef('session-binding'), admin);
    expect((await app.keys.createSessionKey('gateway', request)).sessionKey).toHaveLength(32);
  });

  describe('are refused for', () => {
    it.each<[string, (now: number) => Partial<TestBinding>, string]>([
      [
        'a binding of another trust domain',
        () => ({ trustDomain: 'elsewhere.example' }),
        'credential_invalid',
      ],
      ['a tenant that is none', () => ({ tenant: '../x' }), 'credential_invalid'],
      ['a session id that is too short', () => ({ sessionId: new Uint8Array(15) }), 'credential_invalid'],
      ['a binding from the future', (now) => ({ notBefore: now + CLOCK_SKEW_MS + 1 }), 'credential_invalid'],
      ['a binding that is over', (now) => ({ notAfter: now - 1 }), 'session_expired'],
    ])('%s', async (_, changes, reason) => {
      expect(await reasonOf(create(changes(app.clock.now())))).toBe(reason);
    });

    it('a signature of another key', async () => {
      const request = await signed();
      const { privateKey } = ED25519.generate();
      const signature = ED25519.sign(privateKey, testBindingInput(request.binding));
      const forged = app.keys.createSessionKey('gateway', { ...request, signature });
      expect(await reasonOf(forged)).toBe('credential_invalid');
    });

    it('a signature of another purpose’s key, named as such', async () => {
      const binding = encodeTestBinding(bindingOf());
      const other = await app.keys.sign('audit-service', 'audit-checkpoint', testBindingInput(binding));
      const forged = app.keys.createSessionKey('gateway', { binding, ...other });
      expect(await reasonOf(forged)).toBe('credential_invalid');
    });

    it('a signature without the label', async () => {
      const binding = encodeTestBinding(bindingOf());
      const bare = await app.keys.sign('auth-service', 'session-binding', binding);
      expect(await reasonOf(app.keys.createSessionKey('gateway', { binding, ...bare }))).toBe(
        'credential_invalid',
      );
    });

    it('a flipped bit, anywhere in binding or signature', async () => {
      const request = await signed();
      for (const part of ['binding', 'signature'] as const) {
        for (let at = 0; at < request[part].length; at += 1) {
          const tampered = Uint8Array.from(request[part]);
          tampered[at] = (tampered[at] ?? 0) ^ 1;
          const attempt = app.keys.createSessionKey('gateway', { ...request, [part]: tampered });
          expect(await reasonOf(attempt), `${part} byte ${at}`).toBe('credential_invalid');
        }
      }
    });

    it.each([
      ['unknown', 'f'.repeat(32)],
      ['empty', ''],
      ['not hexadecimal', 'x'.repeat(32)],
    ])('a key id that is %s', async (_, keyId) => {
      const attempt = app.keys.createSessionKey('gateway', { ...(await signed()), keyId });
      expect(await reasonOf(attempt)).toBe('credential_invalid');
    });

    it.each(['suspended', 'compromised', 'destroyed', 'pre-active'] as const)(
      'a binding key that is %s',
      async (state) => {
        const store = memoryStore();
        const root = memoryRootKey();
        app = testApp({ store, root });
        await app.keys.createSigningKeys();
        const request = await signed();
        const byId: typeof store.keys.byId = async (id) => {
          const key = await store.keys.byId(id);
          return key && { ...key, state };
        };
        app = testApp({ store: { ...store, keys: { ...store.keys, byId } }, root });
        expect(await reasonOf(app.keys.createSessionKey('gateway', request))).toBe('credential_invalid');
      },
    );

    it.each([
      ['by another principal’s binding', { tenant: 'acme' }],
      ['by a longer binding', { notAfter: 2_208_988_800_000 }],
    ])('a session that had its key %s', async (_, changes) => {
      const sessionId = randomBytes(16);
      await create({ sessionId });
      expect(await reasonOf(create({ sessionId, ...changes }))).toBe('already_exists');
    });

    it('a session whose key was destroyed, or whose lease ended, also by the same binding', async () => {
      const [destroyed, ended] = [randomBytes(16), randomBytes(16)];
      const requests = [await signed({ sessionId: destroyed }), await signed({ sessionId: ended })];
      for (const request of requests) await app.keys.createSessionKey('gateway', request);
      await app.keys.destroySessionKeys('gateway', [destroyed]);
      app.clock.advance(HOUR + 1);
      for (const request of requests)
        expect(await reasonOf(app.keys.createSessionKey('gateway', request))).toBe('already_exists');
    });

    it('all but one of two bindings for one session at once', async () => {
      const sessionId = randomBytes(16);
      const requests = [await signed({ sessionId }), await signed({ sessionId, tenant: 'acme' })];
      const settled = await Promise.allSettled(
        requests.map((request) => app.keys.createSessionKey('gateway', request)),
      );
      expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    });

    it('a session that was revoked before it got its key', async () => {
      const request = await signed({ sessionId: new Uint8Array(16).fill(7) });
      await app.keys.destroySessionKeys('auth-service', [new Uint8Array(16).fill(7)]);
      expect(await reasonOf(app.keys.createSessionKey('gateway', request))).toBe('already_exists');
    });
  });

  it('are neither made nor begun while the spool is full, and are destroyed all the same', async () => {
    const [store, root] = [memoryStore(), memoryRootKey()];
    app = testApp({ store, root });
    await app.keys.createSigningKeys();
    const sessionId = randomBytes(16);
    await create({ sessionId });
    const request = await signed();
    app = testApp({
      store,
      root,
      checkRecorder: () => Promise.reject(new SallyportError('spool_full', 'no room')),
    });
    expect(await reasonOf(app.keys.createSessionKey('gateway', request))).toBe('spool_full');
    expect(await app.keys.destroySessionKeys('gateway', [sessionId])).toBe(1);
    app = testApp({ store, root });
    expect((await app.keys.createSessionKey('gateway', request)).sessionKey).toHaveLength(32);
  });

  it('ids that a gateway makes up leave nothing behind', async () => {
    const sessionId = randomBytes(16);
    expect(await app.keys.destroySessionKeys('gateway', [sessionId])).toBe(0);
    expect(await app.store.sessionKeys.find(sessionId)).toBeUndefined();
  });

  it('of a binding that just ended are not forgotten yet: another replica’s clock may still be in its time', async () => {
    const sessionId = randomBytes(16);
    await create({ sessionId, notAfter: app.clock.now() + HOUR });
    app.clock.advance(HOUR + CLOCK_SKEW_MS);
    await app.keys.sweepSessionKeys();
    expect(await app.store.sessionKeys.find(sessionId)).toMatchObject({ kind: 'destroyed' });
    app.clock.advance(1);
    await app.keys.sweepSessionKeys();
    expect(await app.store.sessionKeys.find(sessionId)).toBeUndefined();
  });

  describe('leases', () => {
    const started = async () => {
      const sessionId = randomBytes(16);
      await create({ sessionId });
      return sessionId;
    };

    it('are renewed for live sessions and left out for the others', async () => {
      const [live, destroyed] = [await started(), await started()];
      await app.keys.destroySessionKeys('gateway', [destroyed]);
      app.clock.advance(HOUR / 2);
      expect(await app.keys.renewLeases([live, destroyed, randomBytes(16)])).toEqual([
        { sessionId: live, notAfter: app.clock.now() + HOUR },
      ]);
    });

    it('that ended are not renewed, and the sweep destroys their keys', async () => {
      const sessionId = await started();
      app.clock.advance(HOUR + 1);
      expect(await app.keys.renewLeases([sessionId])).toEqual([]);
      expect(await app.keys.sweepSessionKeys()).toBe(1);
      expect(await app.store.sessionKeys.find(sessionId)).toMatchObject({ kind: 'destroyed' });
      expect(app.recorded.at(-1)).toMatchObject({
        change: 'destroyed',
        cause: 'lease_ended',
        actor: { kind: 'service', name: 'key-service' },
      });
      expect(await app.keys.sweepSessionKeys()).toBe(0);
    });

    it('never outlast the binding', async () => {
      const sessionId = randomBytes(16);
      const notAfter = app.clock.now() + HOUR + 10;
      await create({ sessionId, notAfter });
      app.clock.advance(HOUR);
      expect(await app.keys.renewLeases([sessionId])).toEqual([{ sessionId, notAfter }]);
      app.clock.advance(11);
      expect(await app.keys.renewLeases([sessionId])).toEqual([]);
    });

    it.each([
      [
        'too many sessions',
        Array.from({ length: MAX_SESSION_IDS + 1 }, () => new Uint8Array(16)),
        'too_large',
      ],
      ['a session id of 15 bytes', [new Uint8Array(15)], 'invalid_argument'],
      ['an empty session id', [new Uint8Array(0)], 'invalid_argument'],
    ])('are refused for %s', async (_, ids, reason) => {
      expect(await reasonOf(app.keys.renewLeases(ids))).toBe(reason);
      expect(await reasonOf(app.keys.destroySessionKeys('gateway', ids))).toBe(reason);
    });

    it('ask for nothing and get nothing', async () => {
      expect(await app.keys.renewLeases([])).toEqual([]);
      expect(await app.keys.destroySessionKeys('gateway', [])).toBe(0);
    });
  });

  it('are destroyed once, however often it is asked, and told once', async () => {
    const sessionId = randomBytes(16);
    await create({ sessionId });
    expect(await app.keys.destroySessionKeys('gateway', [sessionId])).toBe(1);
    expect(await app.keys.destroySessionKeys('auth-service', [sessionId, sessionId])).toBe(0);
    expect(app.recorded.filter(({ change }) => change === 'destroyed')).toHaveLength(1);
  });
});
