/** Sessions and keys after they were made: listed, closed, revoked, swept. */
import { credentialDigest } from '@sallyport/channel';
import { randomBytes, toHex } from '@sallyport/crypto';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { MAX_DESTROY_IDS } from '../src/domain/limits.ts';
import type { Session } from '../src/domain/session.ts';
import { createAuthority, DAY, HOUR, NOW } from './pki.ts';
import { reasonOf, testApp, type TestApp } from './support.ts';

let anchorsPem: string;
let app: TestApp;
beforeAll(async () => {
  anchorsPem = (await createAuthority()).pem;
});
beforeEach(() => {
  app = testApp(anchorsPem);
});

const ADMIN = { kind: 'principal', id: 'user:admin' } as const;
const GATEWAY = { kind: 'service', name: 'gateway' } as const;
const kinds = () => app.recorded.map(({ kind }) => kind);
const alice = { kind: 'principal', principal: 'user:alice' } as const;

async function opened(changes: Partial<Session> = {}): Promise<Session> {
  const session: Session = {
    sessionId: randomBytes(16),
    tenant: 'default',
    principal: 'user:alice',
    method: 'certificate',
    gateway: 'spiffe://sallyport.test/svc/gateway',
    sourceAddress: '192.0.2.1',
    openedAt: app.clock.now(),
    notAfter: app.clock.now() + HOUR,
    credentialDigest: randomBytes(32),
    ended: undefined,
    kind: 'channel',
    clientId: '',
    parentSessionId: undefined,
    ...changes,
  };
  const { sessionId, principal, method } = session;
  await app.store.sessions.open(
    session,
    {
      kind: 'session_opened',
      id: toHex(randomBytes(16)),
      timeMs: session.openedAt,
      tenant: 'default',
      actor: GATEWAY,
      principal,
      sessionId: toHex(sessionId),
      method,
      sourceAddress: '192.0.2.1',
    },
    undefined,
  );
  return session;
}

describe('with key-service away', () => {
  it('the thousand revocations that wait for it hold no announcement back', async () => {
    for (let at = 0; at < MAX_DESTROY_IDS; at += 1) await opened();
    app.keys.isAway = true;
    await app.auth.revokeSessions(ADMIN, alice, '');
    const { sessionId } = await opened({ principal: 'user:bob' });
    await app.auth.revokeSessions(ADMIN, { kind: 'session', sessionId }, '');
    expect(app.announced.at(-1)?.sessionId).toEqual(sessionId);
    app.keys.isAway = false;
    await app.auth.payRevocations();
    expect(app.keys.destroyed).toHaveLength(MAX_DESTROY_IDS + 1);
  });
});

describe('listing', () => {
  const wanted = { principal: '', includeEnded: false, pageSize: 0, pageToken: '' };

  it('goes through all pages, and shows what is over as over before the sweep has come by', async () => {
    for (let at = 0; at < 7; at += 1) await opened();
    const over = await opened({ openedAt: NOW - DAY, notAfter: NOW - 1 });
    const seen: Session[] = [];
    let pageToken = '';
    do {
      const page = await app.auth.listSessions({ ...wanted, includeEnded: true, pageSize: 3, pageToken });
      expect(page.sessions.length).toBeLessThanOrEqual(3);
      seen.push(...page.sessions);
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    expect(new Set(seen.map(({ sessionId }) => toHex(sessionId))).size).toBe(8);
    expect(seen.at(-1)).toEqual({ ...over, ended: { how: 'expired', at: NOW - 1, cause: 'expired' } });
    expect((await app.auth.listSessions(wanted)).sessions).toHaveLength(7);
  });

  it.each([
    ['a token that is none', { pageToken: 'nonsense' }],
    ['an endless token', { pageToken: 'A'.repeat(100_000) }],
    ['a page that is too large', { pageSize: 1001 }],
    ['nobody', { principal: 'alice' }],
    ['a service', { principal: 'svc:gateway' }],
  ])('refuses %s', async (_, changes) => {
    expect(await reasonOf(app.auth.listSessions({ ...wanted, ...changes }))).toBe('invalid_argument');
  });

  it('refuses the token of another list', async () => {
    for (let at = 0; at < 3; at += 1) await opened();
    const { nextPageToken: pageToken } = await app.auth.listSessions({ ...wanted, pageSize: 1 });
    expect(pageToken).not.toBe('');
    const other = { ...wanted, principal: 'user:alice', pageToken };
    expect(await reasonOf(app.auth.listSessions(other))).toBe('invalid_argument');
  });
});

describe('revoking', () => {
  it('tells audit, gateways and key-service', async () => {
    const [first, second] = [await opened(), await opened()];
    const bob = await opened({ principal: 'user:bob' });
    const revoked = await app.auth.revokeSessions(ADMIN, alice, 'lost laptop');
    expect(new Set(revoked.map(toHex))).toEqual(
      new Set([first, second].map((each) => toHex(each.sessionId))),
    );
    expect(app.announced.map(({ number, cause }) => [number, cause])).toEqual([
      [1n, 'lost laptop'],
      [2n, 'lost laptop'],
    ]);
    expect(new Set(app.keys.destroyed)).toEqual(new Set(revoked.map(toHex)));
    expect(app.recorded.filter(({ kind }) => kind === 'session_ended')).toMatchObject([
      { actor: ADMIN, principal: 'user:alice', how: 'revoked' },
      { actor: ADMIN, principal: 'user:alice', how: 'revoked' },
    ]);
    expect((await app.store.sessions.find(bob.sessionId))?.ended).toBeUndefined();
    expect(await app.auth.listRevocations(1n)).toMatchObject({ revocations: [{ number: 2n }], last: 2n });
    expect(await app.store.feed.owed('announced', 10)).toEqual([]);
  });

  it('again changes nothing', async () => {
    const { sessionId } = await opened();
    const target = { kind: 'session', sessionId } as const;
    expect(await app.auth.revokeSessions(ADMIN, target, '')).toEqual([sessionId]);
    expect(await app.auth.revokeSessions(ADMIN, target, '')).toEqual([]);
    expect(app.announced).toHaveLength(1);
    expect(app.announced[0]?.cause).toBe('revoked');
  });

  it.each([
    ['nothing', undefined, '', 'invalid_argument'],
    ['a short id', { kind: 'session', sessionId: randomBytes(15) }, '', 'invalid_argument'],
    ['nobody', { kind: 'principal', principal: '' }, '', 'invalid_argument'],
    ['an unknown session', { kind: 'session', sessionId: randomBytes(16) }, '', 'not_found'],
    ['for two lines', alice, 'a\nb', 'invalid_argument'],
    ['for a long story', alice, 'x'.repeat(129), 'invalid_argument'],
  ] as const)('%s is refused', async (_, target, cause, reason) => {
    expect(await reasonOf(app.auth.revokeSessions(ADMIN, target, cause))).toBe(reason);
  });

  it('while the bus is down: done, and announced in order when it is back', async () => {
    app.faults.busDown = true;
    await opened();
    await opened();
    await app.auth.revokeSessions(ADMIN, alice, '');
    expect(app.announced).toEqual([]);
    expect(app.keys.destroyed).toHaveLength(2);
    expect(app.problems).toEqual(['announced']);
    app.faults.busDown = false;
    await app.auth.payRevocations();
    expect(app.announced.map(({ number }) => number)).toEqual([1n, 2n]);
  });

  it('while key-service is away: announced, and the keys destroyed when it is back', async () => {
    app.keys.isAway = true;
    const { sessionId } = await opened();
    await app.auth.revokeSessions(ADMIN, alice, '');
    expect(app.announced).toHaveLength(1);
    expect(app.problems).toEqual(['key_destroyed']);
    app.keys.isAway = false;
    await app.auth.payRevocations();
    expect(app.keys.destroyed).toEqual([toHex(sessionId)]);
    expect(app.announced).toHaveLength(1);
  });

  it('and dying right after the commit: the next process tells and announces', async () => {
    await opened();
    await app.store.feed.revoke(alice, { how: 'revoked', at: NOW, cause: 'x' }, (session) => ({
      kind: 'session_ended',
      id: '00',
      timeMs: NOW,
      tenant: 'default',
      actor: ADMIN,
      principal: session.principal,
      sessionId: toHex(session.sessionId),
      method: session.method,
      how: 'revoked',
      cause: 'x',
    }));
    const next = testApp(anchorsPem, { store: app.store });
    await next.auth.tell();
    await next.auth.payRevocations();
    expect(next.recorded.map(({ kind }) => kind)).toEqual(['session_opened', 'session_ended']);
    expect(next.announced).toHaveLength(1);
    expect(next.keys.destroyed).toHaveLength(1);
  });

  it('is not answered while it is not recorded', async () => {
    await opened();
    app.faults.spoolFails = true;
    expect(await reasonOf(app.auth.revokeSessions(ADMIN, alice, ''))).toBe('unavailable');
    expect(app.announced).toHaveLength(1); // committed: gateways hear of it all the same
    app.faults.spoolFails = false;
    await app.auth.tell();
    expect(kinds()).toEqual(['session_opened', 'session_ended']);
  });
});

describe('closing', () => {
  it('ends once, with the cause', async () => {
    const { sessionId } = await opened();
    await app.auth.closeSession(GATEWAY, sessionId, 'superseded');
    await app.auth.closeSession(GATEWAY, sessionId, 'closed');
    expect(await app.store.sessions.find(sessionId)).toMatchObject({
      ended: { how: 'closed', cause: 'superseded' },
    });
    expect(kinds()).toEqual(['session_opened', 'session_ended']);
    expect(app.announced).toEqual([]);
  });

  it.each([
    ['an unknown session', randomBytes(16), '', 'session_unknown'],
    ['a short id', randomBytes(3), '', 'invalid_argument'],
    ['for a sentence', randomBytes(16), 'because I can', 'invalid_argument'],
  ] as const)('%s is refused', async (_, sessionId, cause, reason) => {
    expect(await reasonOf(app.auth.closeSession(GATEWAY, sessionId, cause))).toBe(reason);
  });
});

describe('the sweep', () => {
  it('ends what is over and forgets what ended long ago', async () => {
    for (let at = 0; at < 300; at += 1) await opened();
    expect(await app.auth.sweepSessions()).toBe(0);
    app.clock.advance(HOUR + 1);
    expect(await app.auth.sweepSessions()).toBe(300);
    expect(kinds().filter((kind) => kind === 'session_ended')).toHaveLength(300);
    app.clock.advance(31 * DAY);
    await app.auth.sweepSessions();
    const all = { principal: '', includeEnded: true, pageSize: 1000, pageToken: '' };
    expect((await app.auth.listSessions(all)).sessions).toEqual([]);
  });
});

describe('pre-shared keys', () => {
  const wanted = { principal: 'workload:batch', lifetimeDays: 0, label: 'nightly' };

  it('are made by the system, sealed to their owner, and never shown again', async () => {
    const made = await app.auth.createPsk(ADMIN, wanted);
    expect([made.pskId.length, made.psk.length, made.notAfter]).toEqual([16, 32, NOW + 90 * DAY]);
    const other = await app.auth.createPsk(ADMIN, wanted);
    expect(other.psk).not.toEqual(made.psk);
    const [listed] = await app.auth.listPsks('workload:batch');
    expect(Object.keys(listed ?? {}).sort()).toEqual(
      ['createdAt', 'label', 'notAfter', 'principal', 'pskId', 'revokedAt'].sort(),
    );
    expect(app.recorded).toMatchObject([
      { kind: 'psk_created', actor: ADMIN, pskId: toHex(made.pskId), label: 'nightly' },
      { kind: 'psk_created' },
    ]);
    const stored = await app.store.psks.find(made.pskId);
    expect(Buffer.from(stored?.sealed ?? []).includes(Buffer.from(made.psk))).toBe(false);
  });

  it.each([
    ['for nobody', { principal: '' }],
    ['for a service', { principal: 'svc:gateway' }],
    ['for a name in capitals', { principal: 'user:Alice' }],
    ['for ever', { lifetimeDays: 367 }],
    ['with a label of two lines', { label: 'a\nb' }],
    ['with half a character', { label: '\ud800' }],
  ])('%s are refused', async (_, changes) => {
    expect(await reasonOf(app.auth.createPsk(ADMIN, { ...wanted, ...changes }))).toBe('invalid_argument');
    expect(app.keys.calls).toEqual([]);
  });

  it('are sixteen of a principal at most', async () => {
    for (let at = 0; at < 16; at += 1) await app.auth.createPsk(ADMIN, wanted);
    expect(await reasonOf(app.auth.createPsk(ADMIN, wanted))).toBe('too_large');
  });

  it('end their sessions when they are revoked, and no others', async () => {
    const made = await app.auth.createPsk(ADMIN, wanted);
    const on = await opened({ method: 'psk', credentialDigest: credentialDigest(made.pskId) });
    const other = await opened();
    await app.auth.revokePsk(ADMIN, made.pskId);
    await app.auth.revokePsk(ADMIN, made.pskId);
    expect(app.announced.map(({ sessionId }) => toHex(sessionId))).toEqual([toHex(on.sessionId)]);
    expect(app.keys.destroyed).toEqual([toHex(on.sessionId)]);
    expect((await app.store.sessions.find(other.sessionId))?.ended).toBeUndefined();
    expect((await app.auth.listPsks(''))[0]?.revokedAt).toBe(NOW);
    expect(await reasonOf(app.auth.revokePsk(ADMIN, randomBytes(16)))).toBe('not_found');
    expect(await reasonOf(app.auth.revokePsk(ADMIN, randomBytes(15)))).toBe('invalid_argument');
  });

  it('do not open when their row was changed', async () => {
    const made = await app.auth.createPsk(ADMIN, wanted);
    const stored = await app.store.psks.find(made.pskId);
    if (stored === undefined) throw new Error('not stored');
    const { pskContext } = await import('../src/domain/psk.ts');
    expect(await app.keys.decrypt(stored.sealed, pskContext(stored))).toEqual(made.psk);
    for (const changed of [
      { ...stored, principal: 'user:admin' },
      { ...stored, pskId: randomBytes(16) },
      { ...stored, trustDomain: 'other.test' },
    ]) {
      expect(await reasonOf(app.keys.decrypt(stored.sealed, pskContext(changed)))).toBe('decryption_failed');
    }
  });
});
