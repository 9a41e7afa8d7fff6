/** Access tokens over memory: who gets one, what it says, who takes it, and how it ends. */
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify, type JSONWebKeySet } from 'jose';
import { fromHex, randomBytes, toHex } from '@sallyport/crypto';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { TokenWanted } from '../src/app/issue-access-token.ts';
import { SELF } from '../src/domain/events.ts';
import { MAX_TOKEN_SESSIONS } from '../src/domain/limits.ts';
import type { Session } from '../src/domain/session.ts';
import { createPki, GATEWAY, PUBLIC_ORIGIN, reasonOf, testApp, type TestApp } from './support.ts';

const MINUTE = 60_000;
const DOOR = `${PUBLIC_ORIGIN}/mcp`;
const ADMIN = { kind: 'principal', id: 'user:admin' } as const;
const SIGN_IN = {
  principal: 'user:alice',
  clientId: 'https://client.test/app.json',
  sourceAddress: '192.0.2.7',
};
const wanted: TokenWanted = { audience: [DOOR], scopes: [] };
const JKT = 'A'.repeat(43);

let anchorsPem: string;
let app: TestApp;
beforeAll(async () => {
  anchorsPem = (await createPki()).authority.pem;
});
beforeEach(() => {
  app = testApp(anchorsPem);
});

async function channel(changes: Partial<Session> = {}): Promise<Session> {
  const session: Session = {
    sessionId: randomBytes(16),
    tenant: 'default',
    principal: 'workload:batch',
    method: 'psk',
    kind: 'channel',
    gateway: GATEWAY,
    sourceAddress: '192.0.2.1',
    openedAt: app.clock.now(),
    notAfter: app.clock.now() + 60 * MINUTE,
    credentialDigest: randomBytes(32),
    ended: undefined,
    clientId: '',
    parentSessionId: undefined,
    ...changes,
  };
  const { sessionId, principal, method, sourceAddress, openedAt: timeMs, tenant } = session;
  const told = { id: toHex(randomBytes(16)), timeMs, tenant, actor: SELF, principal };
  await app.store.sessions.open(
    session,
    { kind: 'session_opened', ...told, sessionId: toHex(sessionId), method, sourceAddress },
    undefined,
  );
  return session;
}

const signedIn = async () => (await app.auth.openTokenSession(SIGN_IN)).sessionId;
const bytes = (sid: string) => fromHex(sid) ?? new Uint8Array();
const verify = async (token: string, audience = DOOR) =>
  jwtVerify(token, createLocalJWKSet((await app.auth.jwks()) as JSONWebKeySet), {
    issuer: PUBLIC_ORIGIN,
    audience,
    typ: 'at+jwt',
    currentDate: new Date(app.clock.now()),
  });

describe('a token of a channel session', () => {
  it('says whose session it is and nothing that the gateway chose', async () => {
    const parent = await channel();
    const issued = await app.auth.issueToken(GATEWAY, parent.sessionId, {
      ...wanted,
      scopes: ['context:read'],
    });
    const { payload, protectedHeader } = await verify(issued.accessToken);
    expect(protectedHeader).toEqual({ alg: 'EdDSA', typ: 'at+jwt', kid: expect.any(String) as string });
    const now = Math.trunc(app.clock.now() / 1000);
    expect(payload).toEqual({
      iss: PUBLIC_ORIGIN,
      sub: 'workload:batch',
      aud: DOOR,
      iat: now,
      nbf: now,
      exp: now + 600,
      jti: issued.tokenId,
      client_id: 'sallyport-channel',
      scope: 'context:read',
      tenant: 'default',
      sid: issued.sessionId,
      method: 'psk',
    });
    expect(issued).toMatchObject({ expiresInSeconds: 600, tokenType: 'Bearer' });
    expect(issued.sessionId).not.toBe(toHex(parent.sessionId));
  });

  it('has a session of its own, of the same credential, listed as a token', async () => {
    const parent = await channel();
    const issued = await app.auth.issueToken(GATEWAY, parent.sessionId, { ...wanted, lifetimeMs: MINUTE });
    const session = await app.store.sessions.find(bytes(issued.sessionId));
    expect(session).toMatchObject({
      kind: 'token',
      method: 'psk',
      principal: 'workload:batch',
      clientId: 'sallyport-channel',
      parentSessionId: parent.sessionId,
      credentialDigest: parent.credentialDigest,
      notAfter: app.clock.now() + MINUTE,
    });
    const { sessions } = await app.auth.listSessions({
      principal: '',
      includeEnded: false,
      pageSize: 0,
      pageToken: '',
    });
    expect(sessions.map(({ kind }) => kind).sort()).toEqual(['channel', 'token']);
  });

  it('is recorded as a sign-in and as a token, before anybody has it', async () => {
    const parent = await channel();
    await app.auth.issueToken(GATEWAY, parent.sessionId, { ...wanted, jkt: JKT });
    expect(app.recorded.slice(-2)).toMatchObject([
      { kind: 'session_opened', principal: 'workload:batch', method: 'psk' },
      { kind: 'token_issued', principal: 'workload:batch', audience: [DOOR], isBound: true },
    ]);
  });

  it('may be bound to a key, be for several routes, and be signed by ES256', async () => {
    const parent = await channel();
    const audience = [DOOR, `${DOOR}/everything`];
    const issued = await app.auth.issueToken(GATEWAY, parent.sessionId, {
      audience,
      scopes: ['context:call', 'context:read'],
      jkt: JKT,
      algorithm: 'ES256',
    });
    const { payload, protectedHeader } = await verify(issued.accessToken, `${DOOR}/everything`);
    expect(protectedHeader.alg).toBe('ES256');
    expect(payload).toMatchObject({ aud: audience, cnf: { jkt: JKT }, scope: 'context:read context:call' });
    expect(issued.tokenType).toBe('DPoP');
  });

  it('never outlives the credential', async () => {
    const parent = await channel({ notAfter: app.clock.now() + 90_500 });
    const issued = await app.auth.issueToken(GATEWAY, parent.sessionId, wanted);
    expect(issued.expiresInSeconds).toBe(90);
    expect(issued.notAfterMs).toBeLessThanOrEqual(parent.notAfter);
  });

  it.each<[string, Partial<Session> | undefined, string, string]>([
    ['that nobody knows', undefined, GATEWAY, 'session_unknown'],
    ['of another gateway', {}, 'spiffe://sallyport.test/svc/other', 'session_unknown'],
    ['that is a token’s', { kind: 'token' }, GATEWAY, 'session_unknown'],
    ['that ended', { ended: { how: 'closed', at: 1, cause: 'closed' } }, GATEWAY, 'session_revoked'],
    ['that is revoked', { ended: { how: 'revoked', at: 1, cause: 'x' } }, GATEWAY, 'session_revoked'],
    ['whose time is over', { notAfter: 1 }, GATEWAY, 'session_revoked'],
    ['that ends within the second', { notAfter: 0 }, GATEWAY, 'session_revoked'],
  ])('is not made for a session %s', async (_name, changes, gateway, reason) => {
    const end = changes?.notAfter === 0 ? { notAfter: app.clock.now() } : {};
    const parent = changes === undefined ? undefined : await channel({ ...changes, ...end });
    const before = app.recorded.length;
    const asked = app.auth.issueToken(gateway, parent?.sessionId ?? randomBytes(16), wanted);
    expect(await reasonOf(asked)).toBe(reason);
    expect(app.recorded.slice(before).filter(({ kind }) => kind === 'token_issued')).toEqual([]);
  });

  it.each<[string, Partial<TokenWanted>]>([
    ['no audience', { audience: [] }],
    ['an audience that is not ours', { audience: ['https://evil.test/mcp'] }],
    ['one of two that is not ours', { audience: [DOOR, 'https://localhost:8443.evil.test/mcp'] }],
    ['an unknown scope', { scopes: ['context:admin'] }],
    ['a lifetime of more than ten minutes', { lifetimeMs: 10 * MINUTE + 1 }],
    ['a lifetime of nothing', { lifetimeMs: 0 }],
    ['a lifetime that is no number', { lifetimeMs: Number.NaN }],
    ['a thumbprint that is none', { jkt: 'none' }],
    ['an empty thumbprint', { jkt: '' }],
  ])('is refused with %s', async (_name, changes) => {
    const parent = await channel();
    const asked = app.auth.issueToken(GATEWAY, parent.sessionId, { ...wanted, ...changes });
    expect(await reasonOf(asked)).toBe('invalid_argument');
    expect(app.tokenKeys.calls).toEqual([]);
  });

  it('is refused without trace when it could not be recorded, and its session is over', async () => {
    const parent = await channel();
    app.faults.spoolFull = true;
    expect(await reasonOf(app.auth.issueToken(GATEWAY, parent.sessionId, wanted))).toBe('spool_full');
    app.faults.spoolFull = false;
    app.faults.spoolFails = true;
    expect(await reasonOf(app.auth.issueToken(GATEWAY, parent.sessionId, wanted))).toBe('unavailable');
    const all = await app.store.sessions.list({
      principal: undefined,
      includeEnded: true,
      now: app.clock.now(),
      after: undefined,
      limit: 10,
    });
    expect(all.filter(({ kind, ended }) => kind === 'token' && ended === undefined)).toEqual([]);
  });

  it('is refused as retryable while key-service is away, with no session left behind', async () => {
    const parent = await channel();
    app.tokenKeys.isAway = true;
    expect(await reasonOf(app.auth.issueToken(GATEWAY, parent.sessionId, wanted))).toBe('unavailable');
    const { sessions } = await app.auth.listSessions({
      principal: '',
      includeEnded: true,
      pageSize: 0,
      pageToken: '',
    });
    expect(sessions.filter(({ kind }) => kind === 'token')).toEqual([]);
  });

  it('one principal has so many and no more, until they are old', async () => {
    const parent = await channel();
    for (let n = 0; n < MAX_TOKEN_SESSIONS; n += 1)
      await app.auth.issueToken(GATEWAY, parent.sessionId, { ...wanted, lifetimeMs: 1000 });
    app.clock.advance(MINUTE);
    expect(await reasonOf(app.auth.issueToken(GATEWAY, parent.sessionId, wanted))).toBe('busy');
    app.clock.advance(9 * MINUTE);
    await app.auth.issueToken(GATEWAY, parent.sessionId, wanted);
  });
});

describe('a token of a sign-in', () => {
  it('is for who signed in, at the client they signed in to', async () => {
    const sid = await signedIn();
    const issued = await app.auth.issueAccessToken(sid, wanted);
    const { payload } = await verify(issued.accessToken);
    expect(payload).toMatchObject({ sub: 'user:alice', client_id: SIGN_IN.clientId, method: 'oauth', sid });
    expect(app.recorded.at(-1)).toMatchObject({ kind: 'token_issued', clientId: SIGN_IN.clientId });
  });

  it.each([
    ['nobody', { principal: 'alice' }],
    ['no client', { clientId: '' }],
    ['a client with a line break', { clientId: 'a\nb' }],
    ['an end that is past', { notAfterMs: 1 }],
    ['an end that is none', { notAfterMs: Number.NaN }],
  ])('is not opened for %s', async (_name, changes) => {
    expect(await reasonOf(app.auth.openTokenSession({ ...SIGN_IN, ...changes }))).toBe('invalid_argument');
  });

  it.each(['', 'x', '00'.repeat(16), 'FF'.repeat(16)])('is not made for session %j', async (sid) => {
    expect(await reasonOf(app.auth.issueAccessToken(sid, wanted))).toBe('session_unknown');
  });

  it('is not made for a channel’s session', async () => {
    const { sessionId } = await channel();
    expect(await reasonOf(app.auth.issueAccessToken(toHex(sessionId), wanted))).toBe('session_unknown');
    expect(await app.auth.isSessionLive(toHex(sessionId))).toBe(false);
  });

  it('is not made once the session was ended, also when it ends while the token is being signed', async () => {
    const sid = await signedIn();
    const sign = app.tokenKeys.sign;
    Object.assign(app.tokenKeys, {
      sign: async (...args: Parameters<typeof sign>) => {
        await app.auth.endTokenSession(SELF, sid, 'signed_out');
        return sign(...args);
      },
    });
    expect(await reasonOf(app.auth.issueAccessToken(sid, wanted))).toBe('session_revoked');
    expect(await reasonOf(app.auth.issueAccessToken(sid, wanted))).toBe('session_revoked');
    expect(app.recorded.filter(({ kind }) => kind === 'token_issued')).toEqual([]);
  });

  it('ends with its session, of which gateways hear', async () => {
    const sid = await signedIn();
    const { accessToken } = await app.auth.issueAccessToken(sid, wanted);
    expect(await app.auth.isSessionLive(sid)).toBe(true);
    await app.auth.endTokenSession(ADMIN, sid, 'signed_out');
    expect(await app.auth.isSessionLive(sid)).toBe(false);
    expect(await app.auth.introspectToken(accessToken)).toBeUndefined();
    expect(app.announced.map(({ sessionId }) => toHex(sessionId))).toEqual([sid]);
    expect(app.keys.destroyed).toEqual([]);
    await app.auth.endTokenSession(ADMIN, sid, 'signed_out');
    await app.auth.endTokenSession(ADMIN, '00'.repeat(16), 'signed_out');
    expect(app.announced).toHaveLength(1);
  });

  it('lives at most as long as a session may', async () => {
    const { notAfter } = await app.auth.openTokenSession({ ...SIGN_IN, notAfterMs: Number.MAX_SAFE_INTEGER });
    expect(notAfter).toBe(app.clock.now() + 8 * 60 * MINUTE);
  });
});

describe('revoking', () => {
  it('a channel session revokes the tokens that it asked for, also after it was closed', async () => {
    const parent = await channel();
    const { sessionId, accessToken } = await app.auth.issueToken(GATEWAY, parent.sessionId, wanted);
    await app.auth.closeSession({ kind: 'service', name: 'gateway' }, parent.sessionId, 'closed');
    expect(await app.auth.introspectToken(accessToken)).toBeDefined();
    const ids = await app.auth.revokeSessions(ADMIN, { kind: 'session', sessionId: parent.sessionId }, '');
    expect(ids.map(toHex)).toEqual([sessionId]);
    expect(await app.auth.introspectToken(accessToken)).toBeUndefined();
  });

  it('a principal revokes channel and tokens alike; a pre-shared key what stands on it', async () => {
    const parent = await channel();
    const { accessToken } = await app.auth.issueToken(GATEWAY, parent.sessionId, wanted);
    const ids = await app.auth.revokeSessions(ADMIN, { kind: 'principal', principal: 'workload:batch' }, '');
    expect(ids).toHaveLength(2);
    expect(await app.auth.introspectToken(accessToken)).toBeUndefined();
  });

  it('a gateway cannot close a token’s session: its end would be nobody’s news', async () => {
    const sid = await signedIn();
    const closed = app.auth.closeSession({ kind: 'service', name: 'gateway' }, bytes(sid), 'closed');
    expect(await reasonOf(closed)).toBe('session_unknown');
    expect(await app.auth.isSessionLive(sid)).toBe(true);
  });

  it('a token by itself ends its session; by whom is recorded', async () => {
    const sid = await signedIn();
    const { accessToken } = await app.auth.issueAccessToken(sid, wanted);
    expect(
      toHex((await app.auth.revokeToken(undefined, accessToken, 'token_revoked')) ?? new Uint8Array()),
    ).toBe(sid);
    expect(app.recorded.at(-1)).toMatchObject({
      kind: 'session_ended',
      how: 'revoked',
      cause: 'token_revoked',
      actor: { kind: 'principal', id: 'user:alice' },
    });
    expect(await app.auth.revokeToken(undefined, accessToken, 'token_revoked')).toBeUndefined();
  });

  it('sessions of tokens expire, and are recorded as over', async () => {
    const parent = await channel();
    await app.auth.issueToken(GATEWAY, parent.sessionId, wanted);
    app.clock.advance(10 * MINUTE + 1);
    expect(await app.auth.sweepSessions()).toBe(1);
    expect(app.recorded.at(-1)).toMatchObject({ kind: 'session_ended', how: 'expired' });
  });
});

describe('keys', () => {
  it('are shown as a JWK set, the newest first, and nothing of them that is secret', async () => {
    app.tokenKeys.rotate('ES256');
    const { keys } = await app.auth.jwks();
    expect(keys.map(({ kty, crv, alg, use }) => ({ kty, crv, alg, use }))).toEqual([
      { kty: 'EC', crv: 'P-256', alg: 'ES256', use: 'sig' },
      { kty: 'EC', crv: 'P-256', alg: 'ES256', use: 'sig' },
      { kty: 'OKP', crv: 'Ed25519', alg: 'EdDSA', use: 'sig' },
    ]);
    expect(new Set(keys.map(({ kid }) => kid)).size).toBe(3);
    expect(keys.flatMap((key) => Object.keys(key))).not.toContain('d');
  });

  it.each(['EdDSA', 'ES256'] as const)(
    'rotated while %s tokens live: both verify, the new one signs',
    async (algorithm) => {
      const sid = await signedIn();
      const issue = () => app.auth.issueAccessToken(sid, { ...wanted, algorithm });
      const before = (await issue()).accessToken;
      app.tokenKeys.rotate(algorithm);
      const after = (await issue()).accessToken;
      app.clock.advance(1001);
      expect(decodeProtectedHeader(after).kid).not.toBe(decodeProtectedHeader(before).kid);
      for (const token of [before, after]) {
        expect((await verify(token)).protectedHeader.alg).toBe(algorithm);
        expect(await app.auth.introspectToken(token)).toMatchObject({
          principal: 'user:alice',
          sessionId: sid,
        });
      }
    },
  );

  it('are asked for once a second, however many want to know', async () => {
    await Promise.all(Array.from({ length: 50 }, () => app.auth.jwks()));
    expect(app.tokenKeys.calls).toEqual(['list']);
    app.clock.advance(1001);
    await app.auth.jwks();
    expect(app.tokenKeys.calls).toEqual(['list', 'list']);
  });

  it('that cannot be had are not remembered as none', async () => {
    app.tokenKeys.isAway = true;
    expect(await reasonOf(app.auth.jwks())).toBe('unavailable');
    app.tokenKeys.isAway = false;
    expect((await app.auth.jwks()).keys).toHaveLength(2);
  });
});
