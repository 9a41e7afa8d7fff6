/** Clients that describe themselves at their own address, and the addresses that are not fetched. */
import { createServer, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemClock } from '@sallyport/service/clock';
import { createDevelopmentCa, issue } from '@sallyport/service/identity';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { isPublicAddress } from '@sallyport/x509/fetch';
import { guardedFetch } from '../../src/oauth/guarded-fetch.ts';
import { authorizePath, CALLBACK, follow, pkce, startRig, tokens, type Rig } from './rig.ts';

let server: Server;
let origin: string;
let caPem: string;
let answer: (request: IncomingMessage, response: ServerResponse) => void;
let asked: string[];

beforeAll(async () => {
  const clock = systemClock();
  const ca = await createDevelopmentCa({ trustDomain: 'client.test', clock });
  const leaf = await issue({
    ca,
    clock,
    spiffeId: 'spiffe://client.test/svc/gateway',
    keyAlgorithm: 'P-256',
    usages: ['server'],
    dns: ['client.test', 'localhost'],
    ip: ['127.0.0.1'],
  });
  caPem = ca.certPem;
  server = createServer({ cert: leaf.certPem, key: leaf.keyPem }, (request, response) => {
    asked.push(request.url ?? '');
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `https://client.test:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  asked = [];
  answer = json({});
});

const json =
  (changes: Record<string, unknown>, type = 'application/json') =>
  (request: IncomingMessage, response: ServerResponse) => {
    response.setHeader('content-type', type);
    response.end(
      JSON.stringify({
        client_id: `${origin}${request.url ?? ''}`,
        client_name: 'From a document',
        redirect_uris: [CALLBACK],
        ...changes,
      }),
    );
  };
const home = async () => ['127.0.0.1'];

describe('a client with a document', () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await startRig({
      fetch: { allowPrivateHosts: ['client.test'], caPem, resolve: home, timeoutMs: 300 },
    });
  });
  afterAll(() => rig[Symbol.asyncDispose]());

  async function shown(path: string): Promise<string> {
    const browser = rig.browser();
    const page = await follow(
      browser,
      await browser.get(authorizePath(browser.origin, `${origin}${path}`, pkce())),
    );
    return page.text;
  }

  test('gets tokens without being registered', async () => {
    const token = await tokens(rig.browser(), `${origin}/good`);
    expect(token['token_type']).toBe('Bearer');
    expect(asked).toEqual(['/good']);
  });

  const bad: readonly (readonly [string, Parameters<typeof json>[0]])[] = [
    ['another client id', { client_id: 'https://client.test/other' }],
    ['a secret', { client_secret: 'x' }],
    ['a shared-secret method', { token_endpoint_auth_method: 'client_secret_basic' }],
    ['http redirects', { redirect_uris: ['http://client.test/cb'] }],
    ['no redirects', { redirect_uris: [] }],
  ];
  test.each(bad)('is refused with %s', async (name, changes) => {
    answer = json(changes);
    expect(await shown(`/${name.replaceAll(' ', '-')}`)).toMatch(
      /<code>invalid_(?:client|client_metadata|redirect_uri)</u,
    );
  });

  const hostile: readonly (readonly [string, typeof answer])[] = [
    ['redirects', (_, response) => response.writeHead(302, { location: `${origin}/good` }).end()],
    ['is larger than 64 KiB', json({ client_name: 'x'.repeat(65 * 1024) })],
    ['never ends', (_, response) => void response.writeHead(200).write('{')],
    ['is slow', () => undefined],
    ['is what somebody uploaded', json({}, 'text/plain; charset=utf-8')],
    ['is of no type', json({}, '')],
    ['is no JSON', (_, response) => response.end('<html>')],
    ['is a list', (_, response) => response.end('[]')],
    ['is missing', (_, response) => response.writeHead(404).end()],
    ['breaks off', (request) => request.socket.destroy()],
  ];
  test('is fetched whoever else asks for many', async () => {
    await using busy = await startRig({
      fetch: { allowPrivateHosts: ['client.test'], caPem, resolve: home, timeoutMs: 300 },
    });
    const browser = busy.browser();
    const ask = async (path: string) =>
      (await browser.get(authorizePath(browser.origin, `${origin}${path}`, pkce()))).status;
    for (let each = 0; each < 100; each += 1) await ask(`/many-${each}`);
    expect(asked.length).toBeLessThan(100);
    expect(await ask('/more')).toBe(400);
    busy.gateway.extra = { 'x-forwarded-for': '192.0.2.99' };
    expect(await ask('/more')).toBe(303);
  });

  test.each(hostile)('is refused when its document %s', async (name, behaviour) => {
    answer = behaviour;
    expect(await shown(`/${name.replaceAll(' ', '-')}`)).toContain('invalid_client');
    expect(new Set(asked)).toEqual(new Set([`/${name.replaceAll(' ', '-')}`])); // a redirect is not followed
    expect(asked.length).toBeLessThanOrEqual(2);
  });
});

describe('what is not fetched', () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await startRig({ fetch: { allowPrivateHosts: [], caPem } });
  });
  afterAll(() => rig[Symbol.asyncDispose]());
  const rows = [
    'https://169.254.169.254/latest/meta-data',
    'https://localhost/client.json',
    'https://127.0.0.1/client.json',
    'https://[::1]/client.json',
    'https://[::ffff:127.0.0.1]/client.json',
    'https://[fe80::1]/client.json',
    'https://10.0.0.1/client.json',
    'https://2130706433/client.json',
    'https://0x7f.1/client.json',
    'http://client.test/client.json',
    'https://user:password@client.test/client.json',
    'https://client.test:22/client.json',
    'file:///etc/passwd',
  ];
  test.each(rows)('%s', async (clientId) => {
    const browser = rig.browser();
    const page = await browser.get(authorizePath(browser.origin, clientId, pkce()));
    expect(page.status).toBe(400);
    expect(page.text).toContain('invalid_client');
  });

  test('a name with one private address among public ones', async () => {
    const fetch = guardedFetch({
      allowPrivateHosts: [],
      resolve: async () => ['93.184.216.34', '127.0.0.1'],
    });
    await expect(fetch('https://client.test/')).rejects.toThrow('public internet');
  });

  test('a name that changes after it was looked at leads to what was looked at', async () => {
    let lookups = 0;
    const resolve = async () => {
      lookups += 1;
      return lookups === 1 ? ['127.0.0.1'] : ['169.254.169.254'];
    };
    const fetch = guardedFetch({ allowPrivateHosts: ['client.test'], caPem, resolve });
    expect((await fetch(`${origin}/pinned`)).status).toBe(200);
    expect([lookups, asked]).toEqual([1, ['/pinned']]);
  });

  test('a name that does not resolve in time', async () => {
    const fetch = guardedFetch({
      allowPrivateHosts: [],
      resolve: () => new Promise(() => undefined),
      timeoutMs: 50,
    });
    await expect(fetch('https://client.test/')).rejects.toThrow('too long');
  });

  test('a certificate that nobody vouches for', async () => {
    const fetch = guardedFetch({ allowPrivateHosts: ['client.test'], resolve: home });
    await expect(fetch(`${origin}/`)).rejects.toThrow(/certificate/u);
    expect(asked).toEqual([]);
  });
});

describe('addresses', () => {
  const special = [
    '0.0.0.0',
    '10.1.2.3',
    '100.64.0.1',
    '127.0.0.1',
    '127.255.255.255',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.0.0.1',
    '192.0.2.1',
    '192.168.1.1',
    '198.18.0.1',
    '198.51.100.1',
    '203.0.113.1',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::ffff:10.0.0.1',
    '::ffff:7f00:1',
    '64:ff9b::7f00:1',
    '100::1',
    '2001::1',
    '2001:db8::1',
    '2002:7f00:1::',
    'fc00::1',
    'fd12::1',
    'fe80::1',
    'ff02::1',
    'fec0::1',
    '',
    'localhost',
    '1.2.3',
    '::1%lo',
  ];
  test.each(special)('%s is not public', (address) => expect(isPublicAddress(address)).toBe(false));
  test.each(['1.1.1.1', '93.184.216.34', '172.32.0.1', '2606:4700::1111', '::ffff:1.1.1.1'])(
    '%s is',
    (address) => expect(isPublicAddress(address)).toBe(true),
  );
});
