import { lookup } from 'node:dns/promises';
import { expect, test } from 'vitest';
import { httpFetcher, isPublicAddress, type FetchAnswer } from '../../src/fetch/index.ts';
import { serve } from './server.ts';

const HERE = ['127.0.0.1'];

function problemOf(answer: FetchAnswer): string {
  return answer.ok ? 'answered' : answer.problem;
}

test('a GET gives the octets and how long they may be kept', async () => {
  await using server = await serve((_request, response) => {
    response.writeHead(200, { 'cache-control': 'public, max-age=60', age: '10' }).end(Buffer.from([1, 2, 3]));
  });
  const answer = await httpFetcher({ unsafeAllowPrivateHosts: HERE }).fetch({
    kind: 'crl',
    url: `${server.origin}/ca.crl`,
  });
  expect(answer).toEqual({ ok: true, body: new Uint8Array([1, 2, 3]), maxAgeMs: 50_000 });
  expect(server.asked).toEqual(['GET /ca.crl']);
});

test('an OCSP request is a POST with its media type', async () => {
  await using server = await serve((request, response, body) => {
    response.end(Buffer.from(`${request.headers['content-type']} ${body.toString('hex')}`));
  });
  const answer = await httpFetcher({ unsafeAllowPrivateHosts: HERE }).fetch({
    kind: 'ocsp',
    url: server.origin,
    body: new Uint8Array([0x30, 0x00]),
  });
  expect(answer.ok && Buffer.from(answer.body).toString()).toBe('application/ocsp-request 3000');
});

test('no-store is kept for no time', async () => {
  await using server = await serve((_request, response) => {
    response.writeHead(200, { 'cache-control': 'no-store, max-age=60' }).end('x');
  });
  const answer = await httpFetcher({ unsafeAllowPrivateHosts: HERE }).fetch({
    kind: 'crl',
    url: server.origin,
  });
  expect(answer.ok && answer.maxAgeMs).toBe(0);
});

test.each([
  'http://127.0.0.1/x',
  'http://[::1]/x',
  'http://[::ffff:127.0.0.1]/x',
  'http://10.1.2.3/x',
  'http://169.254.169.254/latest/meta-data',
  'http://2130706433/x',
  'http://0x7f.1/x',
  'https://192.168.1.1/x',
  'ftp://example.com/x',
  'ldap://example.com/cn=x',
  'file:///etc/passwd',
  'http://user:secret@example.com/x',
  'not a url',
  `http://example.com/${'a'.repeat(3_000)}`,
])('%s is refused', async (url) => {
  const resolve = (): Promise<string[]> => Promise.resolve(['192.0.2.1']);
  expect(problemOf(await httpFetcher({ resolve }).fetch({ kind: 'crl', url }))).toBe('refused');
});

test.each([
  ['a private address', ['10.0.0.1']],
  ['a public and a private address', ['93.184.216.34', '127.0.0.1']],
])('a name that has %s is refused', async (_title, addresses) => {
  const fetcher = httpFetcher({ resolve: () => Promise.resolve(addresses) });
  expect(problemOf(await fetcher.fetch({ kind: 'crl', url: 'http://crl.example/x' }))).toBe('refused');
});

test('the connection goes to the address that was looked at', async () => {
  await using server = await serve((request, response) => response.end(request.headers.host));
  const { port } = new URL(server.origin);
  let lookups = 0;
  const fetcher = httpFetcher({
    unsafeAllowPrivateHosts: ['crl.example'],
    resolve() {
      lookups += 1;
      return Promise.resolve(['127.0.0.1']);
    },
  });
  const answer = await fetcher.fetch({ kind: 'crl', url: `http://crl.example:${port}/x` });
  expect(answer.ok && Buffer.from(answer.body).toString()).toBe(`crl.example:${port}`);
  expect(lookups).toBe(1);
});

test('redirects are followed, three of them', async () => {
  await using server = await serve((request, response) => {
    const left = Number(request.url?.slice(1));
    if (left === 0) response.end('there');
    else response.writeHead(302, { location: `/${left - 1}` }).end();
  });
  const fetcher = httpFetcher({ unsafeAllowPrivateHosts: HERE });
  expect(problemOf(await fetcher.fetch({ kind: 'crl', url: `${server.origin}/3` }))).toBe('answered');
  expect(problemOf(await fetcher.fetch({ kind: 'crl', url: `${server.origin}/4` }))).toBe('redirects');
});

test.each(['http://[::1]:1/x', 'file:///etc/passwd', 'http://10.0.0.1/'])(
  'a redirect to %s is judged again',
  async (location) => {
    await using server = await serve((_request, response) => response.writeHead(301, { location }).end());
    const fetcher = httpFetcher({ unsafeAllowPrivateHosts: HERE });
    expect(problemOf(await fetcher.fetch({ kind: 'crl', url: server.origin }))).toBe('refused');
  },
);

test('a POST is not redirected', async () => {
  await using server = await serve((_request, response) => response.writeHead(307, { location: '/y' }).end());
  const fetcher = httpFetcher({ unsafeAllowPrivateHosts: HERE });
  const answer = await fetcher.fetch({ kind: 'ocsp', url: server.origin, body: new Uint8Array([1]) });
  expect(problemOf(answer)).toBe('redirects');
  expect(server.asked).toHaveLength(1);
});

test.each([204, 206, 304, 404, 500])('status %i is no answer', async (status) => {
  await using server = await serve((_request, response) => response.writeHead(status).end());
  const fetcher = httpFetcher({ unsafeAllowPrivateHosts: HERE });
  expect(problemOf(await fetcher.fetch({ kind: 'crl', url: server.origin }))).toBe('status');
});

test('an answer without end is cut', async () => {
  let sent = 0;
  await using server = await serve((_request, response) => {
    const more = (): void => {
      while (!response.destroyed && sent < 50_000_000) {
        sent += 65_536;
        if (!response.write(Buffer.alloc(65_536))) return void response.once('drain', more);
      }
    };
    more();
  });
  const fetcher = httpFetcher({ unsafeAllowPrivateHosts: HERE, maxBytes: { crl: 100_000 } });
  expect(problemOf(await fetcher.fetch({ kind: 'crl', url: server.origin }))).toBe('too_large');
  expect(sent).toBeLessThan(50_000_000);
});

test.each([
  ['never answers', () => {}],
  [
    'trickles',
    (response: import('node:http').ServerResponse) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write('x'), 20);
      response.once('close', () => clearInterval(timer));
    },
  ],
])('a server that %s runs out of time', async (_title, answer) => {
  await using server = await serve((_request, response) => answer(response));
  const fetcher = httpFetcher({ unsafeAllowPrivateHosts: HERE, timeoutMs: 200 });
  expect(problemOf(await fetcher.fetch({ kind: 'crl', url: server.origin }))).toBe('timeout');
});

test('a resolver that hangs runs out of time', async () => {
  const fetcher = httpFetcher({ timeoutMs: 100, resolve: () => new Promise(() => {}) });
  expect(problemOf(await fetcher.fetch({ kind: 'crl', url: 'http://crl.example/' }))).toBe('timeout');
});

test("a stranger's name is none of the system's resolver's business", async () => {
  // Its threads are few, and whatever else has a name waits for them.
  const answers = Array.from({ length: 50 }, (_, index) =>
    httpFetcher({ timeoutMs: 300 }).fetch({ kind: 'crl', url: `http://crl-${index}.invalid/` }),
  );
  const { address } = await lookup('localhost');
  expect(isPublicAddress(address)).toBe(false);
  for (const answer of await Promise.all(answers)) expect(answer.ok).toBe(false);
  const answer = await httpFetcher({ timeoutMs: 1_000 }).fetch({ kind: 'crl', url: 'http://localhost/' });
  expect(problemOf(answer)).toMatch(/refused|unreachable/u);
});

test('a name that is allowed is looked up as the system does', async () => {
  await using server = await serve((_request, response) => response.end('x'));
  const fetcher = httpFetcher({ unsafeAllowPrivateHosts: ['localhost'] });
  const { port } = new URL(server.origin);
  expect(problemOf(await fetcher.fetch({ kind: 'crl', url: `http://localhost:${port}/` }))).toMatch(
    /answered|unreachable/u, // where it means ::1 first, nobody is there
  );
});

test('nobody listens', async () => {
  const server = await serve(() => {});
  await server[Symbol.asyncDispose]();
  const fetcher = httpFetcher({ unsafeAllowPrivateHosts: HERE });
  expect(problemOf(await fetcher.fetch({ kind: 'crl', url: server.origin }))).toBe('unreachable');
});

test.each([
  ['93.184.216.34', true],
  ['2606:4700::1', true],
  ['100.64.0.1', false],
  ['fe80::1', false],
  ['::ffff:10.0.0.1', false],
  ['nonsense', false],
])('%s is public: %s', (address, isPublic) => expect(isPublicAddress(address)).toBe(isPublic));
