/** What every store must do, run on each. */
import { randomBytes, toHex } from '@sallyport/crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { OwedStep, SessionEvent, SessionQuery } from '../../src/app/ports.ts';
import { SELF, type AuthEvent } from '../../src/domain/events.ts';
import type { Psk } from '../../src/domain/psk.ts';
import type { Ended, Session } from '../../src/domain/session.ts';
import type { AuthStore } from '../../src/store/store.ts';

const NOW = Date.UTC(2026, 5, 1);
const HOUR = 3_600_000;

export interface StoreUnderTest extends AsyncDisposable {
  /** An empty store. */
  fresh(): Promise<AuthStore>;
}

function session(changes: Partial<Session> = {}): Session {
  return {
    sessionId: randomBytes(16),
    tenant: 'default',
    principal: 'user:alice',
    method: 'certificate',
    gateway: 'spiffe://sallyport.test/svc/gateway',
    sourceAddress: '192.0.2.1',
    openedAt: NOW,
    notAfter: NOW + HOUR,
    credentialDigest: randomBytes(32),
    ended: undefined,
    kind: 'channel',
    clientId: '',
    parentSessionId: undefined,
    ...changes,
  };
}

function psk(changes: Partial<Psk> = {}): Psk {
  return {
    pskId: randomBytes(16),
    principal: 'workload:batch',
    trustDomain: 'sallyport.test',
    label: 'a label',
    sealed: randomBytes(60),
    createdAt: NOW,
    notAfter: NOW + HOUR,
    revokedAt: undefined,
    ...changes,
  };
}

function event(): AuthEvent {
  return {
    kind: 'psk_created',
    id: toHex(randomBytes(16)),
    timeMs: NOW,
    tenant: 'default',
    actor: SELF,
    principal: 'workload:batch',
    pskId: toHex(randomBytes(16)),
    label: 'ünï "quoted"',
  };
}

const ended: Ended = { how: 'revoked', at: NOW + 1, cause: 'lost laptop' };
const sessionEvent: SessionEvent = ({ principal, sessionId, method }) => ({
  kind: 'session_ended',
  id: toHex(randomBytes(16)),
  timeMs: NOW,
  tenant: 'default',
  actor: SELF,
  principal,
  sessionId: toHex(sessionId),
  method,
  how: 'revoked',
  cause: 'lost laptop',
});

const everything: SessionQuery = {
  principal: undefined,
  includeEnded: true,
  now: NOW,
  after: undefined,
  limit: 1000,
};

export function storeContract(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(`auth store: ${name}`, () => {
    let under: StoreUnderTest;
    let store: AuthStore;
    beforeAll(async () => {
      under = await open();
    }, 60_000);
    afterAll(async () => {
      await under[Symbol.asyncDispose]();
    });
    beforeEach(async () => {
      store = await under.fresh();
    });

    const pending = () => store.outbox.pending(10_000);
    const opened = async (changes: Partial<Session> = {}) => {
      const made = session(changes);
      expect(await store.sessions.open(made, event(), undefined)).toBe('opened');
      return made;
    };
    const idsOf = (sessions: readonly Session[]) => sessions.map(({ sessionId }) => toHex(sessionId));

    describe('sessions', () => {
      it('gives back what was stored, with its event, and undefined for what was not', async () => {
        const [made, told] = [session({ method: 'psk' }), event()];
        expect(await store.sessions.open(made, told, undefined)).toBe('opened');
        expect(await store.sessions.find(made.sessionId)).toEqual(made);
        expect(await store.sessions.find(randomBytes(16))).toBeUndefined();
        expect(await pending()).toEqual([told]);
      });

      it('takes an id once, also when many come at the same time', async () => {
        const sessionId = randomBytes(16);
        const results = await Promise.all(
          Array.from({ length: 8 }, () => store.sessions.open(session({ sessionId }), event(), undefined)),
        );
        expect(results.filter((result) => result === 'opened')).toHaveLength(1);
        expect(results.filter((result) => result === 'session_reused')).toHaveLength(7);
        expect(await pending()).toHaveLength(1);
      });

      it('takes none on a key that is revoked or gone', async () => {
        const key = psk();
        await store.psks.insert(key, event(), 16);
        const input = {
          pskId: key.pskId,
          credentialDigest: randomBytes(32),
          ended,
          pskEvent: event,
          sessionEvent,
        };
        expect(await store.sessions.open(session(), event(), key.pskId)).toBe('opened');
        await store.psks.revoke(input);
        const before = (await pending()).length;
        expect(await store.sessions.open(session(), event(), key.pskId)).toBe('psk_revoked');
        expect(await store.sessions.open(session(), event(), randomBytes(16))).toBe('psk_revoked');
        expect(await pending()).toHaveLength(before);
      });

      it('ends one once, with one event', async () => {
        const made = await opened();
        const closed = { how: 'closed', at: NOW + 5, cause: 'closed' } as const;
        expect(await store.sessions.end(made.sessionId, closed, sessionEvent)).toBe('done');
        expect(await store.sessions.end(made.sessionId, ended, sessionEvent)).toBe('ended');
        expect(await store.sessions.end(randomBytes(16), ended, sessionEvent)).toBe('unknown');
        expect(await store.sessions.find(made.sessionId)).toEqual({ ...made, ended: closed });
        expect(await pending()).toHaveLength(2);
      });

      it('lists newest first, in pages that neither skip nor repeat', async () => {
        for (let at = 0; at < 12; at += 1) await opened({ openedAt: NOW + (at % 3) });
        const all = await store.sessions.list(everything);
        expect(all).toHaveLength(12);
        const order = all.map(({ openedAt, sessionId }) => [-openedAt, toHex(sessionId)] as const);
        expect(order).toEqual([...order].sort(([a, b], [c, d]) => a - c || (b < d ? -1 : 1)));
        const paged: Session[] = [];
        for (;;) {
          const page = await store.sessions.list({ ...everything, after: paged.at(-1), limit: 5 });
          paged.push(...page);
          if (page.length < 5) break;
        }
        expect(idsOf(paged)).toEqual(idsOf(all));
      });

      it('lists by principal, and what is over only when asked', async () => {
        const open = await opened();
        const bob = await opened({ principal: 'user:bob' });
        const over = await opened({ notAfter: NOW - 1 });
        const revoked = await opened();
        await store.sessions.end(revoked.sessionId, ended, sessionEvent);
        const list = async (query: Partial<SessionQuery>) =>
          new Set(idsOf(await store.sessions.list({ ...everything, ...query })));
        expect(await list({ principal: 'user:bob' })).toEqual(new Set(idsOf([bob])));
        expect(await list({ includeEnded: false })).toEqual(new Set(idsOf([open, bob])));
        expect(await list({ principal: 'user:alice' })).toEqual(new Set(idsOf([open, over, revoked])));
      });

      it('expires the oldest first, and nothing that is good for another instant', async () => {
        const [old, older, good] = [
          await opened({ notAfter: NOW - 1 }),
          await opened({ notAfter: NOW - 2 }),
          await opened({ notAfter: NOW }),
        ];
        expect(await store.sessions.expire(NOW, 1, sessionEvent)).toBe(1);
        expect((await store.sessions.find(older.sessionId))?.ended?.how).toBe('expired');
        expect((await store.sessions.find(old.sessionId))?.ended).toBeUndefined();
        expect(await store.sessions.expire(NOW, 10, sessionEvent)).toBe(1);
        expect(await store.sessions.expire(NOW, 10, sessionEvent)).toBe(0);
        expect((await store.sessions.find(good.sessionId))?.ended).toBeUndefined();
      });

      it('forgets what ended long ago, and nothing open', async () => {
        const [gone, kept, open] = [await opened(), await opened(), await opened({ notAfter: NOW - HOUR })];
        await store.sessions.end(gone.sessionId, { ...ended, at: NOW - 1 }, sessionEvent);
        await store.sessions.end(kept.sessionId, { ...ended, at: NOW }, sessionEvent);
        await store.sessions.forget(NOW);
        expect(await store.sessions.find(gone.sessionId)).toBeUndefined();
        expect(await store.sessions.find(kept.sessionId)).toBeDefined();
        expect(await store.sessions.find(open.sessionId)).toBeDefined();
      });
    });

    describe('the feed of revocations', () => {
      it('numbers without gaps, ends only what is open, and tells each', async () => {
        const [first, second] = [await opened(), await opened({ openedAt: NOW + 1 })];
        const bob = await opened({ principal: 'user:bob' });
        const closed = await opened();
        await store.sessions.end(closed.sessionId, { ...ended, how: 'closed' }, sessionEvent);
        const alice = { kind: 'principal', principal: 'user:alice' } as const;
        expect(await store.feed.revoke(alice, ended, sessionEvent)).toEqual([
          first.sessionId,
          second.sessionId,
        ]);
        expect(await store.feed.revoke(alice, ended, sessionEvent)).toEqual([]);
        const one = { kind: 'session', sessionId: bob.sessionId } as const;
        expect(await store.feed.revoke(one, ended, sessionEvent)).toEqual([bob.sessionId]);
        expect(await store.feed.revoke(one, ended, sessionEvent)).toEqual([]);
        expect(
          await store.feed.revoke({ ...one, sessionId: randomBytes(16) }, ended, sessionEvent),
        ).toBeUndefined();
        expect(await store.feed.since(0n, 10)).toEqual({
          revocations: [first, second, bob].map(({ sessionId }, index) => ({
            number: BigInt(index + 1),
            sessionId,
            cause: 'lost laptop',
          })),
          last: 3n,
        });
        expect(await store.sessions.find(bob.sessionId)).toMatchObject({ ended });
        expect(await store.sessions.find(closed.sessionId)).toMatchObject({ ended: { how: 'closed' } });
        expect(await pending()).toHaveLength(4 + 1 + 3);
      });

      it('numbers without gaps when many revoke at once', async () => {
        const made = await Promise.all(Array.from({ length: 12 }, () => opened()));
        await Promise.all(
          made.map(({ sessionId }) => store.feed.revoke({ kind: 'session', sessionId }, ended, sessionEvent)),
        );
        const { revocations, last } = await store.feed.since(0n, 100);
        expect(revocations.map(({ number }) => number)).toEqual(made.map((_, index) => BigInt(index + 1)));
        expect(last).toBe(12n);
      });

      it('goes on after a number, so many at a time, and has an end when it is empty', async () => {
        expect(await store.feed.since(0n, 10)).toEqual({ revocations: [], last: 0n });
        expect(await store.feed.last()).toBe(0n);
        for (let at = 0; at < 5; at += 1) await opened();
        await store.feed.revoke({ kind: 'principal', principal: 'user:alice' }, ended, sessionEvent);
        const numbers = async (after: bigint, limit: number) =>
          (await store.feed.since(after, limit)).revocations.map(({ number }) => number);
        expect(await numbers(1n, 2)).toEqual([2n, 3n]);
        expect(await numbers(3n, 10)).toEqual([4n, 5n]);
        expect(await numbers(5n, 10)).toEqual([]);
        expect(await numbers(2n ** 63n - 1n, 10)).toEqual([]);
      });

      it('owes an announcement and a destroyed key each, until they are paid', async () => {
        for (let at = 0; at < 3; at += 1) await opened();
        await store.feed.revoke({ kind: 'principal', principal: 'user:alice' }, ended, sessionEvent);
        expect((await store.feed.owed('announced', 2)).map(({ number }) => number)).toEqual([1n, 2n]);
        const owed = async () => {
          const numbers = async (step: OwedStep) =>
            (await store.feed.owed(step, 10)).map(({ number }) => number);
          return { announced: await numbers('announced'), key_destroyed: await numbers('key_destroyed') };
        };
        await store.feed.pay([], 'announced');
        await store.feed.pay([1n, 2n], 'announced');
        await store.feed.pay([2n, 3n], 'key_destroyed');
        expect(await owed()).toEqual({ announced: [3n], key_destroyed: [1n] });
        await store.feed.forget(ended.at + 1);
        expect((await store.feed.since(0n, 10)).revocations.map(({ number }) => number)).toEqual([1n, 3n]);
        await store.feed.pay([1n], 'key_destroyed');
        await store.feed.pay([3n], 'announced');
        expect(await owed()).toEqual({ announced: [], key_destroyed: [] });
        await store.feed.forget(ended.at);
        expect((await store.feed.since(0n, 10)).revocations).toHaveLength(2);
        await store.feed.forget(ended.at + 1);
        expect(await store.feed.since(0n, 10)).toEqual({ revocations: [], last: 3n });
        expect(await store.feed.last()).toBe(3n);
      });

      it('takes thousands at once', async () => {
        const { length } = await Promise.all(Array.from({ length: 2100 }, () => opened()));
        const revoked = await store.feed.revoke(
          { kind: 'principal', principal: 'user:alice' },
          ended,
          sessionEvent,
        );
        expect(revoked).toHaveLength(length);
        expect((await store.feed.since(0n, 5000)).revocations.map(({ number }) => number)).toEqual(
          Array.from({ length }, (_, index) => BigInt(index + 1)),
        );
      }, 60_000);
    });

    describe('pre-shared keys', () => {
      it('gives back what was stored, with its event', async () => {
        const [made, told] = [psk(), event()];
        expect(await store.psks.insert(made, told, 16)).toBe('inserted');
        expect(await store.psks.find(made.pskId)).toEqual(made);
        expect(await store.psks.find(randomBytes(16))).toBeUndefined();
        expect(await pending()).toEqual([told]);
      });

      it('keeps a principal to its number of usable ones, under concurrency too', async () => {
        await store.psks.insert(psk({ createdAt: NOW - HOUR, notAfter: NOW - 1 }), event(), 3);
        const results = await Promise.all(
          Array.from({ length: 6 }, () => store.psks.insert(psk(), event(), 3)),
        );
        expect(results.filter((result) => result === 'inserted')).toHaveLength(3);
        expect(results.filter((result) => result === 'full')).toHaveLength(3);
        expect(await store.psks.insert(psk({ principal: 'workload:other' }), event(), 3)).toBe('inserted');
        const [one] = await store.psks.list('workload:batch', 1);
        if (one === undefined) throw new Error('none');
        const input = {
          pskId: one.pskId,
          credentialDigest: randomBytes(32),
          ended,
          pskEvent: event,
          sessionEvent,
        };
        await store.psks.revoke(input);
        expect(await store.psks.insert(psk(), event(), 3)).toBe('inserted');
      });

      it('lists newest first, by principal', async () => {
        const made = [psk(), psk({ createdAt: NOW + 2 }), psk({ createdAt: NOW + 1, principal: 'user:bob' })];
        for (const each of made) await store.psks.insert(each, event(), 16);
        expect(await store.psks.list(undefined, 10)).toEqual([made[1], made[2], made[0]]);
        expect(await store.psks.list('user:bob', 10)).toEqual([made[2]]);
        expect(await store.psks.list(undefined, 1)).toEqual([made[1]]);
      });

      it('revokes once, with the sessions that stand on it and no others', async () => {
        const key = psk();
        await store.psks.insert(key, event(), 16);
        const credentialDigest = randomBytes(32);
        const on = await opened({ credentialDigest });
        const other = await opened();
        const input = { pskId: key.pskId, credentialDigest, ended, pskEvent: event, sessionEvent };
        expect(await store.psks.revoke(input)).toBe('revoked');
        expect(await store.psks.revoke(input)).toBe('revoked_before');
        expect(await store.psks.revoke({ ...input, pskId: randomBytes(16) })).toBe('unknown');
        expect(await store.psks.find(key.pskId)).toEqual({ ...key, revokedAt: ended.at });
        expect(await store.sessions.find(on.sessionId)).toMatchObject({ ended });
        expect((await store.sessions.find(other.sessionId))?.ended).toBeUndefined();
        expect((await store.feed.since(0n, 10)).revocations).toHaveLength(1);
        expect(await pending()).toHaveLength(3 + 2);
      });

      it('leaves no session open on a revoked key, whichever comes first', async () => {
        for (let round = 0; round < 10; round += 1) {
          const key = psk({ principal: `workload:w${round}` });
          await store.psks.insert(key, event(), 16);
          const credentialDigest = randomBytes(32);
          const made = session({ credentialDigest });
          const [result] = await Promise.all([
            store.sessions.open(made, event(), key.pskId),
            store.psks.revoke({ pskId: key.pskId, credentialDigest, ended, pskEvent: event, sessionEvent }),
          ]);
          const found = await store.sessions.find(made.sessionId);
          if (result === 'opened') expect(found?.ended?.how).toBe('revoked');
          else expect(found).toBeUndefined();
        }
      });
    });

    it('keeps one decoy secret, the first', async () => {
      expect(await store.decoys.find()).toBeUndefined();
      const all = await Promise.all(Array.from({ length: 4 }, () => store.decoys.insert(randomBytes(60))));
      const kept = await store.decoys.find();
      expect(kept).toBeDefined();
      for (const each of all) expect(each).toEqual(kept);
    });

    it('gives events oldest first, until they are removed', async () => {
      const events = [event(), event(), event()];
      for (const each of events) await store.sessions.open(session(), each, undefined);
      expect(await store.outbox.pending(2)).toEqual(events.slice(0, 2));
      await store.outbox.remove(events.slice(0, 2).map(({ id }) => id));
      await store.outbox.remove([]);
      expect(await store.outbox.pending(10)).toEqual(events.slice(2));
    });
  });
}
