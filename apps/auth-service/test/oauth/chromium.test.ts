/** Signing in and consenting in a browser that people use: keyboard, small screen, frames, and the way back to the client. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { decodeJwt } from 'jose';
import { findChromium, startChromium, type Chromium, type Page } from '@sallyport/service/testing/chromium';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  authorizePath,
  PASSWORD,
  pkce,
  redeem,
  refresh,
  registered,
  startRig,
  type Pkce,
  type Rig,
} from './rig.ts';

const program = findChromium();
const title = program === undefined ? 'in Chromium (skipped: chromium is not installed)' : 'in Chromium';

describe.skipIf(program === undefined)(title, () => {
  let rig: Rig;
  let chromium: Chromium;
  let client: Server;
  let callback: string;
  let page: Page;
  const failures: string[] = [];

  beforeAll(async () => {
    rig = await startRig();
    chromium = await startChromium(program ?? '', rig.gateway.certPem);
    client = createServer((request, response) => {
      response.setHeader('content-type', 'text/html');
      response.end(
        `<title>client</title><p id="done">${new URL(request.url ?? '/', 'http://x').pathname}</p>`,
      );
    });
    await new Promise<void>((resolve) => client.listen(0, '127.0.0.1', resolve));
    callback = `http://127.0.0.1:${(client.address() as AddressInfo).port}/callback`;
  }, 60_000);
  afterAll(async () => {
    await chromium?.[Symbol.asyncDispose]();
    client?.closeAllConnections();
    await new Promise((resolve) => client?.close(resolve));
    await rig?.[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    const context = await chromium.browser.createBrowserContext();
    page = await context.newPage();
    page.setDefaultTimeout(10_000);
    failures.length = 0;
    page.on('console', (message) => {
      if (message.type() === 'error') failures.push(message.text());
    });
    return () => context.close();
  });

  async function begin(metadata: Record<string, unknown> = {}, changes: Record<string, string> = {}) {
    const program = rig.browser();
    const clientId = await registered(program, { redirect_uris: [callback], ...metadata });
    const proof: Pkce = pkce();
    const path = authorizePath(program.origin, clientId, proof, { redirect_uri: callback, ...changes });
    await page.goto(new URL(path, program.origin).href);
    return { program, clientId, proof };
  }
  const text = () => page.$eval('main', (main) => (main as { textContent?: string }).textContent ?? '');
  async function submit(button: string): Promise<void> {
    await Promise.all([page.waitForNavigation(), page.click(button)]);
  }
  async function signIn(password = PASSWORD): Promise<void> {
    await page.type('#username', 'alice');
    await page.type('#password', password);
    await submit('button[value=sign-in]');
  }

  test('a whole flow: wrong password, right one, consent, token, refresh, revocation', async () => {
    const { program, clientId, proof } = await begin(
      { client_name: '<img src=x onerror=alert(1)>' },
      { scope: 'context:read context:call offline_access' },
    );
    await signIn('not the password');
    expect(await text()).toContain('User name or password is wrong');
    await signIn();
    const shown = await text();
    expect(shown).toContain('<img src=x onerror=alert(1)>');
    expect(shown).toContain(clientId);
    expect(shown).toContain(`${program.origin}/mcp`);
    expect(shown).toContain('program on this computer');
    expect(shown).toContain('Stay signed in');
    expect(await page.$$('img, script, iframe')).toHaveLength(0);
    await submit('button[value=allow]');

    const back = new URL(page.url());
    expect(`${back.origin}${back.pathname}`).toBe(callback);
    expect(back.searchParams.get('iss')).toBe(program.origin);
    const code = back.searchParams.get('code') ?? '';
    const answer = await redeem(program, clientId, code, proof.verifier, { redirect_uri: callback });
    expect(answer.status).toBe(200);
    const { access_token: access, refresh_token: token } = answer.json();
    expect(decodeJwt(String(access)).sub).toBe('user:alice');
    const next = await refresh(program, clientId, String(token));
    expect(next.status).toBe(200);
    const { refresh_token: newest } = next.json();
    await program.post('/oauth/revoke', { token: String(newest), client_id: clientId });
    expect((await refresh(program, clientId, String(newest))).status).toBe(400);
  });

  test('deny leads back to the client, without a code', async () => {
    await begin();
    await signIn();
    await submit('button[value=deny]');
    const back = new URL(page.url());
    expect(back.searchParams.get('error')).toBe('access_denied');
    expect(back.searchParams.has('code')).toBe(false);
  });

  test('works with the keyboard alone', async () => {
    await begin();
    expect(await page.evaluate('document.activeElement?.id')).toBe('username');
    await page.keyboard.type('alice');
    await page.keyboard.press('Tab');
    await page.keyboard.type(PASSWORD);
    await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
    expect(await page.title()).toContain('act for you?');
    const focus = async () => page.evaluate("document.activeElement?.getAttribute('value')");
    await page.keyboard.press('Tab');
    expect(await focus()).toBe('allow');
    await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
    expect(new URL(page.url()).searchParams.has('code')).toBe(true);
  });

  test('fits a small screen, styled, with labels that belong to their fields', async () => {
    await page.setViewport({ width: 320, height: 568 });
    await begin();
    // As text: it runs in the page, and the types of pages are not ours.
    const facts = (await page.evaluate(`({
      wider: document.documentElement.scrollWidth > document.documentElement.clientWidth,
      labels: [...document.querySelectorAll('input:not([type=hidden])')].map((input) => input.labels.length),
      language: document.documentElement.lang,
      border: getComputedStyle(document.querySelector('button.main')).borderTopStyle,
      background: getComputedStyle(document.querySelector('button.main')).backgroundColor,
    })`)) as { readonly background: string };
    expect(facts).toMatchObject({ wider: false, labels: [1, 1], language: 'en', border: 'solid' });
    expect(facts.background).toBe('rgb(11, 87, 164)'); // the page's own style was let in by its digest
    expect(failures).toEqual([]);
  });

  test('is shown in no frame', async () => {
    const { program } = await begin();
    const target = page.url();
    expect(target.startsWith(program.origin)).toBe(true);
    await page.goto(callback);
    await page.evaluate(`new Promise((resolve) => {
      const frame = document.createElement('iframe');
      frame.src = ${JSON.stringify(target)};
      frame.addEventListener('load', resolve);
      document.body.append(frame);
    })`);
    const inside = page.frames().find((frame) => frame !== page.mainFrame());
    expect(await inside?.$('#password')).toBeFalsy();
  });

  test('a form on another site cannot sign anybody in', async () => {
    await begin();
    const action = page.url();
    await page.goto(callback);
    const fields = { username: 'alice', password: PASSWORD, action: 'sign-in', csrf: 'x' };
    await Promise.all([
      page.waitForNavigation(),
      page.evaluate(`{
        const form = document.createElement('form');
        form.method = 'post';
        form.setAttribute('action', ${JSON.stringify(action)});
        for (const [name, value] of Object.entries(${JSON.stringify(fields)})) {
          const input = document.createElement('input');
          Object.assign(input, { name, value });
          form.append(input);
        }
        document.body.append(form);
        HTMLFormElement.prototype.submit.call(form);
      }`),
    ]);
    expect(await text()).toMatch(/was not sent from the page|open for too long/u);
  });

  test('a page that was left open says what to do next', async () => {
    await page.goto(`${rig.gateway.origin}/signin/abcdefghij`);
    expect(await text()).toContain('Go back to the program and connect again');
  });

  test('signing out signs out', async () => {
    const { clientId, proof } = await begin();
    await signIn();
    await submit('button[value=allow]');
    await page.goto(`${rig.gateway.origin}/oauth/sign-out`);
    await submit('button[value=yes]');
    expect(await text()).toContain('close this window');
    const path = authorizePath(rig.gateway.origin, clientId, proof, { redirect_uri: callback });
    await page.goto(`${rig.gateway.origin}${path}`);
    expect(await page.$('#password')).not.toBeNull();
  });
});
