/** What is passed on to auth-service: over mutual TLS with names compared, with nothing of what a client says about itself. */
import { createServer, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createTestAuthority, memoryLog, type TestAuthority } from '@sallyport/service/testing';
import { forwarder } from '../../../src/door/http/forward.ts';
import { startFace, type Face, type Send } from '../support/face.ts';

type Seen = {
  readonly method?: string;
  readonly url?: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  readonly client: string | undefined;
};

let authority: TestAuthority;
let stack: AsyncDisposableStack;
let seen: Seen[];
let respond: (request: IncomingMessage, response: ServerResponse) => void;

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  authority = await createTestAuthority();
  seen = [];
  respond = (_request, response) => response.end('hello');
});
afterEach(() => stack.disposeAsync());

/** As auth-service listens; `name` is what it proves. */
async function listen(name = 'svc/auth-service', of: TestAuthority = authority): Promise<string> {
  const identity = await of.identity(name);
  const server: Server = createServer(
    {
      cert: identity.certPem,
      key: identity.key.export({ format: 'pem', type: 'pkcs8' }),
      ca: authority.ca.certPem,
      requestCert: true,
      rejectUnauthorized: true,
    },
    (request, response) => {
      const { method = '', url = '', headers } = request;
      const { socket } = request as unknown as {
        socket: { getPeerX509Certificate(): { subjectAltName: string } };
      };
      const client = socket.getPeerX509Certificate().subjectAltName;
      let body = '';
      request.on('data', (chunk: Buffer) => (body += String(chunk)));
      request.on('end', () => {
        seen.push({ method, url, headers, body, client });
        respond(request, response);
      });
    },
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stack.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function faceTo(address: string): Promise<Face> {
  const { forward } = stack.use(
    forwarder({
      address,
      identity: await authority.identity('svc/gateway'),
      trust: authority.trust,
      publicOrigin: 'https://localhost:8443',
      onForwarded: () => undefined,
      log: memoryLog(),
    }),
  );
  return stack.use(await startFace({ forward }));
}

const get = (path: string, more: Send = {}): Send => ({ method: 'GET', path, ...more });

describe('what is passed on', () => {
  test.each([
    '/oauth/authorize?client_id=x&state=y',
    '/oauth/token',
    '/signin',
    '/signin/consent',
    '/.well-known/oauth-authorization-server',
    '/.well-known/oauth-authorization-server/mcp',
    '/.well-known/openid-configuration',
  ])('%s', async (path) => {
    const face = await faceTo(await listen());
    const answer = await face.send(get(path, { headers: { authorization: undefined } }));
    expect(answer.status).toBe(200);
    expect(answer.text).toBe('hello');
    expect(seen).toMatchObject([
      { method: 'GET', url: path, client: 'URI:spiffe://sallyport.test/svc/gateway' },
    ]);
  });

  test.each([
    '/oauth',
    '/signinx',
    '/oauth/../admin',
    '/oauth/%2e%2e/admin',
    '/oauth//x',
    '/oauth/a%2fb',
    '/oauth/\\x',
    '/internal',
  ])('and not %s', async (path) => {
    const face = await faceTo(await listen());
    expect((await face.send(get(path))).status).toBe(404);
    expect(seen).toEqual([]);
  });

  test('a form with its body and the credentials in it', async () => {
    const face = await faceTo(await listen());
    await face.send({
      path: '/oauth/token',
      body: 'grant_type=authorization_code&code=x',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        authorization: 'Basic eDp5',
        dpop: 'proof',
      },
    });
    expect(seen[0]).toMatchObject({
      method: 'POST',
      body: 'grant_type=authorization_code&code=x',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        authorization: 'Basic eDp5',
        dpop: 'proof',
      },
    });
  });

  test('nothing that a client says of where it comes from', async () => {
    const face = await faceTo(await listen());
    await face.send(
      get('/oauth/authorize', {
        headers: {
          'x-forwarded-for': '6.6.6.6',
          'x-forwarded-host': 'evil.example',
          'x-forwarded-proto': 'http',
          'x-forwarded-prefix': '/x',
          'x-real-ip': '6.6.6.6',
          'x-original-url': '/admin',
          forwarded: 'for=6.6.6.6',
          via: '1.1 evil',
          connection: 'x-secret, keep-alive',
          'x-secret': '1',
          te: 'trailers',
        },
      }),
    );
    const { headers } = seen[0] ?? { headers: {} };
    expect(headers).toMatchObject({
      host: 'localhost:8443',
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-host': 'localhost:8443',
      'x-forwarded-proto': 'https',
    });
    for (const name of [
      'x-forwarded-prefix',
      'x-real-ip',
      'x-original-url',
      'forwarded',
      'via',
      'x-secret',
      'te',
    ])
      expect(headers).not.toHaveProperty(name);
  });

  test('the answer as it is: status, cookies, place', async () => {
    respond = (_request, response) => {
      response.writeHead(303, {
        location: '/signin',
        'set-cookie': ['a=1; Path=/', 'b=2; Path=/'],
        'proxy-authenticate': 'x',
      });
      response.end();
    };
    const face = await faceTo(await listen());
    const answer = await face.send(get('/oauth/authorize'));
    expect(answer.status).toBe(303);
    expect(answer.headers.location).toBe('/signin');
    expect(answer.headers['set-cookie']).toEqual(['a=1; Path=/', 'b=2; Path=/']);
    expect(answer.headers).not.toHaveProperty('proxy-authenticate');
  });

  test('names of ours only', async () => {
    const face = await faceTo(await listen());
    expect((await face.send(get('/signin', { headers: { host: 'evil.example' } }))).status).toBe(421);
    expect(seen).toEqual([]);
  });

  test('no body of more than 64 KiB', async () => {
    const face = await faceTo(await listen());
    expect((await face.send({ path: '/oauth/token', body: 'x'.repeat(65_537) })).status).toBe(413);
    expect(seen).toEqual([]);
  });
});

describe('who is asked', () => {
  test('nobody there: come again', async () => {
    const face = await faceTo('127.0.0.1:1');
    const answer = await face.send(get('/signin'));
    expect(answer.status).toBe(503);
    expect(answer.headers['retry-after']).toBe('1');
  });

  test('the next one, when the first is not there', async () => {
    const face = await faceTo(`127.0.0.1:1,${await listen()}`);
    expect((await face.send(get('/signin'))).status).toBe(200);
  });

  test.each(['svc/policy-service', 'user/alice', 'svc/gateway'])('nobody who is %s', async (name) => {
    const face = await faceTo(await listen(name));
    expect((await face.send(get('/signin'))).status).toBe(503);
    expect(seen).toEqual([]);
  });

  test('nobody of another authority', async () => {
    const face = await faceTo(await listen('svc/auth-service', await createTestAuthority()));
    expect((await face.send(get('/signin'))).status).toBe(503);
    expect(seen).toEqual([]);
  });

  test('an answer that breaks off does not look whole', async () => {
    respond = (_request, response) => {
      response.writeHead(200, { 'content-length': 100 });
      response.write('half', () => response.destroy());
    };
    const face = await faceTo(await listen());
    await expect(face.send(get('/signin'))).rejects.toThrow(/aborted|terminated|socket/u);
  });

  test('an answer without an end is cut', async () => {
    respond = (_request, response) => {
      response.writeHead(200);
      const more = (): void => {
        if (!response.destroyed) response.write(Buffer.alloc(65_536), more);
      };
      more();
    };
    const face = await faceTo(await listen());
    await expect(face.send(get('/signin'))).rejects.toThrow(/aborted|terminated|socket/u);
  });
});
