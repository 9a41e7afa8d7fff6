/** Tokens bound to a key (RFC 9449), and introspection (RFC 7662). */
import { calculateJwkThumbprint, decodeJwt, exportJWK, generateKeyPair, SignJWT, type JWK } from 'jose';
import { createHash, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Browser } from './gateway.ts';
import {
  authorizePath,
  pkce,
  redeem,
  registered,
  signInAndAllow,
  startRig,
  tokens,
  type Rig,
} from './rig.ts';

type Key = { readonly privateKey: Parameters<SignJWT['sign']>[0]; readonly jwk: JWK };
async function newKey(): Promise<Key> {
  const { privateKey, publicKey } = await generateKeyPair('ES256');
  return { privateKey, jwk: await exportJWK(publicKey) };
}

function proof(key: Key, claims: Record<string, unknown>): Promise<string> {
  return new SignJWT({ jti: randomUUID(), iat: Math.trunc(Date.now() / 1000), ...claims })
    .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: key.jwk })
    .sign(key.privateKey);
}

let rig: Rig;
let allowed: Set<string>;
beforeAll(async () => {
  allowed = new Set(['user:alice']);
  rig = await startRig({}, { mayReadTokens: async (principal) => allowed.has(principal) });
});
afterAll(() => rig[Symbol.asyncDispose]());
beforeEach(() => void allowed.add('user:alice'));

async function bound(browser: Browser, clientId: string, key: Key): Promise<Record<string, unknown>> {
  const { verifier, challenge } = pkce();
  const path = authorizePath(
    browser.origin,
    clientId,
    { challenge },
    { scope: 'context:read offline_access' },
  );
  const code = (await signInAndAllow(browser, path)).searchParams.get('code') ?? '';
  const dpop = await proof(key, { htm: 'POST', htu: `${browser.origin}/oauth/token` });
  return (await redeem(browser, clientId, code, verifier, {}, { dpop })).json();
}

test('a proof at the token endpoint binds both tokens', async () => {
  const browser = rig.browser();
  const clientId = await registered(browser);
  const key = await newKey();
  const answer = await bound(browser, clientId, key);
  expect(answer['token_type']).toBe('DPoP');
  const jkt = await calculateJwkThumbprint(key.jwk);
  expect(decodeJwt(String(answer['access_token']))['cnf']).toEqual({ jkt });

  const form = {
    grant_type: 'refresh_token',
    client_id: clientId,
    refresh_token: String(answer['refresh_token']),
  };
  expect((await browser.post('/oauth/token', form)).status).toBe(400);
  const target = { htm: 'POST', htu: `${browser.origin}/oauth/token` };
  const stranger = await proof(await newKey(), target);
  expect((await browser.post('/oauth/token', form, { dpop: stranger })).status).toBe(400);
  const own = await browser.post('/oauth/token', form, { dpop: await proof(key, target) });
  expect(own.status).toBe(200);
});

describe('a proof is refused', () => {
  const rows: readonly (readonly [string, (origin: string) => Record<string, unknown>])[] = [
    ['for another URL', () => ({ htu: 'https://elsewhere.test/oauth/token' })],
    ['for another method', () => ({ htm: 'GET' })],
    ['that is old', () => ({ iat: Math.trunc(Date.now() / 1000) - 3600 })],
    ['of the future', () => ({ iat: Math.trunc(Date.now() / 1000) + 3600 })],
    ['without an id', () => ({ jti: undefined })],
  ];
  test.each(rows)('%s', async (_, changes) => {
    const browser = rig.browser();
    const clientId = await registered(browser);
    const { verifier, challenge } = pkce();
    const redirect = await signInAndAllow(browser, authorizePath(browser.origin, clientId, { challenge }));
    const claims = { htm: 'POST', htu: `${browser.origin}/oauth/token`, ...changes(browser.origin) };
    const dpop = await proof(await newKey(), claims);
    const code = redirect.searchParams.get('code') ?? '';
    expect((await redeem(browser, clientId, code, verifier, {}, { dpop })).status).toBe(400);
  });

  test('a second time', async () => {
    const browser = rig.browser();
    const clientId = await registered(browser);
    const key = await newKey();
    const { refresh_token: token } = await bound(browser, clientId, key);
    const dpop = await proof(key, { htm: 'POST', htu: `${browser.origin}/oauth/token` });
    const use = (value: string) =>
      browser.post(
        '/oauth/token',
        { grant_type: 'refresh_token', client_id: clientId, refresh_token: value },
        { dpop },
      );
    const first = await use(String(token));
    expect(first.status).toBe(200);
    expect((await use(String(first.json()['refresh_token']))).status).toBe(400);
  });
});

describe('introspection', () => {
  const ask = (browser: Browser, token: string, headers: Record<string, string>) =>
    browser.post('/oauth/introspect', { token }, headers);
  const bearer = (token: unknown) => ({ authorization: `Bearer ${String(token)}` });

  test('tells what a token says, and that it is over', async () => {
    const browser = rig.browser();
    const clientId = await registered(browser);
    const changes = { scope: 'context:read context:call offline_access' };
    const { access_token: access, refresh_token: refresh } = await tokens(browser, clientId, changes);
    const { access_token: own } = await tokens(rig.browser(), await registered(browser));
    const said = (await ask(browser, String(access), bearer(own))).json();
    expect(said).toMatchObject({
      active: true,
      sub: 'user:alice',
      client_id: clientId,
      token_type: 'Bearer',
    });
    expect((await ask(browser, String(refresh), bearer(own))).json()).toMatchObject({
      active: true,
      sub: 'user:alice',
    });
    await browser.post('/oauth/revoke', { token: String(access), client_id: clientId });
    for (const token of [access, refresh, 'x', 'a.b.c'])
      expect((await ask(browser, String(token), bearer(own))).json()).toEqual({ active: false });
  });

  test('is for whom policy lets, with a token that is good', async () => {
    const browser = rig.browser();
    const { access_token: own } = await tokens(browser, await registered(browser));
    expect((await ask(browser, 'x', {})).status).toBe(401);
    expect((await ask(browser, 'x', bearer('a.b.c'))).status).toBe(401);
    expect((await ask(browser, 'x', { authorization: `DPoP ${String(own)}` })).status).toBe(401);
    allowed.delete('user:alice');
    expect((await ask(browser, 'x', bearer(own))).status).toBe(403);
  });

  test('takes a bound token with its proof, once, and never as bearer', async () => {
    const browser = rig.browser();
    const key = await newKey();
    const { access_token: own } = await bound(browser, await registered(browser), key);
    expect((await ask(browser, 'x', bearer(own))).status).toBe(401);
    const ath = createHash('sha256').update(String(own)).digest('base64url');
    const htu = `${browser.origin}/oauth/introspect`;
    const iat = Math.trunc(rig.app.clock.now() / 1000); // which stands still
    const using = async (claims: Record<string, unknown>, by = key) => ({
      authorization: `DPoP ${String(own)}`,
      dpop: await proof(by, { htm: 'POST', htu, ath, iat, ...claims }),
    });
    const good = await using({});
    expect((await ask(browser, 'x', good)).status).toBe(200);
    expect((await ask(browser, 'x', good)).status).toBe(401);
    for (const bad of [{ ath: 'x' }, { htu: `${htu}2` }, { htm: 'GET' }, { iat: 1 }])
      expect((await ask(browser, 'x', await using(bad))).status).toBe(401);
    expect((await ask(browser, 'x', await using({}, await newKey()))).status).toBe(401);
  });
});
