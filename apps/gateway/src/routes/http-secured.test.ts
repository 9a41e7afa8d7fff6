/** Where an HTTP route may connect to, whom it believes there, and how it shows who it is. */
import { writeFile, mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { createDevelopmentCa, issue, serviceSpiffeId } from '@sallyport/service/identity';
import { systemClock } from '@sallyport/service/clock';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { messageTo as message, testPorts, type TestPorts } from '../../test/support/routes.ts';
import type { RemoteRoute } from './attempts.ts';
import type { HttpRouteConfig } from './config.ts';
import { httpRoute } from './http.ts';

const clock = systemClock();
const trustDomain = 'sallyport.test';
let folder: string;
let file: (name: string, text: string) => Promise<string>;
/** Of the server that was started last. */
let connections = 0;
const cleanups: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-route-'));
  file = async (name, text) => {
    const path = join(folder, name);
    await writeFile(path, text, { mode: 0o600 });
    return path;
  };
});
afterAll(() => rm(folder, { recursive: true, force: true }));
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function serve(
  listener: RequestListener,
  tls?: Parameters<typeof createTlsServer>[0],
): Promise<number> {
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  connections = 0;
  server.on('connection', () => void (connections += 1));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}

function routeTo(
  url: string,
  config: Partial<HttpRouteConfig> = {},
  ports: TestPorts = testPorts(),
): RemoteRoute {
  const route = httpRoute({ kind: 'http', url, timeoutMs: 2_000, maxResponseBytes: 1024, ...config }, ports);
  cleanups.push(async () => route[Symbol.asyncDispose]());
  return route;
}

describe('egress', () => {
  const refused = { kind: 'failure', reason: 'upstream_failed', status: 'egress', isWithoutEffect: true };
  let calls = 0;
  const upstream = (): Promise<number> => {
    calls = 0;
    return serve((_request, response) => {
      calls += 1;
      response.end('ok');
    });
  };

  test.each([
    ['an address that is listed', '127.0.0.1', ['127.0.0.0/8'], true],
    ['a name that is listed', 'localhost', ['localhost'], true],
    ['a name whose address is listed', 'localhost', ['127.0.0.1', '::1'], true],
    ['an address that is not listed', '127.0.0.1', ['10.0.0.0/8'], false],
    // What a name means is decided when the connection is made, by where it leads.
    ['a name that leads elsewhere', 'localhost', ['10.0.0.0/8', 'orders.example'], false],
    ['an address in another notation', '0x7f.1', ['10.0.0.0/8'], false],
    ['the unspecified address, which is this machine', '0.0.0.0', undefined, false],
    ['a link-local address without a list', '169.254.169.254', undefined, false],
    ['a link-local address in a list of everything', '169.254.169.254', ['0.0.0.0/0'], false],
    ['the same in IPv6', '[::ffff:169.254.169.254]', undefined, false],
  ])('%s', async (_, host, egress, isPermitted) => {
    const port = await upstream();
    const config = egress === undefined ? {} : { egress };
    const route = routeTo(`http://${host}:${port}/`, { isIdempotent: true, ...config });
    expect(await route.send(message())).toMatchObject(isPermitted ? { kind: 'response' } : refused);
    expect(calls).toBe(isPermitted ? 1 : 0);
    expect(connections).toBe(isPermitted ? 1 : 0);
  });
});

describe('TLS', () => {
  async function authority() {
    const ca = await createDevelopmentCa({ trustDomain, clock });
    const leaf = await issue({
      ca,
      clock,
      spiffeId: serviceSpiffeId(trustDomain, 'gateway'),
      keyAlgorithm: 'P-256',
      usages: ['server', 'client'],
      dns: ['localhost'],
    });
    return { ca, cert: leaf.certPem, key: leaf.key.export({ type: 'pkcs8', format: 'pem' }).toString() };
  }

  test('a private root is believed where it is configured, and nowhere else', async () => {
    const { ca, cert, key } = await authority();
    const port = await serve((_request, response) => response.end('ok'), { cert, key });
    const caFile = await file('ca.pem', ca.certPem);
    const url = `https://localhost:${port}/`;
    expect(await routeTo(url, { caFile }).send(message())).toMatchObject({ kind: 'response' });
    const other = await file('other.pem', (await authority()).ca.certPem);
    const refused = { kind: 'failure', status: 'connect', isWithoutEffect: true };
    expect(await routeTo(url, { caFile: other }).send(message())).toMatchObject(refused);
    expect(await routeTo(url).send(message())).toMatchObject(refused);
    // The name in the URL is what the certificate must be for.
    expect(await routeTo(`https://127.0.0.1:${port}/`, { caFile }).send(message())).toMatchObject(refused);
  });

  test('a destination that asks for a certificate gets ours', async () => {
    const { ca, cert, key } = await authority();
    let peer = '';
    const port = await serve(
      (request, response) => {
        peer = (request.socket as TLSSocket).getPeerCertificate().subjectaltname ?? '';
        response.end('ok');
      },
      { cert, key, ca: ca.certPem, requestCert: true, rejectUnauthorized: true },
    );
    const caFile = await file('client-ca.pem', ca.certPem);
    const url = `https://localhost:${port}/`;
    // TLS 1.3 refuses a client after its handshake: whether the message was read is not certain.
    expect(await routeTo(url, { caFile }).send(message())).toMatchObject({ kind: 'failure' });
    expect(peer).toBe('');
    const files = { certFile: await file('cert.pem', cert), keyFile: await file('key.pem', key) };
    expect(await routeTo(url, { caFile, ...files }).send(message())).toMatchObject({ kind: 'response' });
    expect(peer).toContain(serviceSpiffeId(trustDomain, 'gateway'));
  });

  test('a file that cannot be read is told at once', () => {
    expect(() => routeTo('https://localhost/', { caFile: join(folder, 'nowhere.pem') })).toThrow(TypeError);
  });
});

describe('a credential', () => {
  const upstream = async (seen: IncomingMessage[]): Promise<string> =>
    `http://127.0.0.1:${await serve((request, response) => {
      seen.push(request);
      response.end('ok');
    })}/`;

  test('goes with each message, and no client decides what it is', async () => {
    const seen: IncomingMessage[] = [];
    const secretFile = await file('token', 'Zm9vYmFy\n');
    const credential = { header: 'Authorization', prefix: 'Bearer ', secretFile };
    await routeTo(await upstream(seen), { credential }).send(message());
    expect(seen[0]?.headers.authorization).toBe('Bearer Zm9vYmFy');
  });

  test.each([
    ['nothing', ''],
    ['two lines', 'a\nb'],
    ['a line break in its middle', 'a\r\nx-evil: 1'],
    ['more than visible characters', 'a\u0000b'],
    ['too much', 'x'.repeat(8_193)],
  ])('of %s is refused at once, and not repeated', async (_, text) => {
    const secretFile = await file('bad', text);
    const credential = { header: 'Authorization', secretFile };
    expect(() => routeTo('http://127.0.0.1:1/', { credential })).toThrow(/must hold one line/u);
  });
});
