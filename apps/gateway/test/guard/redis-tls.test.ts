/** Whom the gateway tells its Redis password: a server whose certificate is of our authority and of the name that was dialled. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { serverTls, type LocalServer } from '@sallyport/service/local-servers';
import { serverSuite } from '@sallyport/service/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createRedisClient } from '../../src/guard/redis-client.ts';
import type { RedisTarget } from '../../src/guard/redis-target.ts';
import { redisWorld, type RedisWorld } from '../support/redis.ts';

const suite = await serverSuite('redis');

/** What it was told before TLS; passes on to `port`, or answers as a server without TLS would. */
async function startOther(host: string, port?: number) {
  let heard = '';
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    if (port === undefined) {
      socket.on('data', (chunk) => {
        heard += chunk.toString('latin1');
        socket.write('+OK\r\n');
      });
      return;
    }
    const upstream = connect(port, '127.0.0.1');
    upstream.on('error', () => socket.destroy());
    socket.pipe(upstream).pipe(socket);
  });
  await once(server.listen(0, host), 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    heard: () => heard,
    [Symbol.asyncDispose]: async () => void server.close(),
  };
}

describe.skipIf(suite.skip)(suite.title('the TLS of Redis'), () => {
  let world: RedisWorld;
  let server: LocalServer;
  beforeAll(async () => {
    world = await redisWorld();
    server = await world.start();
  }, 60_000);
  afterAll(() => world?.[Symbol.asyncDispose]());

  async function problemOf(target: RedisTarget, host: string, port: number): Promise<string> {
    const client = createRedisClient(target, { host, port }, false);
    client.on('error', () => undefined);
    try {
      await client.connect();
      return (await client.ping()).toString();
    } catch (error) {
      const { code, message } = error as Error & { code?: string };
      return code ?? message;
    } finally {
      client.destroy();
    }
  }

  test('as it should be', async () => {
    expect(await problemOf(world.target(server.port), '127.0.0.1', server.port)).toBe('PONG');
  });

  test('a certificate of the same authority for another host is refused', async () => {
    await using other = await startOther('127.0.0.2', server.port);
    const problem = await problemOf(world.target(other.port), '127.0.0.2', other.port);
    expect(problem).toBe('ERR_TLS_CERT_ALTNAME_INVALID');
  });

  test('another authority is refused', async () => {
    const { caPem } = await serverTls(join(server.folder, 'other-tls'));
    const target = { ...world.target(server.port), caPem };
    expect(await problemOf(target, '127.0.0.1', server.port)).toMatch(/SIGNATURE|SELF_SIGNED|UNABLE|SIGNED/u);
  });

  test('a server without TLS is told nothing', async () => {
    await using other = await startOther('127.0.0.1');
    expect(await problemOf(world.target(other.port), '127.0.0.1', other.port)).not.toBe('PONG');
    expect(other.heard()).not.toContain('AUTH');
    expect(other.heard()).not.toContain('HELLO');
  });
});
