import { beforeAll, describe, expect, test } from 'vitest';
import {
  connect,
  createSecureContext,
  createServer,
  type ConnectionOptions,
  type SecureVersion,
  type TLSSocket,
} from 'node:tls';
import { once } from 'node:events';
import { createSecureServer } from 'node:http2';
import { connect as connectTcp, type AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { policyv1 } from '@sallyport/proto';
import { grpcClient } from '../../src/grpc/index.ts';
import type { Issued } from '../../src/identity/index.ts';
import { createAuthority, type Authority } from './fixture.ts';
import { failure, startRig } from './policy-rig.ts';

const { PolicyService } = policyv1;

let authority: Authority;
let gateway: Issued;

beforeAll(async () => {
  authority = await createAuthority();
  gateway = await authority.service('gateway');
});

type RigArguments = Parameters<typeof startRig> extends [unknown, ...infer Rest] ? Rest : never;
const rig = (...rest: RigArguments) => startRig(authority, ...rest);

describe('the transport', () => {
  function attempt(address: string, options: ConnectionOptions): Promise<TLSSocket> {
    const [host, port] = address.split(':');
    const socket = connect({ host: host ?? '', port: Number(port), rejectUnauthorized: false, ...options });
    return once(socket, 'secureConnect').then(() => socket);
  }
  const withIdentity = (
    identity: Issued,
    version: { minVersion?: SecureVersion; maxVersion?: SecureVersion } = {},
  ) => ({
    secureContext: createSecureContext({
      cert: identity.certPem,
      key: identity.keyPem,
      ca: authority.trust.caPem,
      ...version,
    }),
    ALPNProtocols: ['h2'],
  });

  test('refuses a client that speaks at most TLS 1.2', async () => {
    await using r = await rig({});
    await expect(
      attempt(r.server.address, withIdentity(gateway, { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' })),
    ).rejects.toThrow(/protocol version/);
  });

  test('takes TLS 1.3, with the hybrid group', async () => {
    await using r = await rig({});
    const context = withIdentity(gateway);
    const socket = await attempt(r.server.address, { ...context, ecdhCurve: 'X25519MLKEM768' });
    expect(socket.getProtocol()).toBe('TLSv1.3');
    socket.destroy();
  });

  test('cuts a client that offers no HTTP/2', async () => {
    await using r = await rig({});
    const { secureContext } = withIdentity(gateway);
    const socket = await attempt(r.server.address, { secureContext });
    socket.on('error', () => {});
    if (!socket.closed) await once(socket, 'close');
  });

  test('does not resume sessions', async () => {
    await using r = await rig({});
    const first = await attempt(r.server.address, withIdentity(gateway));
    let session: Buffer | undefined;
    first.on('session', (value: Buffer) => (session = value));
    first.resume();
    await delay(100);
    first.destroy();
    const second = await attempt(r.server.address, {
      ...withIdentity(gateway),
      ...(session === undefined ? {} : { session }),
    });
    expect(second.isSessionReused()).toBe(false);
    second.destroy();
  });

  test('stays up and answers when 1,000 connections are tried against its bound', async () => {
    await using r = await rig({ getBundle: async () => ({}) }, { limits: { maxConnections: 20 } });
    const client = r.client();
    await client.getBundle({});
    const context = withIdentity(gateway);
    let accepted = 0;
    let refused = 0;
    const sockets: TLSSocket[] = [];
    for (let batch = 0; batch < 20; batch += 1) {
      await Promise.all(
        Array.from({ length: 50 }, () =>
          attempt(r.server.address, context).then(
            (socket) => {
              socket.on('error', () => {});
              sockets.push(socket);
              accepted += 1;
            },
            () => (refused += 1),
          ),
        ),
      );
    }
    expect(accepted + refused).toBe(1_000);
    expect(accepted).toBeLessThanOrEqual(19);
    expect(accepted).toBeGreaterThan(0);
    await client.getBundle({});
    for (const socket of sockets) socket.destroy();
  }, 60_000);

  test.each([
    ['noise', Buffer.alloc(4_096, 0xee)],
    ['HTTP/1.1', Buffer.from('GET / HTTP/1.1\r\nhost: x\r\n\r\n')],
    [
      'a preface and noise',
      Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), Buffer.alloc(4_096, 0xee)]),
    ],
  ])('%s instead of HTTP/2 ends that connection only', async (_case, bytes) => {
    await using r = await rig({ getBundle: async () => ({}) });
    const client = r.client();
    await client.getBundle({});
    const socket = await attempt(r.server.address, withIdentity(gateway));
    socket.on('error', () => {});
    socket.resume();
    socket.write(bytes);
    if (!socket.closed) await once(socket, 'close');
    await client.getBundle({});
  });

  test('a handshake that never ends is cut', async () => {
    await using r = await rig({}, { limits: { handshakeTimeoutMs: 100 } });
    const socket = connectTcp({ host: '127.0.0.1', port: r.server.port });
    socket.on('error', () => {});
    await once(socket, 'close');
  });
});

describe('the server a client meets', () => {
  test('is refused when it is another service', async () => {
    await using r = await rig({ getBundle: async () => ({}) });
    await using client = grpcClient(PolicyService, {
      address: r.server.address,
      expectedServer: 'audit-service',
      identity: gateway,
      trust: authority.trust,
      deadlineMs: 1_000,
    });
    const error = await failure(client.getBundle({}));
    expect(error.reason).toBe('unavailable');
    expect(error.message).toContain('svc/policy-service');
    expect((await failure(client.waitForReady(300))).message).toContain('svc/policy-service');
  });

  test('is refused when another authority vouches for it', async () => {
    await using r = await rig({ getBundle: async () => ({}) });
    const other = await createAuthority();
    await using client = grpcClient(PolicyService, {
      address: r.server.address,
      expectedServer: 'policy-service',
      identity: gateway,
      trust: other.trust,
      deadlineMs: 1_000,
    });
    expect((await failure(client.getBundle({}))).reason).toBe('unavailable');
  });

  test('is refused when it speaks TLS 1.2 only', async () => {
    const identity = await authority.service('policy-service');
    const server = createServer({
      cert: identity.certPem,
      key: identity.keyPem,
      maxVersion: 'TLSv1.2',
      ALPNProtocols: ['h2'],
    });
    server.on('tlsClientError', () => {});
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    await using client = grpcClient(PolicyService, {
      address: `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`,
      expectedServer: 'policy-service',
      identity: gateway,
      trust: authority.trust,
      deadlineMs: 500,
    });
    expect((await failure(client.getBundle({}))).reason).toBe('unavailable');
    server.close();
  });

  test.each(['X25519MLKEM768', 'X25519', 'P-256'])('may insist on the group %s', async (ecdhCurve) => {
    const identity = await authority.service('policy-service');
    const server = createSecureServer({
      cert: identity.certPem,
      key: identity.keyPem,
      ca: authority.trust.caPem,
      requestCert: true,
      minVersion: 'TLSv1.3',
      ecdhCurve,
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    await using client = grpcClient(PolicyService, {
      address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
      expectedServer: 'policy-service',
      identity: gateway,
      trust: authority.trust,
      deadlineMs: 500,
    });
    await client.waitForReady(3_000);
    server.close();
  });

  test('is not met in a group that nobody offers', async () => {
    const identity = await authority.service('policy-service');
    const server = createSecureServer({ cert: identity.certPem, key: identity.keyPem, ecdhCurve: 'P-521' });
    server.on('tlsClientError', () => {});
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    await using client = grpcClient(PolicyService, {
      address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
      expectedServer: 'policy-service',
      identity: gateway,
      trust: authority.trust,
      deadlineMs: 500,
    });
    expect((await failure(client.waitForReady(300))).reason).toBe('unavailable');
    server.close();
  });

  test('absent is unavailable and worth a retry', async () => {
    await using client = grpcClient(PolicyService, {
      address: '127.0.0.1:1',
      expectedServer: 'policy-service',
      identity: gateway,
      trust: authority.trust,
      deadlineMs: 1_000,
    });
    const error = await failure(client.getBundle({}));
    expect(error).toMatchObject({ reason: 'unavailable', retryable: true });
  });

  test('waitForReady resolves once it is there', async () => {
    await using r = await rig({});
    await r.client().waitForReady(3_000);
  });
});

describe('closing', () => {
  test('lets a call under way end and takes no new one', async () => {
    const release = Promise.withResolvers<void>();
    const entered = Promise.withResolvers<void>();
    await using r = await rig({
      getBundle: async () => {
        entered.resolve();
        await release.promise;
        return { revision: 9n };
      },
    });
    const client = r.client();
    const call = client.getBundle({});
    await entered.promise;
    const closed = r.server.close(3_000);
    await delay(20);
    const late = failure(r.client().getBundle({}));
    release.resolve();
    expect((await call).revision).toBe(9n);
    expect((await late).reason).toBe('unavailable');
    await closed;
  });

  test('cuts what does not end in time', async () => {
    const entered = Promise.withResolvers<void>();
    await using r = await rig({
      getBundle: async () => {
        entered.resolve();
        return new Promise(() => {});
      },
    });
    const call = failure(r.client().getBundle({}, { deadlineMs: 10_000 }));
    await entered.promise;
    const startedAt = performance.now();
    await r.server.close(50);
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    expect((await call).reason).toBe('unavailable');
  });

  test('frees the port', async () => {
    const first = await rig({});
    const { port } = first.server;
    await first.server.close(0);
    await using second = await rig({}, { port });
    await second.client().waitForReady(3_000);
  });
});
