/** The two ports as strangers meet them: TLS versions, probes, and what HTTP may not do here. */
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createWorld, type World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world[Symbol.asyncDispose]());

type Answer = { status: number; headers: Record<string, unknown>; body: string };

function ask(path: string, options: RequestOptions = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = httpsRequest(
      {
        host: '127.0.0.1',
        port: world.gateway.httpsPort,
        servername: 'localhost',
        ca: world.caPem,
        agent: false,
        timeout: 5_000,
        path,
        ...options,
      },
      (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (part: string) => (body += part));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
        );
      },
    );
    outgoing.on('error', reject);
    outgoing.end();
  });
}

describe('HTTPS', () => {
  test('/healthz is static', async () => {
    expect(await ask('/healthz')).toMatchObject({ status: 200, body: '{"status":"alive"}\n' });
  });

  test('/readyz reports every check, and 503 as soon as one fails', async () => {
    const ready = await ask('/readyz');
    expect(ready.status).toBe(200);
    expect(JSON.parse(ready.body)).toMatchObject({ ready: true });
    let isBroken = true;
    world.readiness.add('something', () =>
      isBroken ? Promise.reject(new Error('secret')) : Promise.resolve(),
    );
    const broken = await ask('/readyz');
    isBroken = false;
    expect(broken.status).toBe(503);
    expect(broken.body).not.toContain('secret');
    expect((await ask('/readyz')).status).toBe(200);
  });

  test('/metrics is Prometheus text', async () => {
    const { status, headers, body } = await ask('/metrics');
    expect(status).toBe(200);
    expect(headers['content-type']).toContain('text/plain');
    expect(body).toContain('sallyport_sessions{service="gateway"}');
  });

  test('HEAD has no body', async () => {
    expect(await ask('/healthz', { method: 'HEAD' })).toMatchObject({ status: 200, body: '' });
  });

  test('anything else is a problem of RFC 9457', async () => {
    const { status, headers, body } = await ask('/admin?x=1');
    expect(status).toBe(404);
    expect(headers['content-type']).toBe('application/problem+json');
    expect(JSON.parse(body)).toMatchObject({ status: 404, reason: 'not_found' });
  });

  test.each(['POST', 'PUT', 'DELETE', 'OPTIONS'])('%s is not allowed and hears what is', async (method) => {
    const { status, headers } = await ask('/healthz', { method });
    expect([status, headers['allow']]).toEqual([405, 'GET, HEAD']);
  });

  test('headers above 16 KiB are refused', async () => {
    const answer = await ask('/healthz', { headers: { 'x-long': 'a'.repeat(20_000) } });
    expect(answer.status).toBe(431);
  });
});

describe.each(['httpsPort', 'port'] as const)('TLS on the %s', (port) => {
  const versionOf = (version: 'TLSv1.2' | 'TLSv1.3'): Promise<string | null> =>
    new Promise((resolve, reject) => {
      const socket = connectTls(
        {
          host: '127.0.0.1',
          port: world.gateway[port],
          servername: 'localhost',
          ca: world.caPem,
          minVersion: version,
          maxVersion: version,
          ALPNProtocols: port === 'port' ? ['h2'] : ['http/1.1'],
        },
        () => {
          resolve(socket.getProtocol());
          socket.destroy();
        },
      );
      socket.on('error', reject);
    });

  test('1.3 is spoken', async () => {
    expect(await versionOf('TLSv1.3')).toBe('TLSv1.3');
  });

  test('1.2 is refused', async () => {
    await expect(versionOf('TLSv1.2')).rejects.toThrow(/alert|version|reset/iu);
  });
});
