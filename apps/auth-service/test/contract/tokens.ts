/** What every store must do for tokens and passwords, run on each. */
import { randomBytes, toHex } from '@sallyport/crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { PasswordEnding, SessionEvent } from '../../src/app/ports.ts';
import { SELF, type AuthEvent } from '../../src/domain/events.ts';
import type { Ended, Session } from '../../src/domain/session.ts';
import type { AuthStore } from '../../src/store/store.ts';
import type { StoreUnderTest } from './store.ts';

const NOW = Date.UTC(2026, 5, 1);
const MINUTE = 60_000;
const LIMIT = { recentSince: NOW - 10 * MINUTE, maxRecent: 100 };

function session(changes: Partial<Session> = {}): Session {
  return {
    sessionId: randomBytes(16),
    tenant: 'default',
    principal: 'user:alice',
    method: 'certificate',
    kind: 'channel',
    gateway: 'spiffe://sallyport.test/svc/gateway',
    sourceAddress: '192.0.2.1',
    openedAt: NOW,
    notAfter: NOW + 10 * MINUTE,
    credentialDigest: randomBytes(32),
    ended: undefined,
    clientId: '',
    parentSessionId: undefined,
    ...changes,
  };
}

const token = (changes: Partial<Session> = {}): Session =>
  session({
    kind: 'token',
    method: 'oauth',
    gateway: '',
    clientId: 'https://client.test/app.json',
    ...changes,
  });

function event(): AuthEvent {
  return {
    kind: 'password_set',
    id: toHex(randomBytes(16)),
    timeMs: NOW,
    tenant: 'default',
    actor: SELF,
    principal: 'user:alice',
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

export function tokenStoreContract(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(`auth store, tokens and passwords: ${name}`, () => {
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

    const pending = async () => (await store.outbox.pending(10_000)).map(({ id }) => id);
    const channel = async (changes: Partial<Session> = {}) => {
      const made = session(changes);
      expect(await store.sessions.open(made, event(), undefined)).toBe('opened');
      return made;
    };
    const opened = async (changes: Partial<Session> = {}) => {
      const made = token(changes);
      expect(await store.tokenSessions.open(made, [event()], LIMIT)).toBe('opened');
      return made;
    };
    const revoke = ({ sessionId }: Session) =>
      store.feed.revoke({ kind: 'session', sessionId }, ended, sessionEvent);
    const hex = (ids: readonly Uint8Array[] | undefined) => ids?.map(toHex).sort();
    const idsOf = (...sessions: readonly Session[]) =>
      sessions.map(({ sessionId }) => toHex(sessionId)).sort();

    describe('sessions of tokens', () => {
      it('are given back as they were stored, with all their events, in order', async () => {
        const parent = await channel();
        const before = await pending();
        const [made, events] = [token({ parentSessionId: parent.sessionId }), [event(), event()]];
        expect(await store.tokenSessions.open(made, events, LIMIT)).toBe('opened');
        expect(await store.sessions.find(made.sessionId)).toEqual(made);
        expect(await pending()).toEqual([...before, ...events.map(({ id }) => id)]);
      });

      it('take an id once, whatever kind had it', async () => {
        const { sessionId } = await channel();
        const before = await pending();
        expect(await store.tokenSessions.open(token({ sessionId }), [event()], LIMIT)).toBe('session_reused');
        expect(await pending()).toEqual(before);
      });

      it.each<[string, (made: Session) => Promise<unknown>, Partial<Session>]>([
        ['was never there', async () => undefined, { parentSessionId: randomBytes(16) }],
        ['is revoked', (made) => revoke(made), {}],
        [
          'is closed',
          (made) => store.sessions.end(made.sessionId, { ...ended, how: 'closed' }, sessionEvent),
          {},
        ],
        [
          'is over by its time',
          async () => undefined,
          { openedAt: NOW + 10 * MINUTE + 1, notAfter: NOW + 20 * MINUTE },
        ],
      ])('are not opened by a session that %s', async (_name, end, changes) => {
        const parent = await channel();
        await end(parent);
        const before = await pending();
        const made = token({ parentSessionId: parent.sessionId, ...changes });
        expect(await store.tokenSessions.open(made, [event()], LIMIT)).toBe('parent_over');
        expect(await store.sessions.find(made.sessionId)).toBeUndefined();
        expect(await pending()).toEqual(before);
      });

      it('end when the session that asked for them is revoked, open or closed, and at no other end of it', async () => {
        const parent = await channel();
        const [made, other] = [await opened({ parentSessionId: parent.sessionId }), await opened()];
        expect(await store.sessions.end(parent.sessionId, { ...ended, how: 'closed' }, sessionEvent)).toBe(
          'done',
        );
        expect((await store.sessions.find(made.sessionId))?.ended).toBeUndefined();
        expect(hex(await revoke(parent))).toEqual(idsOf(made));
        expect((await store.sessions.find(made.sessionId))?.ended).toEqual(ended);
        expect((await store.sessions.find(other.sessionId))?.ended).toBeUndefined();
      });

      it('either see a revocation or are ended by it', async () => {
        const parent = await channel();
        const children = Array.from({ length: 12 }, () => token({ parentSessionId: parent.sessionId }));
        const results = await Promise.all([
          ...children.slice(0, 6).map((made) => store.tokenSessions.open(made, [event()], LIMIT)),
          revoke(parent),
          ...children.slice(6).map((made) => store.tokenSessions.open(made, [event()], LIMIT)),
        ]);
        expect(results).toHaveLength(13);
        for (const { sessionId } of children) {
          const found = await store.sessions.find(sessionId);
          expect(found === undefined || found.ended !== undefined).toBe(true);
        }
      });

      it('are not closed by a gateway', async () => {
        const made = await opened();
        const before = await pending();
        expect(await store.sessions.end(made.sessionId, { ...ended, how: 'closed' }, sessionEvent)).toBe(
          'unknown',
        );
        expect((await store.sessions.find(made.sessionId))?.ended).toBeUndefined();
        expect(await pending()).toEqual(before);
      });

      it('are in the feed when revoked, and owe key-service nothing', async () => {
        const [parent] = [await channel({ principal: 'user:bob' })];
        const made = await opened({ principal: 'user:bob' });
        const ids = await store.feed.revoke(
          { kind: 'principal', principal: 'user:bob' },
          ended,
          sessionEvent,
        );
        expect(hex(ids)).toEqual(idsOf(parent, made));
        expect(hex((await store.feed.owed('announced', 10)).map(({ sessionId }) => sessionId))).toEqual(
          idsOf(parent, made),
        );
        expect((await store.feed.owed('key_destroyed', 10)).map(({ sessionId }) => toHex(sessionId))).toEqual(
          idsOf(parent),
        );
      });

      it('expire, and are listed until then', async () => {
        const made = await opened();
        const query = { principal: undefined, includeEnded: false, after: undefined, limit: 10 };
        expect(await store.sessions.list({ ...query, now: NOW })).toEqual([made]);
        expect(await store.sessions.expire(made.notAfter + 1, 10, sessionEvent)).toBe(1);
        expect(await store.sessions.list({ ...query, now: NOW })).toEqual([]);
      });

      it('are counted per principal: open ones, and those of the last while', async () => {
        const limit = { ...LIMIT, maxRecent: 2 };
        const old = { openedAt: LIMIT.recentSince, notAfter: NOW - 1 };
        await opened(old); // long over: not counted
        const revoked = await opened({ openedAt: NOW - MINUTE });
        await revoke(revoked); // over, and of the last while: counted
        await channel();
        await opened({ principal: 'user:bob' });
        expect(await store.tokenSessions.open(token(), [event()], limit)).toBe('opened');
        const before = await pending();
        expect(await store.tokenSessions.open(token(), [event()], limit)).toBe('full');
        expect(await pending()).toEqual(before);
      });

      it('are counted alone: many at the same time are no more', async () => {
        const results = await Promise.all(
          Array.from({ length: 8 }, () =>
            store.tokenSessions.open(token(), [event()], { ...LIMIT, maxRecent: 3 }),
          ),
        );
        expect(results.filter((result) => result === 'opened')).toHaveLength(3);
        expect(results.filter((result) => result === 'full')).toHaveLength(5);
      });

      it('note what happens while they are open', async () => {
        const [made, told] = [await opened(), event()];
        expect(await store.tokenSessions.note(made.sessionId, NOW, told)).toBe(true);
        expect((await pending()).at(-1)).toBe(told.id);
      });

      it.each<[string, (made: Session) => Promise<unknown>, number]>([
        ['is revoked', (made) => revoke(made), NOW],
        ['is over by its time', async () => undefined, NOW + 10 * MINUTE + 1],
      ])('note nothing for one that %s', async (_name, end, now) => {
        const made = await opened();
        await end(made);
        const before = await pending();
        expect(await store.tokenSessions.note(made.sessionId, now, event())).toBe(false);
        expect(await pending()).toEqual(before);
      });

      it('note nothing for a channel, nor for none', async () => {
        const { sessionId } = await channel();
        expect(await store.tokenSessions.note(sessionId, NOW, event())).toBe(false);
        expect(await store.tokenSessions.note(randomBytes(16), NOW, event())).toBe(false);
      });
    });

    describe('passwords', () => {
      const digest = randomBytes(32);
      const ending = (): PasswordEnding => ({
        credentialDigest: digest,
        ended,
        event: event(),
        sessionEvent,
      });
      const password = (changes = {}) => ({
        principal: 'user:alice',
        sealed: randomBytes(80),
        setAt: NOW,
        ...changes,
      });

      it('are given back as they were set, one of each user, with their event', async () => {
        expect(await store.passwords.find('user:alice')).toBeUndefined();
        const [first, second, bobs] = [
          password(),
          password({ setAt: NOW + 1 }),
          password({ principal: 'user:bob' }),
        ];
        const told = ending();
        expect(await store.passwords.set(first, told)).toEqual([]);
        expect(await store.passwords.find('user:alice')).toEqual(first);
        expect(await pending()).toEqual([told.event.id]);
        await store.passwords.set(bobs, ending());
        await store.passwords.set(second, ending());
        expect(await store.passwords.find('user:alice')).toEqual(second);
        expect(await store.passwords.find('user:bob')).toEqual(bobs);
      });

      it('end what stood on the one before, and nothing else', async () => {
        const [stands, other] = [await opened({ credentialDigest: digest }), await opened()];
        expect(hex(await store.passwords.set(password(), ending()))).toEqual(idsOf(stands));
        expect((await store.sessions.find(stands.sessionId))?.ended).toEqual(ended);
        expect((await store.sessions.find(other.sessionId))?.ended).toBeUndefined();
        expect((await store.feed.since(0n, 10)).revocations).toHaveLength(1);
      });

      it('are removed once, with what stood on them', async () => {
        expect(await store.passwords.remove('user:alice', ending())).toBeUndefined();
        expect(await pending()).toEqual([]);
        await store.passwords.set(password(), ending());
        const stands = await opened({ credentialDigest: digest });
        expect(hex(await store.passwords.remove('user:alice', ending()))).toEqual(idsOf(stands));
        expect(await store.passwords.find('user:alice')).toBeUndefined();
        expect(await store.passwords.remove('user:alice', ending())).toBeUndefined();
      });
    });
  });
}
