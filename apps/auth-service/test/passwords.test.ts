/** What users sign in with, over memory: set, checked, changed and removed; and what it costs who guesses. */
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createPki, reasonOf, testApp, type TestApp } from './support.ts';

const ADMIN = { kind: 'principal', id: 'user:admin' } as const;
const PASSWORD = 'correct horse battery';
const SOURCE = '192.0.2.7';

let anchorsPem: string;
let app: TestApp;
beforeAll(async () => {
  anchorsPem = (await createPki()).authority.pem;
});
beforeEach(async () => {
  app = testApp(anchorsPem);
  await app.auth.setPassword(ADMIN, 'user:alice', PASSWORD);
});

const attempt = (username: string, password: string, sourceAddress = SOURCE) =>
  app.auth.verifyPassword({ username, password, sourceAddress });

describe('a password', () => {
  it.each(['alice', 'user:alice'])('lets %s in', async (username) => {
    expect(await attempt(username, PASSWORD)).toMatchObject({ principal: 'user:alice' });
  });

  it.each([
    ['alice', `${PASSWORD}.`],
    ['alice', PASSWORD.toUpperCase()],
    ['alice', ''],
    ['alice', 'nul\0'],
    ['alice', 'x'.repeat(100_000)],
    ['bob', PASSWORD],
    ['', PASSWORD],
    ['nobody', PASSWORD],
    ['workload:alice', PASSWORD],
    ['ALICE', PASSWORD],
    ['alice\n', PASSWORD],
    ['user:user:alice', PASSWORD],
  ])('%j with %j is nobody', async (username, password) => {
    expect(await attempt(username, password)).toBeUndefined();
  });

  it('is kept sealed, bound to its user', async () => {
    const stored = await app.store.passwords.find('user:alice');
    if (stored === undefined) throw new Error('not stored');
    expect(Buffer.from(stored.sealed).includes(PASSWORD)).toBe(false);
    const event = {
      kind: 'password_set',
      id: '0'.repeat(32),
      timeMs: 1,
      tenant: 'default',
      actor: ADMIN,
    } as const;
    // Somebody who can write the database gives bob the row of alice.
    await app.store.passwords.set(
      { ...stored, principal: 'user:bob' },
      {
        credentialDigest: new Uint8Array(32),
        ended: { how: 'revoked', at: 1, cause: 'x' },
        event: { ...event, principal: 'user:bob' },
        sessionEvent: () => {
          throw new Error('there are none');
        },
      },
    );
    await expect(attempt('bob', PASSWORD)).rejects.toMatchObject({ reason: 'decryption_failed' });
  });

  it('that is changed signs out who signed in with the one before, and nobody else', async () => {
    const open = async (principal: string) =>
      (await app.auth.openTokenSession({ principal, clientId: 'client', sourceAddress: SOURCE })).sessionId;
    const [alices, bobs] = [await open('user:alice'), await open('user:bob')];
    expect(await app.auth.setPassword(ADMIN, 'user:alice', 'another horse battery')).toBe(1);
    expect(await app.auth.isSessionLive(alices)).toBe(false);
    expect(await app.auth.isSessionLive(bobs)).toBe(true);
    expect(await attempt('alice', PASSWORD)).toBeUndefined();
    expect(await attempt('alice', 'another horse battery')).toMatchObject({ principal: 'user:alice' });
  });

  it('that is removed lets nobody in, and is removed once', async () => {
    expect(await app.auth.deletePassword(ADMIN, 'user:alice')).toBe(0);
    expect(await attempt('alice', PASSWORD)).toBeUndefined();
    expect(await reasonOf(app.auth.deletePassword(ADMIN, 'user:alice'))).toBe('not_found');
  });

  it('is on record by who set and removed it', async () => {
    await app.auth.deletePassword(ADMIN, 'user:alice');
    expect(app.recorded).toMatchObject([
      { kind: 'password_set', principal: 'user:alice', actor: ADMIN },
      { kind: 'password_deleted', principal: 'user:alice', actor: ADMIN },
    ]);
    expect(JSON.stringify(app.recorded)).not.toContain(PASSWORD);
  });

  it.each([
    ['workload:batch', PASSWORD],
    ['alice', PASSWORD],
    ['', PASSWORD],
    ['user:alice', 'short'],
  ])('of %j is not set to %j', async (principal, password) => {
    expect(await reasonOf(app.auth.setPassword(ADMIN, principal, password))).toBe('invalid_argument');
  });
});

describe('who guesses', () => {
  it('is slowed down, with the time to come again; the right password does not help', async () => {
    for (let n = 0; n < 5; n += 1) await attempt('alice', `guess number ${n}`);
    const refused = attempt('alice', PASSWORD);
    await expect(refused).rejects.toMatchObject({ reason: 'busy', retryAfterMs: 1000 });
    app.clock.advance(1000);
    expect(await attempt('alice', PASSWORD)).toMatchObject({ principal: 'user:alice' });
  });

  it('is told as little of names that there are not, by the same steps', async () => {
    const stepsOf = async (username: string) => {
      await attempt(username, 'a warm up of decoys', '198.51.100.1');
      const before = app.keys.calls.length;
      await attempt(username, 'wrong horse battery');
      return app.keys.calls.slice(before);
    };
    expect(await stepsOf('alice')).toEqual(['decrypt']);
    expect(await stepsOf('bob')).toEqual(['decrypt']);
    expect(await stepsOf('\0')).toEqual(['decrypt']);
    const delays = async (username: string) => {
      const reasons: unknown[] = [];
      for (let n = 0; n < 7; n += 1)
        reasons.push(
          await attempt(username, 'wrong horse battery', '203.0.113.9').then(
            (found) => found,
            (error: { reason: string }) => error.reason,
          ),
        );
      return reasons;
    };
    expect(await delays('alice')).toEqual(await delays('bob'));
  });

  it('does not keep out who comes from where they came from before', async () => {
    await attempt('alice', PASSWORD);
    for (let n = 0; n < 60; n += 1)
      await attempt('alice', 'wrong horse battery', `203.0.113.${n}`).catch(() => undefined);
    expect(await attempt('alice', PASSWORD)).toMatchObject({ principal: 'user:alice' });
  });
});

it('while key-service is away nobody can say', async () => {
  app.keys.isAway = true;
  for (const username of ['alice', 'bob'])
    expect(await reasonOf(attempt(username, PASSWORD))).toBe('unavailable');
});
