/** What every store of keys must do. Run by `store.test.ts` on each implementation. */
import { randomBytes, toHex } from '@sallyport/crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { SessionKeyEvent } from '../../src/app/ports.ts';
import type { DataKey } from '../../src/domain/data-key.ts';
import { SELF, type KeyEvent } from '../../src/domain/key-event.ts';
import {
  DEFAULT_TENANT,
  domainKey,
  signingKey,
  type KeyId,
  type KeyRef,
  type KeyVersion,
} from '../../src/domain/key.ts';
import type { LiveSessionKey } from '../../src/domain/session-key.ts';
import type { KeyStore } from '../../src/store/store.ts';

export interface StoreUnderTest extends AsyncDisposable {
  /** An empty store. */
  readonly fresh: () => Promise<KeyStore>;
}

const NOW = Date.UTC(2026, 0, 1);
const HOUR = 3_600_000;

function ref(name: string): KeyRef {
  const found = signingKey(name) ?? domainKey(DEFAULT_TENANT, name);
  if (found === undefined) throw new Error(`not a name: ${name}`);
  return found;
}

function version(name: string, number: number, changes: Partial<KeyVersion> = {}): KeyVersion {
  return {
    ...ref(name),
    version: number,
    keyId: toHex(randomBytes(16)) as KeyId,
    state: 'active',
    createdAt: NOW + number,
    deactivatedAt: undefined,
    usesReserved: 0n,
    wrapped: randomBytes(40),
    ...changes,
  };
}

function event(): KeyEvent {
  return {
    id: toHex(randomBytes(16)),
    timeMs: NOW,
    actor: SELF,
    change: 'created',
    cause: 'requested',
    subject: { type: 'session-key', tenant: DEFAULT_TENANT, sessionId: toHex(randomBytes(16)) },
  };
}

const eventOf: SessionKeyEvent = (sessionId, tenant) => ({
  ...event(),
  change: 'destroyed',
  subject: { type: 'session-key', tenant, sessionId: toHex(sessionId) },
});

export function storeContract(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(`key store: ${name}`, () => {
    let under: StoreUnderTest;
    let store: KeyStore;
    beforeAll(async () => {
      under = await open();
    }, 60_000);
    afterAll(async () => {
      await under[Symbol.asyncDispose]();
    });
    beforeEach(async () => {
      store = await under.fresh();
    });
    const pendingIds = async () => (await store.outbox.pending(1000)).map(({ id }) => id);

    describe('versions', () => {
      it('gives back what was stored, and undefined for what was not', async () => {
        const first = version('auth/psk', 1);
        expect(await store.keys.activate(first, undefined, [])).toBe('activated');
        expect(await store.keys.active(first)).toEqual(first);
        expect(await store.keys.version(first, 1)).toEqual(first);
        expect(await store.keys.byId(first.keyId)).toEqual(first);
        expect(await store.keys.active(ref('auth/other'))).toBeUndefined();
        expect(await store.keys.version(first, 2)).toBeUndefined();
        expect(await store.keys.version(first, 0xffff_ffff)).toBeUndefined();
        expect(await store.keys.byId('f'.repeat(32) as KeyId)).toBeUndefined();
      });

      it('replaces the active version and deactivates the one before', async () => {
        const [first, second] = [version('auth/psk', 1), version('auth/psk', 2)];
        await store.keys.activate(first, undefined, []);
        expect(await store.keys.activate(second, first, [])).toBe('activated');
        expect(await store.keys.active(first)).toEqual(second);
        expect(await store.keys.version(first, 1)).toEqual({
          ...first,
          state: 'deactivated',
          deactivatedAt: second.createdAt,
        });
      });

      it('lets one of many concurrent replacements through, with its events only', async () => {
        const first = version('auth/psk', 1);
        await store.keys.activate(first, undefined, []);
        const attempts = Array.from({ length: 8 }, () => ({ next: version('auth/psk', 2), told: event() }));
        const outcomes = await Promise.all(
          attempts.map(({ next, told }) => store.keys.activate(next, first, [told])),
        );
        expect(outcomes.filter((outcome) => outcome === 'activated')).toHaveLength(1);
        const winner = attempts[outcomes.indexOf('activated')];
        expect((await store.keys.active(first))?.keyId).toBe(winner?.next.keyId);
        expect(await store.keys.list()).toHaveLength(2);
        expect(await pendingIds()).toEqual([winner?.told.id]);
      });

      it('lets one of many concurrent first versions through', async () => {
        const outcomes = await Promise.all(
          Array.from({ length: 8 }, () => store.keys.activate(version('auth/psk', 1), undefined, [])),
        );
        expect(outcomes.filter((outcome) => outcome === 'activated')).toHaveLength(1);
        expect(await store.keys.list()).toHaveLength(1);
      });

      it.each([
        ['a second first version', version('auth/psk', 1), undefined],
        ['a version beside an active one', version('auth/psk', 2), undefined],
        ['a replacement of what is not active', version('auth/psk', 2), version('auth/psk', 7)],
      ])('refuses %s', async (_, next, replaces) => {
        await store.keys.activate(version('auth/psk', 1), undefined, []);
        expect(await store.keys.activate(next, replaces, [event()])).toBe('lost');
        expect(await store.keys.list()).toHaveLength(1);
        expect(await pendingIds()).toEqual([]);
      });

      it('lists by tenant, kind, name and version', async () => {
        const all = [
          version('auth/b', 1),
          version('auth/a', 1),
          version('policy-bundle', 1),
          version('channel/session', 1),
        ];
        for (const key of all) await store.keys.activate(key, undefined, []);
        const second = version('auth/a', 2);
        await store.keys.activate(second, await store.keys.active(ref('auth/a')), []);
        const names = (await store.keys.list()).map((key) => `${key.tenant} ${key.name} ${key.version}`);
        expect(names).toEqual([
          'default auth/a 1',
          'default auth/a 2',
          'default auth/b 1',
          'default channel/session 1',
          'system policy-bundle 1',
        ]);
      });
    });

    describe('use counter', () => {
      it('adds up reservations and takes back what was not used', async () => {
        const key = version('auth/psk', 1);
        await store.keys.activate(key, undefined, []);
        expect(await store.keys.reserveUses(key.keyId, 10n, 100n)).toBe('reserved');
        expect(await store.keys.reserveUses(key.keyId, 10n, 100n)).toBe('reserved');
        await store.keys.returnUses(key.keyId, 5n);
        expect((await store.keys.byId(key.keyId))?.usesReserved).toBe(15n);
      });

      it('never goes beyond the limit, under concurrency either', async () => {
        const key = version('auth/psk', 1);
        await store.keys.activate(key, undefined, []);
        const outcomes = await Promise.all(
          Array.from({ length: 8 }, () => store.keys.reserveUses(key.keyId, 30n, 100n)),
        );
        expect(outcomes.filter((outcome) => outcome === 'reserved')).toHaveLength(3);
        expect(outcomes.filter((outcome) => outcome === 'exhausted')).toHaveLength(5);
        expect(await store.keys.reserveUses(key.keyId, 10n, 100n)).toBe('reserved');
        expect((await store.keys.byId(key.keyId))?.usesReserved).toBe(100n);
      });

      it('counts beyond 2^53', async () => {
        const key = version('auth/psk', 1, { usesReserved: 2n ** 60n });
        await store.keys.activate(key, undefined, []);
        expect(await store.keys.reserveUses(key.keyId, 1n, 2n ** 62n)).toBe('reserved');
        expect((await store.keys.byId(key.keyId))?.usesReserved).toBe(2n ** 60n + 1n);
      });

      it('refuses a version that is not active, or not there', async () => {
        const key = version('auth/psk', 1);
        await store.keys.activate(key, undefined, []);
        await store.keys.activate(version('auth/psk', 2), key, []);
        expect(await store.keys.reserveUses(key.keyId, 1n, 100n)).toBe('inactive');
        expect(await store.keys.reserveUses('f'.repeat(32) as KeyId, 1n, 100n)).toBe('inactive');
      });
    });

    describe('session keys', () => {
      let parent: KeyVersion;
      beforeEach(async () => {
        parent = version('channel/session', 1);
        await store.keys.activate(parent, undefined, []);
      });
      const live = (changes: Partial<LiveSessionKey> = {}): LiveSessionKey => ({
        kind: 'live',
        sessionId: randomBytes(16),
        tenant: DEFAULT_TENANT,
        parent: parent.keyId,
        wrapped: randomBytes(60),
        createdAt: NOW,
        leaseNotAfter: NOW + HOUR,
        notAfter: NOW + 8 * HOUR,
        ...changes,
      });

      it('gives back what was stored, with its event', async () => {
        const [key, told] = [live(), event()];
        expect(await store.sessionKeys.insert(key, told)).toBe(true);
        expect(await store.sessionKeys.find(key.sessionId)).toEqual(key);
        expect(await store.sessionKeys.find(randomBytes(16))).toBeUndefined();
        expect(await store.outbox.pending(10)).toEqual([told]);
      });

      it('takes a session id once, also when many come at the same time', async () => {
        const key = live();
        const outcomes = await Promise.all(
          Array.from({ length: 8 }, () =>
            store.sessionKeys.insert({ ...key, wrapped: randomBytes(60) }, event()),
          ),
        );
        expect(outcomes.filter(Boolean)).toHaveLength(1);
        expect(await pendingIds()).toHaveLength(1);
      });

      it('renews what is live, up to the end of the binding, and leaves out the rest', async () => {
        const [long, short, ended, destroyed] = [
          live(),
          live({ notAfter: NOW + HOUR + 1 }),
          live({ leaseNotAfter: NOW - 1 }),
          live(),
        ];
        for (const key of [long, short, ended, destroyed]) await store.sessionKeys.insert(key, event());
        await store.sessionKeys.destroy([destroyed.sessionId], NOW, NOW, eventOf);
        const asked = [long, short, ended, destroyed].map((key) => key.sessionId);
        const leases = await store.sessionKeys.renew([...asked, randomBytes(16)], NOW, 2 * HOUR);
        const byId = new Map(leases.map((lease) => [toHex(lease.sessionId), lease.notAfter]));
        expect(byId).toEqual(
          new Map([
            [toHex(long.sessionId), NOW + 2 * HOUR],
            [toHex(short.sessionId), NOW + HOUR + 1],
          ]),
        );
        expect(await store.sessionKeys.find(long.sessionId)).toMatchObject({ leaseNotAfter: NOW + 2 * HOUR });
        expect(await store.sessionKeys.find(ended.sessionId)).toEqual(ended);
        expect(await store.sessionKeys.renew([], NOW, HOUR)).toEqual([]);
      });

      it('renews in the last millisecond of a lease', async () => {
        const key = live({ leaseNotAfter: NOW });
        await store.sessionKeys.insert(key, event());
        expect(await store.sessionKeys.renew([key.sessionId], NOW, HOUR)).toHaveLength(1);
      });

      it('erases what it destroys, tells it once, and never takes the id again', async () => {
        const key = live();
        await store.sessionKeys.insert(key, event());
        expect(
          await store.sessionKeys.destroy([key.sessionId, key.sessionId], NOW, NOW + HOUR, eventOf),
        ).toBe(1);
        expect(await store.sessionKeys.destroy([key.sessionId], NOW + 1, NOW + HOUR, eventOf)).toBe(0);
        expect(await store.sessionKeys.find(key.sessionId)).toEqual({
          kind: 'destroyed',
          sessionId: key.sessionId,
          destroyedAt: NOW,
          notAfter: key.notAfter,
        });
        const told = (await store.outbox.pending(10)).filter(({ change }) => change === 'destroyed');
        expect(told.map(({ subject }) => subject)).toEqual([
          { type: 'session-key', tenant: 'default', sessionId: toHex(key.sessionId) },
        ]);
        expect(await store.sessionKeys.insert(key, event())).toBe(false);
      });

      it('remembers an unknown id as destroyed', async () => {
        const key = live();
        expect(await store.sessionKeys.destroy([key.sessionId], NOW, NOW + HOUR, eventOf)).toBe(0);
        expect(await store.sessionKeys.insert(key, event())).toBe(false);
        expect(await pendingIds()).toEqual([]);
        expect(await store.sessionKeys.find(key.sessionId)).toMatchObject({
          kind: 'destroyed',
          notAfter: NOW + HOUR,
        });
      });

      it('forgets about an unknown id that is not to be remembered', async () => {
        const [known, unknown] = [live(), live()];
        await store.sessionKeys.insert(known, event());
        const ids = [known.sessionId, unknown.sessionId];
        expect(await store.sessionKeys.destroy(ids, NOW, undefined, eventOf)).toBe(1);
        expect(await store.sessionKeys.find(unknown.sessionId)).toBeUndefined();
        expect(await store.sessionKeys.insert(known, event())).toBe(false);
      });

      it('destroys a thousand at once', async () => {
        const ids = Array.from({ length: 1000 }, () => randomBytes(16));
        await store.sessionKeys.insert(live({ sessionId: ids[999] ?? randomBytes(16) }), event());
        expect(await store.sessionKeys.destroy(ids, NOW, NOW + HOUR, eventOf)).toBe(1);
      });

      it('ends leases in the order they ran out, and no others', async () => {
        const [old, older, running] = [
          live({ leaseNotAfter: NOW - 1 }),
          live({ leaseNotAfter: NOW - 2 }),
          live({ leaseNotAfter: NOW }),
        ];
        for (const key of [old, older, running]) await store.sessionKeys.insert(key, event());
        expect(await store.sessionKeys.expire(NOW, 1, eventOf)).toBe(1);
        expect(await store.sessionKeys.find(older.sessionId)).toMatchObject({ kind: 'destroyed' });
        expect(await store.sessionKeys.find(old.sessionId)).toMatchObject({ kind: 'live' });
        expect(await store.sessionKeys.expire(NOW, 10, eventOf)).toBe(1);
        expect(await store.sessionKeys.expire(NOW, 10, eventOf)).toBe(0);
        expect(await store.sessionKeys.find(running.sessionId)).toMatchObject({ kind: 'live' });
      });

      it('forgets destroyed ids once their binding is over, and nothing live', async () => {
        const [gone, kept, alive] = [live({ notAfter: NOW }), live(), live({ notAfter: NOW })];
        for (const key of [gone, kept, alive]) await store.sessionKeys.insert(key, event());
        await store.sessionKeys.destroy([gone.sessionId, kept.sessionId], NOW, NOW, eventOf);
        await store.sessionKeys.forget(NOW + 1);
        expect(await store.sessionKeys.find(gone.sessionId)).toBeUndefined();
        expect(await store.sessionKeys.find(kept.sessionId)).toMatchObject({ kind: 'destroyed' });
        expect(await store.sessionKeys.find(alive.sessionId)).toMatchObject({ kind: 'live' });
      });
    });

    describe('data keys', () => {
      it('keeps them until they are destroyed, with an event for each', async () => {
        const parent = version('audit/archive', 1);
        await store.keys.activate(parent, undefined, []);
        const key: DataKey = {
          dataKeyId: toHex(randomBytes(16)),
          tenant: parent.tenant,
          name: parent.name,
          parent: parent.keyId,
          wrapped: randomBytes(68),
          createdAt: NOW,
          destroyedAt: undefined,
        };
        await store.dataKeys.insert(key, event());
        expect(await store.dataKeys.find(key.dataKeyId)).toEqual(key);
        expect(await store.dataKeys.destroy(key.dataKeyId, NOW + 1, event())).toBe(true);
        expect(await store.dataKeys.destroy(key.dataKeyId, NOW + 2, event())).toBe(false);
        expect(await store.dataKeys.destroy('0'.repeat(32), NOW, event())).toBe(false);
        expect(await store.dataKeys.find(key.dataKeyId)).toEqual({
          ...key,
          wrapped: undefined,
          destroyedAt: NOW + 1,
        });
        expect(await store.dataKeys.find('0'.repeat(32))).toBeUndefined();
        expect(await pendingIds()).toHaveLength(2);
      });
    });

    describe('feed', () => {
      const changed = (key: KeyVersion): KeyEvent => ({
        ...event(),
        subject: { ...ref('policy-bundle'), type: 'key', version: key.version, keyId: key.keyId },
      });

      it('numbers what became of versions, from 1 without gaps, and nothing else', async () => {
        expect(await store.keys.lastNumber()).toBe(0n);
        const first = version('policy-bundle', 1);
        const second = version('policy-bundle', 2);
        await store.keys.activate(first, undefined, [changed(first)]);
        await store.keys.activate(second, first, [changed(first), event(), changed(second)]);
        expect((await store.outbox.pending(10)).map(({ number }) => number)).toEqual([1n, 2n, undefined, 3n]);
        expect(await store.keys.lastNumber()).toBe(3n);
      });

      it('loses no number to a change that was not made', async () => {
        const first = version('policy-bundle', 1);
        await store.keys.activate(first, undefined, [changed(first)]);
        const late = version('policy-bundle', 2);
        expect(await store.keys.activate(late, { ...late, version: 7 }, [changed(late)])).toBe('lost');
        expect(await store.keys.lastNumber()).toBe(1n);
      });

      it('keeps its number when what it told of is told', async () => {
        const first = version('policy-bundle', 1);
        const told = changed(first);
        await store.keys.activate(first, undefined, [told]);
        await store.outbox.remove([told.id]);
        expect(await store.keys.lastNumber()).toBe(1n);
      });
    });

    describe('outbox', () => {
      it('gives events oldest first, until they are removed', async () => {
        const events = [event(), event(), event()];
        await store.keys.activate(version('auth/psk', 1), undefined, events);
        expect(await store.outbox.pending(2)).toEqual(events.slice(0, 2));
        await store.outbox.remove(events.slice(0, 2).map(({ id }) => id));
        expect(await store.outbox.pending(10)).toEqual(events.slice(2));
        await store.outbox.remove([]);
        expect(await store.outbox.pending(10)).toHaveLength(1);
      });
    });
  });
}
