/** The authorization code flow of a public client, from registration to revocation. */
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  ADMIN,
  authorizePath,
  CALLBACK,
  csrfOf,
  follow,
  pkce,
  redeem,
  refresh,
  registered,
  signInAndAllow,
  startRig,
  tokens,
  type Rig,
} from './rig.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig[Symbol.asyncDispose]());
const OFFLINE = { scope: 'context:read context:call offline_access' };

test('a code becomes an access token for the resource, of a session', async () => {
  const browser = rig.browser();
  const clientId = await registered(browser);
  const proof = pkce();
  const redirect = await signInAndAllow(browser, authorizePath(browser.origin, clientId, proof));
  expect(redirect.href.startsWith(`${CALLBACK}?`)).toBe(true);
  expect(redirect.searchParams.get('state')).toBe('state-1');
  expect(redirect.searchParams.get('iss')).toBe(browser.origin); // RFC 9207

  const answer = await redeem(browser, clientId, redirect.searchParams.get('code') ?? '', proof.verifier);
  expect(answer.status).toBe(200);
  expect(answer.headers['cache-control']).toBe('no-store');
  const body = answer.json();
  expect(body).toMatchObject({ token_type: 'Bearer', expires_in: 600, scope: 'context:read context:call' });
  expect(body).not.toHaveProperty('refresh_token');
  expect(body).not.toHaveProperty('id_token');
  const token = String(body['access_token']);
  expect(decodeProtectedHeader(token)).toMatchObject({ typ: 'at+jwt', alg: 'EdDSA' });
  const claims = decodeJwt(token);
  expect(claims).toMatchObject({
    iss: browser.origin,
    sub: 'user:alice',
    client_id: clientId,
    scope: 'context:read context:call',
    tenant: 'default',
  });
  expect([claims.aud].flat()).toEqual([`${browser.origin}/mcp`]);
  expect(await rig.app.auth.findTokenSession(String(claims['sid']))).toMatchObject({
    principal: 'user:alice',
  });
});

test('stock clients that ask for openid profile email get the scopes of the door', async () => {
  const browser = rig.browser();
  const clientId = await registered(browser, { scope: 'openid profile email' });
  expect(await tokens(browser, clientId, { scope: 'openid profile email' })).toMatchObject({
    scope: 'context:read context:call',
  });
});

test('a refresh token is used once; used twice, everything ends', async () => {
  const browser = rig.browser();
  const clientId = await registered(browser);
  const first = await tokens(browser, clientId, OFFLINE);
  const second = await refresh(browser, clientId, String(first['refresh_token']));
  expect(second.status).toBe(200);
  const next = String(second.json()['refresh_token']);
  expect(next).not.toBe(first['refresh_token']);
  expect(decodeJwt(String(second.json()['access_token']))['sid']).toBe(
    decodeJwt(String(first['access_token']))['sid'],
  );

  const again = await refresh(browser, clientId, String(first['refresh_token']));
  expect([again.status, again.json()['error']]).toEqual([400, 'invalid_grant']);
  expect((await refresh(browser, clientId, next)).status).toBe(400);
  expect(await rig.app.auth.introspectToken(String(first['access_token']))).toBeUndefined();
});

test('of many that use one refresh token at once, one gets tokens at most', async () => {
  const browser = rig.browser();
  const clientId = await registered(browser);
  const { refresh_token: token } = await tokens(browser, clientId, OFFLINE);
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => refresh(browser, clientId, String(token))),
  );
  expect(answers.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(1);
});

test('a second use of a code ends what the first one got', async () => {
  const browser = rig.browser();
  const clientId = await registered(browser);
  const proof = pkce();
  const redirect = await signInAndAllow(browser, authorizePath(browser.origin, clientId, proof));
  const code = redirect.searchParams.get('code') ?? '';
  const first = await redeem(browser, clientId, code, proof.verifier);
  expect(first.status).toBe(200);
  const second = await redeem(browser, clientId, code, proof.verifier);
  expect([second.status, second.json()['error']]).toEqual([400, 'invalid_grant']);
  expect(await rig.app.auth.introspectToken(String(first.json()['access_token']))).toBeUndefined();
});

test('of many that redeem one code at once, one gets a token at most', async () => {
  const browser = rig.browser();
  const clientId = await registered(browser);
  const proof = pkce();
  const redirect = await signInAndAllow(browser, authorizePath(browser.origin, clientId, proof));
  const code = redirect.searchParams.get('code') ?? '';
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => redeem(browser, clientId, code, proof.verifier)),
  );
  expect(answers.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(1);
});

test('sessions revoke ends the refresh token too', async () => {
  const browser = rig.browser();
  const clientId = await registered(browser);
  const first = await tokens(browser, clientId, OFFLINE);
  await rig.app.auth.revokeSessions(ADMIN, { kind: 'principal', principal: 'user:alice' }, 'test');
  expect((await refresh(browser, clientId, String(first['refresh_token']))).status).toBe(400);
});

const kinds = ['access_token', 'refresh_token'] as const;
test.each(kinds)('revoking the %s ends the session (RFC 7009)', async (kind) => {
  const browser = rig.browser();
  const clientId = await registered(browser);
  const first = await tokens(browser, clientId, OFFLINE);
  const form = { token: String(first[kind]) };
  expect((await browser.post('/oauth/revoke', form)).status).toBe(401);
  const stranger = await browser.post('/oauth/revoke', { ...form, client_id: 'known' });
  expect(stranger.status).toBe(200);
  expect(await rig.app.auth.introspectToken(String(first['access_token']))).toBeDefined();

  expect((await browser.post('/oauth/revoke', { ...form, client_id: clientId })).status).toBe(200);
  expect(await rig.app.auth.introspectToken(String(first['access_token']))).toBeUndefined();
  expect((await refresh(browser, clientId, String(first['refresh_token']))).status).toBe(400);
});

test('deny and cancel go back to the client as access_denied', async () => {
  const browser = rig.browser();
  const clientId = await registered(browser);
  const path = authorizePath(browser.origin, clientId, pkce());
  const cancelled = await follow(browser, await browser.get(path));
  const away = await follow(
    browser,
    await browser.post(cancelled.at, { csrf: csrfOf(cancelled.text), action: 'cancel' }),
  );
  expect(new URL(away.headers.location ?? '').searchParams.get('error')).toBe('access_denied');

  const page = await follow(browser, await browser.get(path));
  const form = { csrf: csrfOf(page.text), username: 'alice', password: 'wrong', action: 'sign-in' };
  const wrong = await browser.post(page.at, form);
  expect(wrong.status).toBe(401);
  expect(wrong.text).toContain('User name or password is wrong');
});

test('consent is remembered for a client on the web, and only for what was allowed', async () => {
  const browser = rig.browser();
  const redirects = { redirect_uri: 'https://client.test/cb' };
  const proof = pkce();
  const path = (changes = {}) => authorizePath(browser.origin, 'known', proof, { ...redirects, ...changes });
  await signInAndAllow(browser, path({ scope: 'context:read' }));
  const silent = await follow(browser, await browser.get(path({ scope: 'context:read' })));
  expect(silent.headers.location).toContain('https://client.test/cb?code=');
  const more = await follow(browser, await browser.get(path()));
  expect(more.text).toContain('Call tools as you');
  const elsewhere = await follow(
    browser,
    await browser.get(path({ scope: 'context:read', resource: `${browser.origin}/mcp/demo` })),
  );
  expect(elsewhere.text).toContain(`${browser.origin}/mcp/demo`);
});

test('a program on this computer is asked about every time, and marked', async () => {
  const browser = rig.browser();
  const clientId = await registered(browser);
  await tokens(browser, clientId);
  const page = await follow(browser, await browser.get(authorizePath(browser.origin, clientId, pkce())));
  expect(page.text).toContain('program on this computer');
  expect(page.text).toContain('Test client');
});

test('whoever ends a user’s sessions ends the browser’s too', async () => {
  const browser = rig.browser();
  const path = (scope: string) =>
    authorizePath(browser.origin, 'known', pkce(), { redirect_uri: 'https://client.test/cb', scope });
  await signInAndAllow(browser, path('context:read'));
  const before = await follow(browser, await browser.get(path('context:read')));
  expect(before.headers.location).toContain('code=');
  await rig.app.auth.revokeSessions(ADMIN, { kind: 'principal', principal: 'user:alice' }, 'lost laptop');
  const after = await follow(browser, await browser.get(path('context:read')));
  expect(after.text).toContain('id="password"');
});

test('a changed password signs everybody out', async () => {
  const browser = rig.browser();
  const clientId = await registered(browser);
  await tokens(browser, clientId);
  rig.app.clock.advance(60_000);
  await rig.app.auth.setPassword(ADMIN, 'user:alice', 'another password entirely');
  const page = await follow(browser, await browser.get(authorizePath(browser.origin, clientId, pkce())));
  expect(page.text).toContain('id="password"');
  await rig.app.auth.setPassword(ADMIN, 'user:alice', 'correct horse battery staple');
});

test.each([0, 60_000])('nor does anybody go on who had only signed in %i ms before', async (between) => {
  const browser = rig.browser();
  const path = authorizePath(browser.origin, await registered(browser), pkce());
  const page = await follow(browser, await browser.get(path));
  const consent = await follow(
    browser,
    await browser.post(page.at, {
      csrf: csrfOf(page.text),
      username: 'alice',
      password: 'correct horse battery staple',
      action: 'sign-in',
    }),
  );
  expect(consent.text).toContain('Allow');
  rig.app.clock.advance(between + 1);
  await rig.app.auth.setPassword(ADMIN, 'user:alice', 'another password entirely');
  const form = { csrf: csrfOf(consent.text), action: 'allow' };
  const allowed = await follow(browser, await browser.post(consent.at, form));
  expect(allowed.headers.location).toBeUndefined();
  expect(allowed.text).toContain('id="password"');
  await rig.app.auth.setPassword(ADMIN, 'user:alice', 'correct horse battery staple');
});

test('signing keys rotate under a running server', async () => {
  const browser = rig.browser();
  const clientId = await registered(browser);
  const before = decodeProtectedHeader(String((await tokens(browser, clientId))['access_token']));
  rig.app.tokenKeys.rotate('EdDSA');
  rig.app.clock.advance(2_000);
  const after = decodeProtectedHeader(String((await tokens(browser, clientId))['access_token']));
  expect(after.kid).not.toBe(before.kid);
  const { keys } = (await browser.get('/oauth/jwks')).json() as { keys: { kid: string }[] };
  expect(keys.map(({ kid }) => kid)).toEqual(expect.arrayContaining([before.kid, after.kid]));
});
