/** What comes to the HTTPS face and is not right: names, origins, bodies, shapes, revisions, headers. */
import { createHash } from 'node:crypto';
import { connect } from 'node:tls';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ORIGIN, PING, startFace, type Face, type Send } from '../support/face.ts';

let face: Face;
beforeAll(async () => {
  face = await startFace({
    maxBodyBytes: 4_096,
    bodyDeadlineMs: 300,
    allowedOrigins: ['https://app.example'],
  });
});
beforeEach(() => {
  face.seen.length = 0;
  face.refused.length = 0;
});
afterAll(() => face[Symbol.asyncDispose]());

const META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
};
const CALL = {
  jsonrpc: '2.0',
  id: 7,
  method: 'tools/call',
  params: { name: 'echo', arguments: {}, _meta: META },
};
const STATELESS = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'echo' };
const text = (value: unknown): string => JSON.stringify(value);

describe('names of this machine', () => {
  test.each(['localhost:8443', 'localhost', 'LOCALHOST:1', '127.0.0.1:9999', '[::1]:8443'])(
    '%s is ours',
    async (host) => {
      expect((await face.send({ headers: { host } })).status).toBe(200);
    },
  );

  test.each([
    'evil.example',
    'localhost.evil.example',
    'localhost:8443@evil.example',
    '127.0.0.2',
    '0.0.0.0:8443',
    '[::ffff:127.0.0.1]',
    'localhost:',
  ])('%s is not', async (host) => {
    expect((await face.send({ headers: { host } })).status).toBe(421);
    expect(face.refused).toEqual(['host']);
    expect(face.seen).toEqual([]);
  });

  test('two names are none', async () => {
    const status = await raw(
      'POST /mcp HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n',
    );
    expect(['421', '400']).toContain(status);
    expect(face.seen).toEqual([]);
  });

  test('a name in the request line does not stand in for it', async () => {
    const status = await raw(
      'POST https://localhost:8443/mcp HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 0\r\n\r\n',
    );
    expect(['421', '404', '405']).toContain(status);
  });
});

describe('names of a deployment', () => {
  test.each([
    { host: 'gateway.example', status: 200 },
    { host: 'gateway.example:443', status: 200 },
    { host: 'gateway.example:8443', status: 421 },
    { host: 'localhost', status: 421 },
    { host: '127.0.0.1', status: 421 },
  ])('$host: $status', async ({ host, status }) => {
    await using deployed = await startFace({ publicOrigin: 'https://gateway.example' });
    expect((await deployed.send({ headers: { host } })).status).toBe(status);
    expect((await deployed.send({ headers: { origin: 'https://localhost:1234' } })).status).toBe(403);
    expect((await deployed.send({ headers: { origin: 'https://gateway.example' } })).status).toBe(200);
  });
});

describe('web pages', () => {
  test.each([
    'https://localhost:8443',
    'http://localhost:3000',
    'https://127.0.0.1:1',
    'https://app.example',
  ])('of %s may', async (origin) => {
    const answer = await face.send({ headers: { origin } });
    expect(answer.status).toBe(200);
    expect(answer.headers['access-control-allow-origin']).toBe(origin);
    expect(answer.headers['access-control-allow-credentials']).toBeUndefined();
    expect(answer.headers.vary).toBe('origin');
  });

  test.each([
    'https://evil.example',
    'null',
    'https://app.example.evil.example',
    'http://app.example',
    'https://localhost.evil.example',
    'file://',
  ])('of %s may not', async (origin) => {
    const answer = await face.send({ headers: { origin } });
    expect(answer.status).toBe(403);
    expect(answer.headers['access-control-allow-origin']).toBeUndefined();
    expect(face.refused).toEqual(['origin']);
  });

  test('two origins are none', async () => {
    expect(
      (await face.send({ headers: { origin: ['https://app.example', 'https://app.example'] } })).status,
    ).toBe(403);
  });

  test('are told what they may ask for, without a token', async () => {
    const answer = await face.send({
      method: 'OPTIONS',
      headers: {
        authorization: undefined,
        origin: 'https://app.example',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization, x-evil, Mcp-Param-Region, mcp-param-a b',
      },
    });
    expect(answer.status).toBe(204);
    expect(answer.headers['access-control-allow-methods']).toBe('GET, POST, DELETE');
    const allowed = String(answer.headers['access-control-allow-headers']).split(', ');
    expect(allowed).toEqual(expect.arrayContaining(['authorization', 'dpop', 'mcp-param-region']));
    expect(allowed).not.toContain('x-evil');
    expect(allowed.some((name) => name.includes(' '))).toBe(false);
  });

  test('can read a refusal', async () => {
    const answer = await face.send({ headers: { origin: 'https://app.example', authorization: undefined } });
    expect(answer.status).toBe(401);
    expect(answer.headers['access-control-allow-origin']).toBe('https://app.example');
    expect(answer.headers['access-control-expose-headers']).toContain('www-authenticate');
  });
});

describe('a message that is not one', () => {
  const long = 'x'.repeat(5_000);
  test.each<{ what: string; status: number; send: Send }>([
    { what: 'too large, announced', status: 413, send: { body: text({ ...PING, params: { long } }) } },
    {
      what: 'too large, not announced',
      status: 413,
      send: {
        body: text({ ...PING, params: { long } }),
        headers: { 'content-length': undefined, 'transfer-encoding': 'chunked' },
      },
    },
    { what: 'empty', status: 400, send: { body: '' } },
    { what: 'no JSON', status: 400, send: { body: '{"jsonrpc":' } },
    { what: 'a batch', status: 400, send: { body: text([PING, PING]) } },
    { what: 'a batch of nothing', status: 400, send: { body: '[]' } },
    {
      what: 'a name given twice',
      status: 400,
      send: { body: '{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}' },
    },
    {
      what: 'a name given twice, escaped',
      status: 400,
      send: { body: '{"jsonrpc":"2.0","id":1,"method":"ping","\\u006dethod":"tools/call"}' },
    },
    {
      what: '65 deep',
      status: 400,
      send: {
        body: `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":${'['.repeat(65)}${']'.repeat(65)}}}`,
      },
    },
    {
      what: 'bad UTF-8',
      status: 400,
      send: {
        body: Buffer.concat([
          Buffer.from('{"jsonrpc":"2.0","id":1,"method":"pi'),
          Buffer.from([0xff, 0xfe]),
          Buffer.from('ng"}'),
        ]),
      },
    },
    { what: 'a byte order mark', status: 400, send: { body: `\ufeff${text(PING)}` } },
    { what: 'text', status: 415, send: { headers: { 'content-type': 'text/plain' } } },
    {
      what: 'a form',
      status: 415,
      send: { headers: { 'content-type': 'application/x-www-form-urlencoded' } },
    },
    { what: 'of no type', status: 415, send: { headers: { 'content-type': undefined } } },
    {
      what: 'in UTF-16',
      status: 415,
      send: { headers: { 'content-type': 'application/json; charset=utf-16' } },
    },
    { what: 'compressed', status: 415, send: { headers: { 'content-encoding': 'gzip' } } },
    {
      what: 'of a client that takes JSON only',
      status: 406,
      send: { headers: { accept: 'application/json' } },
    },
    {
      what: 'of a client that takes events only',
      status: 406,
      send: { headers: { accept: 'text/event-stream' } },
    },
    {
      what: 'of a revision that nobody speaks',
      status: 400,
      send: { headers: { 'mcp-protocol-version': '2099-01-01' } },
    },
    {
      what: 'of two revisions',
      status: 400,
      send: { headers: { 'mcp-protocol-version': ['2025-11-25', '2025-06-18'] } },
    },
    { what: 'with a session id that is none', status: 400, send: { headers: { 'mcp-session-id': 'a b' } } },
  ])('$what: $status', async ({ status, send }) => {
    const answer = await face.send(send);
    expect(answer.status).toBe(status);
    expect(face.seen).toEqual([]);
  });

  test('a revision that nobody speaks is told which are spoken', async () => {
    const answer = await face.send({ headers: { 'mcp-protocol-version': '2099-01-01' } });
    expect(answer.json()).toMatchObject({
      id: 1,
      error: {
        code: -32022,
        data: {
          requested: '2099-01-01',
          supported: ['2026-07-28', '2025-11-25', '2025-06-18', '2025-03-26'],
        },
      },
    });
  });

  test('one that does not come in time', async () => {
    const token = await face.token();
    const status = await raw(
      `POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\n` +
        `Accept: application/json, text/event-stream\r\nContent-Length: 100\r\n\r\n{"jsonrpc"`,
    );
    expect(status).toBe('408');
    expect(face.seen).toEqual([]);
  });
});

describe('methods', () => {
  test.each(['PUT', 'PATCH', 'HEAD', 'TRACE'])('%s is none of the door', async (method) => {
    const answer = await face.send({ method });
    expect(answer.status).toBe(405);
    expect(answer.headers.allow).toBe('POST, GET, DELETE, OPTIONS');
  });

  test.each(['GET', 'DELETE'])('%s is none of 2026-07-28', async (method) => {
    const answer = await face.send({ method, headers: { 'mcp-protocol-version': '2026-07-28' } });
    expect(answer.status).toBe(405);
    expect(answer.headers.allow).toBe('POST, OPTIONS');
  });

  test('a GET of a revision that nobody speaks', async () => {
    expect(
      (await face.send({ method: 'GET', headers: { 'mcp-protocol-version': 'x' } })).json(),
    ).toMatchObject({ error: { code: -32022 } });
  });

  test('a GET that takes no events', async () => {
    expect((await face.send({ method: 'GET', headers: { accept: 'application/json' } })).status).toBe(406);
  });
});

describe('headers that deny the body (2026-07-28), before anything is forwarded', () => {
  const HEADERS = { ...STATELESS };
  test.each<{ what: string; code: number; headers: Record<string, string | undefined>; body?: unknown }>([
    { what: 'another method', code: -32020, headers: { ...HEADERS, 'mcp-method': 'tools/list' } },
    { what: 'another tool', code: -32020, headers: { ...HEADERS, 'mcp-name': 'printEnv' } },
    { what: 'no method', code: -32020, headers: { ...HEADERS, 'mcp-method': undefined } },
    { what: 'no tool', code: -32020, headers: { ...HEADERS, 'mcp-name': undefined } },
    { what: 'no revision', code: -32020, headers: { ...HEADERS, 'mcp-protocol-version': undefined } },
    {
      what: 'an older revision',
      code: -32020,
      headers: { ...HEADERS, 'mcp-protocol-version': '2025-11-25' },
    },
    {
      what: 'an encoding that is broken',
      code: -32020,
      headers: { ...HEADERS, 'mcp-name': '=?base64?####?=' },
    },
    {
      what: 'nothing in the body',
      code: -32602,
      headers: HEADERS,
      body: { ...CALL, params: { name: 'echo' } },
    },
    {
      what: 'a response',
      code: -32600,
      headers: { 'mcp-protocol-version': '2026-07-28' },
      body: { jsonrpc: '2.0', id: 1, result: {} },
    },
  ])('$what', async ({ code, headers, body = CALL }) => {
    const answer = await face.send({ headers, body: text(body) });
    expect(answer.status).toBe(400);
    expect(answer.json()).toMatchObject({ jsonrpc: '2.0', error: { code } });
    expect(face.seen).toEqual([]);
  });

  test('what agrees is forwarded, with parameters and the digest of the body, and without a session', async () => {
    const body = text(CALL);
    const answer = await face.send({
      body,
      headers: {
        ...STATELESS,
        'mcp-name': '=?base64?ZWNobw==?=',
        'mcp-param-region': 'north',
        'mcp-session-id': 'ignored',
      },
    });
    expect(answer.status).toBe(200);
    expect(face.seen[0]).toMatchObject({
      revision: '2026-07-28',
      message: CALL,
      parameterHeaders: { 'mcp-param-region': 'north' },
      requestDigest: createHash('sha256').update(body).digest('hex'),
    });
    expect(face.seen[0]?.sessionId).toBeUndefined();
  });
});

describe('revisions', () => {
  const initialize = {
    jsonrpc: '2.0',
    id: 0,
    method: 'initialize',
    params: { protocolVersion: '2025-06-18', capabilities: {} },
  };
  test.each<{ what: string; send: Send; revision: string }>([
    {
      what: 'no header at all',
      send: { headers: { 'mcp-protocol-version': undefined } },
      revision: '2025-03-26',
    },
    {
      what: 'an older one',
      send: { headers: { 'mcp-protocol-version': '2025-06-18' } },
      revision: '2025-06-18',
    },
    {
      what: 'initialize, whatever it hopes for',
      send: { body: text(initialize), headers: { 'mcp-protocol-version': undefined } },
      revision: '2025-11-25',
    },
  ])('$what', async ({ send, revision }) => {
    expect((await face.send(send)).status).toBe(200);
    expect(face.seen[0]?.revision).toBe(revision);
  });

  test('the session goes on to the server as it came', async () => {
    await face.send({ headers: { 'mcp-session-id': 'sealed-1' } });
    expect(face.seen[0]?.sessionId).toBe('sealed-1');
  });
});

describe('what else is on the port', () => {
  test('health, without a token or a name', async () => {
    expect(
      (
        await face.send({
          method: 'GET',
          path: '/healthz',
          headers: { host: 'anything', authorization: undefined },
        })
      ).status,
    ).toBe(200);
  });

  test.each(['/mcpx', '/.well-known/other', '/', '/oauth'])('nothing at %s', async (path) => {
    expect((await face.send({ method: 'GET', path })).status).toBe(404);
  });

  test.each([
    { path: '/.well-known/oauth-protected-resource', resource: `${ORIGIN}/mcp` },
    { path: '/.well-known/oauth-protected-resource/mcp', resource: `${ORIGIN}/mcp` },
    { path: '/.well-known/oauth-protected-resource/mcp/files', resource: `${ORIGIN}/mcp/files` },
    { path: '/.well-known/oauth-protected-resource/mcp/not-there', resource: `${ORIGIN}/mcp/not-there` },
  ])('metadata at $path', async ({ path, resource }) => {
    const answer = await face.send({ method: 'GET', path, headers: { authorization: undefined } });
    expect(answer.status).toBe(200);
    expect(answer.headers['access-control-allow-origin']).toBe('*');
    expect(answer.json()).toEqual({
      resource,
      resource_name: resource === `${ORIGIN}/mcp` ? 'Sallyport' : `Sallyport: ${resource.slice(27)}`,
      authorization_servers: [ORIGIN],
      scopes_supported: ['context:read', 'context:call'],
      bearer_methods_supported: ['header'],
      dpop_signing_alg_values_supported: ['ES256', 'EdDSA'],
    });
  });

  test('metadata says so where every token must be bound', async () => {
    await using strict = await startFace({ allowsBearer: false });
    const answer = await strict.send({ method: 'GET', path: '/.well-known/oauth-protected-resource/mcp' });
    expect(answer.json()).toMatchObject({ dpop_bound_access_tokens_required: true });
  });

  test.each([
    '/.well-known/oauth-protected-resource/mcp/Not',
    '/.well-known/oauth-protected-resource/other',
    '/.well-known/oauth-protected-resource/mcp/a/b',
  ])('no metadata at %s', async (path) => {
    expect((await face.send({ method: 'GET', path })).status).toBe(404);
  });

  test('metadata is for names of ours only', async () => {
    const answer = await face.send({
      method: 'GET',
      path: '/.well-known/oauth-protected-resource',
      headers: { host: 'evil.example' },
    });
    expect(answer.status).toBe(421);
  });
});

/** The status of what is answered to these bytes. */
function raw(bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: '127.0.0.1',
      port: face.port,
      ca: face.caPem,
      checkServerIdentity: () => undefined,
    });
    socket.setTimeout(5_000, () => socket.destroy(new Error('no answer')));
    socket.once('data', (data) => {
      socket.destroy();
      resolve(/^HTTP\/1\.1 (\d{3})/u.exec(String(data))?.[1] ?? '');
    });
    socket.once('error', reject);
    socket.write(bytes);
  });
}
