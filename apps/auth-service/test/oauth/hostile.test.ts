/** What must not work at the authorization server, one row each. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  authorizePath,
  CALLBACK,
  csrfOf,
  follow,
  PASSWORD,
  pkce,
  redeem,
  refresh,
  register,
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

/** The error that goes back to the client, or that a page shows. */
async function refusedWith(changes: Record<string, string | undefined>): Promise<string> {
  const browser = rig.browser();
  const clientId = await registered(browser);
  const answer = await follow(
    browser,
    await browser.get(authorizePath(browser.origin, clientId, pkce(), changes)),
  );
  const { location } = answer.headers;
  if (location === undefined) return `page ${answer.status} ${/<code>(\w+)<\/code>/u.exec(answer.text)?.[1]}`;
  const { searchParams, hash } = new URL(location);
  const said = hash === '' ? searchParams : new URLSearchParams(hash.slice(1));
  expect(said.get('iss')).toBe(browser.origin); // also with errors: RFC 9207
  return `redirect ${said.get('error')}`;
}

describe('authorization requests', () => {
  const long = 'a'.repeat(43);
  const rows: readonly (readonly [string, Record<string, string | undefined>, string])[] = [
    ['no PKCE', { code_challenge: undefined, code_challenge_method: undefined }, 'redirect invalid_request'],
    ['plain PKCE', { code_challenge: long, code_challenge_method: 'plain' }, 'redirect invalid_request'],
    ['PKCE without a method', { code_challenge_method: undefined }, 'redirect invalid_request'],
    ['a short challenge', { code_challenge: 'short' }, 'redirect invalid_request'],
    ['no resource', { resource: undefined }, 'redirect invalid_target'],
    ['a foreign resource', { resource: 'https://elsewhere.test/mcp' }, 'redirect invalid_target'],
    ['the origin itself', { resource: 'https://localhost' }, 'redirect invalid_target'],
    ['implicit', { response_type: 'token' }, 'redirect unsupported_response_type'],
    ['hybrid', { response_type: 'code id_token', nonce: 'n' }, 'redirect unsupported_response_type'],
    ['another host', { redirect_uri: 'https://evil.test/callback' }, 'page 400 invalid_redirect_uri'],
    ['another path', { redirect_uri: `${CALLBACK}2` }, 'page 400 invalid_redirect_uri'],
    ['a path above', { redirect_uri: `${CALLBACK}/../other` }, 'page 400 invalid_redirect_uri'],
    ['a query more', { redirect_uri: `${CALLBACK}?next=x` }, 'page 400 invalid_redirect_uri'],
    ['a fragment', { redirect_uri: `${CALLBACK}#x` }, 'page 400 invalid_redirect_uri'],
    [
      'credentials',
      { redirect_uri: 'http://127.0.0.1:33418@evil.test/callback' },
      'page 400 invalid_redirect_uri',
    ],
    [
      'localhost for 127.0.0.1',
      { redirect_uri: 'http://localhost:33418/callback' },
      'page 400 invalid_redirect_uri',
    ],
    ['https for http', { redirect_uri: 'https://127.0.0.1:33418/callback' }, 'page 400 invalid_redirect_uri'],
    ['another case', { redirect_uri: CALLBACK.toUpperCase() }, 'page 400 invalid_redirect_uri'],
    ['javascript', { redirect_uri: 'javascript:alert(1)' }, 'page 400 invalid_redirect_uri'],
    ['no redirect', { redirect_uri: undefined }, 'page 400 invalid_request'],
    ['no client', { client_id: undefined }, 'page 400 invalid_request'],
    ['an unknown client', { client_id: 'nobody' }, 'page 400 invalid_client'],
    ['form_post', { response_mode: 'form_post' }, 'page 400 invalid_request'],
    ['no prompt, nobody there', { prompt: 'none' }, 'redirect login_required'],
    ['a request object', { request: 'e30.e30.' }, 'redirect request_not_supported'],
  ];
  test.each(rows)('%s', async (_, changes, expected) => {
    expect(await refusedWith(changes)).toBe(expected);
  });

  const resources = [
    '/mcp/',
    '/mcp/Upper',
    '/mcp/a/b',
    '/mcp/..',
    '/mcp?x=1',
    '/mcp#f',
    '/other',
    '/mcp/%61',
  ];
  test.each(resources)('resource %s', async (path) => {
    const expected = 'redirect invalid_target';
    expect(await refusedWith({ resource: `${rig.gateway.origin}${path}` })).toBe(expected);
  });

  test('more resources than a token may be for', async () => {
    const browser = rig.browser();
    const path = authorizePath(browser.origin, await registered(browser), pkce(), { resource: undefined });
    const resources = Array.from({ length: 17 }, (_, at) => `resource=${browser.origin}/mcp/r${at}`);
    const answer = await browser.get(`${path}&${resources.join('&')}`);
    expect(new URL(answer.headers.location ?? '').searchParams.get('error')).toBe('invalid_target');
  });

  test('any port of a loopback redirect is the same program (RFC 8252 section 7.3)', async () => {
    const browser = rig.browser();
    const clientId = await registered(browser);
    const changes = { redirect_uri: 'http://127.0.0.1:40000/callback' };
    const page = await follow(
      browser,
      await browser.get(authorizePath(browser.origin, clientId, pkce(), changes)),
    );
    expect(page.text).toContain('id="password"');
  });
});

describe('token requests', () => {
  async function exchange(changes: Record<string, string>): Promise<string> {
    const browser = rig.browser();
    const clientId = await registered(browser);
    const proof = pkce();
    const redirect = await signInAndAllow(browser, authorizePath(browser.origin, clientId, proof));
    const code = redirect.searchParams.get('code') ?? '';
    const answer = await redeem(browser, clientId, code, proof.verifier, changes);
    return `${answer.status} ${String(answer.json()['error'])}`;
  }
  const rows: readonly (readonly [string, Record<string, string>, string])[] = [
    ['a wrong verifier', { code_verifier: pkce().verifier }, '400 invalid_grant'],
    ['no verifier', { code_verifier: '' }, '400 invalid_grant'],
    ['another redirect', { redirect_uri: 'http://127.0.0.1:1/callback' }, '400 invalid_grant'],
    ['another client', { client_id: 'known' }, '400 invalid_grant'],
    ['another resource', { resource: 'https://elsewhere.test/mcp' }, '400 invalid_target'],
    ['a guessed code', { code: 'a'.repeat(43) }, '400 invalid_grant'],
    ['a password grant', { grant_type: 'password' }, '400 unsupported_grant_type'],
    ['client credentials', { grant_type: 'client_credentials' }, '400 unsupported_grant_type'],
  ];
  test.each(rows)('%s', async (_, changes, expected) => {
    expect(await exchange(changes)).toBe(expected);
  });

  test('a route that was not asked for', async () => {
    const changes = { resource: `${rig.gateway.origin}/mcp/demo` };
    expect(await exchange(changes)).toBe('400 invalid_target');
  });
});

describe('pages', () => {
  test('show a client’s name as text, and let nothing else in', async () => {
    const browser = rig.browser();
    const changes = { redirect_uri: 'https://client.test/cb' };
    const page = await follow(
      browser,
      await browser.get(authorizePath(browser.origin, 'known', pkce(), changes)),
    );
    expect(page.text).toContain('Known &lt;script&gt;');
    expect(page.text).not.toContain('<script');
    const policy = String(page.headers['content-security-policy']);
    expect(policy).toMatch(
      /^default-src 'none'; style-src 'sha256-[^']+'; form-action 'self' https:\/\/client\.test;/u,
    );
    expect(policy).toContain("frame-ancestors 'none'");
    expect(page.headers['x-frame-options']).toBe('DENY');
    expect(page.headers['cache-control']).toBe('no-store');
  });

  test('cookies are bound to the host, or to one page', async () => {
    const browser = rig.browser();
    const clientId = await registered(browser);
    const answer = await browser.get(authorizePath(browser.origin, clientId, pkce()));
    for (const line of answer.headers['set-cookie'] ?? []) {
      expect(line).toMatch(/^__(?:Host|Secure)-sallyport_/u);
      expect(line).toMatch(/; secure; httponly/iu);
      expect(line).toMatch(/samesite=lax/iu);
      if (line.startsWith('__Host-')) expect(line).toMatch(/path=\/;/iu);
    }
  });

  async function signInForm() {
    const browser = rig.browser();
    const clientId = await registered(browser);
    const page = await follow(browser, await browser.get(authorizePath(browser.origin, clientId, pkce())));
    const form = { csrf: csrfOf(page.text), username: 'alice', password: PASSWORD, action: 'sign-in' };
    return { browser, page, form };
  }
  const forged: readonly (readonly [string, Record<string, string>, Record<string, string>])[] = [
    ['no token', { csrf: '' }, {}],
    ['a wrong token', { csrf: 'A'.repeat(43) }, {}],
    ['another origin', {}, { origin: 'https://evil.test' }],
    ['no origin that it would tell', {}, { origin: 'null' }],
    ['another site', {}, { 'sec-fetch-site': 'cross-site' }],
    ['not a form', {}, { 'content-type': 'text/plain' }],
  ];
  test.each(forged)('a forged form is not taken: %s', async (_, changes, headers) => {
    const { browser, page, form } = await signInForm();
    expect((await browser.post(page.at, { ...form, ...changes }, headers)).status).toBe(403);
  });

  test('the token of one interaction, or of another step, is none of the next', async () => {
    const first = await signInForm();
    const second = await signInForm();
    const borrowed = { ...second.form, csrf: first.form.csrf };
    expect((await second.browser.post(second.page.at, borrowed)).status).toBe(403);
    const consent = await follow(first.browser, await first.browser.post(first.page.at, first.form));
    expect(consent.text).toContain('value="allow"');
    const stale = { csrf: first.form.csrf, action: 'allow' };
    expect((await first.browser.post(consent.at, stale)).status).toBe(403);
  });

  test('an interaction is its browser’s: its address alone opens nothing', async () => {
    const { page, form } = await signInForm();
    const stranger = rig.browser();
    expect((await stranger.get(page.at)).status).toBe(400);
    expect((await stranger.post(page.at, form)).status).toBe(400);
  });

  test('consent cannot be given before signing in', async () => {
    const { browser, page, form } = await signInForm();
    expect((await browser.post(page.at, { csrf: form.csrf, action: 'allow' })).status).toBe(400);
  });

  test('guessing is slowed down', async () => {
    const { browser, page, form } = await signInForm();
    const statuses: number[] = [];
    for (let attempt = 0; attempt < 8; attempt += 1)
      statuses.push((await browser.post(page.at, { ...form, username: 'bob', password: 'no' })).status);
    expect(statuses[0]).toBe(401);
    expect(statuses.at(-1)).toBe(429);
    rig.app.clock.advance(3_600_000);
  });
});

describe('registration', () => {
  const rows: readonly (readonly [string, Record<string, unknown>, string])[] = [
    ['http elsewhere', { redirect_uris: ['http://client.test/cb'] }, 'invalid_redirect_uri'],
    ['a scheme of its own', { redirect_uris: ['app://cb'] }, 'invalid_redirect_uri'],
    ['javascript', { redirect_uris: ['javascript:alert(1)'] }, 'invalid_redirect_uri'],
    ['a wildcard', { redirect_uris: ['https://*.client.test/cb'] }, 'invalid_redirect_uri'],
    ['a fragment', { redirect_uris: ['https://client.test/cb#x'] }, 'invalid_redirect_uri'],
    ['credentials', { redirect_uris: ['https://a:b@client.test/cb'] }, 'invalid_redirect_uri'],
    ['a backslash', { redirect_uris: ['https://client.test\\@evil.test/'] }, 'invalid_redirect_uri'],
    ['nowhere', { redirect_uris: [] }, 'invalid_redirect_uri'],
    ['everywhere', { redirect_uris: Array(17).fill(CALLBACK) }, 'invalid_redirect_uri'],
    ['a name that runs backwards', { client_name: 'safe\u202Eexe' }, 'invalid_client_metadata'],
    ['a name without end', { client_name: 'x'.repeat(129) }, 'invalid_client_metadata'],
    ['a name that is none', { client_name: { a: 1 } }, 'invalid_client_metadata'],
  ];
  test.each(rows)('%s', async (_, metadata, error) => {
    const answer = await register(rig.browser(), metadata);
    expect([answer.status, answer.json()['error']]).toEqual([400, error]);
  });

  test('gives no secrets out, whatever is asked for', async () => {
    const answer = await register(rig.browser(), {
      token_endpoint_auth_method: 'client_secret_post',
      grant_types: ['authorization_code', 'implicit', 'client_credentials'],
    });
    expect(answer.status).toBe(201);
    expect(answer.json()).toMatchObject({
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code'],
    });
    expect(answer.json()).not.toHaveProperty('client_secret');
  });

  test('a flood takes the place of what nobody ever allowed, and of nothing else', async () => {
    await using small = await startRig({ maxRegisteredClients: 2 });
    const browser = small.browser();
    const allowed = await registered(browser);
    const unused = await registered(browser);
    const { refresh_token: kept } = await tokens(browser, allowed, { scope: 'context:read offline_access' });
    for (let each = 0; each < 3; each += 1) expect((await register(browser)).status).toBe(201);
    expect((await browser.get(authorizePath(browser.origin, unused, pkce()))).status).toBe(400);
    expect((await refresh(browser, allowed, String(kept))).status).toBe(200);
  });

  test('ends where it was bounded, and starts again when some are over', async () => {
    await using small = await startRig({ maxRegisteredClients: 2 });
    const browser = small.browser();
    for (let each = 0; each < 2; each += 1) await tokens(browser, await registered(browser));
    expect((await register(browser)).status).not.toBe(201);
    small.app.clock.advance(24 * 3_600_000 + 1);
    expect((await register(browser)).status).toBe(201);
  });

  test('is refused where the operator does not want it', async () => {
    await using closed = await startRig({ allowDynamicRegistration: false });
    expect((await register(closed.browser())).status).toBe(403);
    const metadata = await closed.browser().get('/.well-known/oauth-authorization-server');
    expect(metadata.json()).not.toHaveProperty('registration_endpoint');
  });
});

describe('who may come in, and under what name', () => {
  test.each(['svc/audit-service', 'user/alice', 'svc/auth-service'])('%s is not the gateway', async (as) => {
    await using own = await startRig();
    await own.gateway.connect(own.port, as);
    expect((await own.browser().get('/.well-known/oauth-authorization-server')).status).toBe(403);
  });

  const headers: readonly Record<string, string>[] = [
    { host: 'evil.test' },
    { 'x-forwarded-host': 'evil.test' },
    { 'x-forwarded-proto': 'http' },
    { forwarded: 'host=evil.test;proto=http' },
  ];
  test.each(headers)('%o changes nothing', async (extra) => {
    await using own = await startRig();
    own.gateway.extra = extra;
    const browser = own.browser();
    const { issuer, token_endpoint: token } = (
      await browser.get('/.well-known/oauth-authorization-server')
    ).json();
    expect([issuer, token]).toEqual([browser.origin, `${browser.origin}/oauth/token`]);
    const clientId = await registered(browser);
    const answer = await tokens(browser, clientId);
    expect(answer['token_type']).toBe('Bearer');
  });

  const paths = [
    '/oauth',
    '/oauth/token/x',
    '/signin/a/b',
    '/oauth/authorize%2f',
    '/interaction/x',
    '/auth',
    '/reg',
    '/me',
  ];
  test.each(paths)('%s is nothing', async (path) => {
    const answer = await rig.browser().send('GET', path, {});
    expect([400, 404]).toContain(answer.status);
    expect(answer.headers.location).toBeUndefined();
  });

  test('sign-out where nobody is signed in says so, without a form or a script', async () => {
    const page = await rig.browser().get('/oauth/sign-out');
    expect(page.status).toBe(200);
    expect(page.text).toContain('nothing to sign out of');
    expect(page.text).not.toMatch(/<(?:form|script)/u);
    expect(page.headers['content-security-policy']).toContain("form-action 'self'");
  });

  test('who signed in and allowed nothing signs out, and is asked for the password again', async () => {
    const browser = rig.browser();
    const path = authorizePath(browser.origin, await registered(browser), pkce());
    let page = await follow(browser, await browser.get(path));
    const signIn = { username: 'alice', password: PASSWORD, action: 'sign-in' };
    page = await follow(browser, await browser.post(page.at, { csrf: csrfOf(page.text), ...signIn }));
    await browser.post(page.at, { csrf: csrfOf(page.text), action: 'deny' });
    const shown = await browser.get('/oauth/sign-out');
    expect(shown.text).toContain('You allowed no program anything');
    const xsrf = /name="xsrf" value="([^"]+)"/u.exec(shown.text)?.[1] ?? '';
    const done = await follow(
      browser,
      await browser.post('/oauth/sign-out/confirm', { xsrf, logout: 'yes' }),
    );
    expect(done.text).toContain('Signed out');
    expect((await follow(browser, await browser.get(path))).text).toContain('id="password"');
  });

  test('sign-out leads nowhere else', async () => {
    const browser = rig.browser();
    await tokens(browser, await registered(browser));
    const page = await browser.get(
      '/oauth/sign-out?post_logout_redirect_uri=https://evil.test/&client_id=known',
    );
    expect(page.headers.location).toBeUndefined();
    const shown = await browser.get('/oauth/sign-out');
    expect(shown.text).toContain('Sign out?');
    expect(shown.text).toContain('Programs that you allowed');
    const xsrf = /name="xsrf" value="([^"]+)"/u.exec(shown.text)?.[1] ?? '';
    const forged = await browser.post('/oauth/sign-out/confirm', { xsrf: 'x', logout: 'yes' });
    expect(forged.status).toBe(400);
    const done = await follow(
      browser,
      await browser.post('/oauth/sign-out/confirm', { xsrf, logout: 'yes' }),
    );
    expect(done.text).toContain('Signed out');
  });
});
