import { beforeAll, describe, expect, test } from 'vitest';
import {
  connect,
  createSecureContext,
  type ConnectionOptions,
  type SecureVersion,
  type TLSSocket,
} from 'node:tls';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { policyv1 } from '@sallyport/proto';
import { SallyportError, denied } from '../../src/errors/index.ts';
import {
  grpcClient,
  implement,
  type CallContext,
  type GrpcClient,
  type GrpcServer,
  type Handlers,
  type PrincipalCall,
  type PrincipalCallOutcome,
} from '../../src/grpc/index.ts';
import type { Issued } from '../../src/identity/index.ts';
import { ALLOWED, createAuthority, memoryLog, startServer, type Authority } from './fixture.ts';
import { stockClient } from './stock-client.ts';

type Policy = typeof policyv1.PolicyService;
const { PolicyService } = policyv1;
const CANARY = 'canary-5f1d-secret';

let authority: Authority;
let gateway: Issued;
let alice: Issued;

beforeAll(async () => {
  authority = await createAuthority();
  gateway = await authority.service('gateway');
  alice = await authority.principal('user:alice');
});

const unused = async (): Promise<never> => {
  throw new Error('not part of this test');
};

function policyHandlers(overrides: Partial<Handlers<Policy>>): Handlers<Policy> {
  const none = Object.fromEntries(PolicyService.methods.map((method) => [method.localName, unused]));
  return { ...none, ...overrides } as Handlers<Policy>;
}

interface Rig extends AsyncDisposable {
  readonly server: GrpcServer;
  readonly log: ReturnType<typeof memoryLog>;
  client(identity?: Issued, deadlineMs?: number): GrpcClient<Policy>;
}

async function rig(
  handlers: Partial<Handlers<Policy>>,
  overrides: Omit<Parameters<typeof startServer>[1], 'services'> = {},
  implementOptions: Parameters<typeof implement<Policy>>[2] = {},
): Promise<Rig> {
  const log = memoryLog();
  const server = await startServer(authority, {
    identity: await authority.service('policy-service'),
    log,
    ...overrides,
    services: [implement(PolicyService, policyHandlers(handlers), implementOptions)],
  });
  const clients: GrpcClient<Policy>[] = [];
  return {
    server,
    log,
    client(identity = gateway, deadlineMs = 3_000) {
      const client = grpcClient(PolicyService, {
        address: server.address,
        expectedServer: 'policy-service',
        identity,
        trust: authority.trust,
        deadlineMs,
      });
      clients.push(client);
      return client;
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients) await client.close();
      await server.close(0);
    },
  };
}

async function failure(call: Promise<unknown>): Promise<SallyportError> {
  const error: unknown = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(SallyportError);
  return error as SallyportError;
}

describe('a unary call', () => {
  test('reaches its handler with the caller, and its answer comes back', async () => {
    let seen: CallContext | undefined;
    await using r = await rig({
      getBundle: async ({ currentRevision }, context) => {
        seen = context;
        return { revision: currentRevision + 1n, bundle: Uint8Array.of(1, 2, 3) };
      },
    });
    const reply = await r.client().getBundle({ currentRevision: 41n });
    expect(reply.revision).toBe(42n);
    expect(reply.bundle).toEqual(Uint8Array.of(1, 2, 3));
    expect(seen?.caller).toEqual({
      kind: 'service',
      name: 'gateway',
      spiffeId: 'spiffe://sallyport.test/svc/gateway',
    });
    expect(seen?.method).toBe('sallyport.policy.v1.PolicyService/GetBundle');
    expect(seen?.peerAddress).toBe('127.0.0.1');
    expect(seen?.correlationId).toMatch(/^[0-9a-f]{32}$/);
  });

  test('without a deadline of its own gets the default, and a hanging handler is told', async () => {
    let signal: AbortSignal | undefined;
    await using r = await rig(
      {
        getBundle: async (_request, context) => {
          signal = context.signal;
          return new Promise(() => {});
        },
      },
      { limits: { defaultDeadlineMs: 120 } },
    );
    const raw = stockClient(r.server.address, gateway, authority.trust.caPem);
    const startedAt = performance.now();
    const error = await raw.unary('/sallyport.policy.v1.PolicyService/GetBundle', Buffer.alloc(0));
    raw.close();
    expect(error.code).toBe(4);
    expect(performance.now() - startedAt).toBeLessThan(1_500);
    expect(signal?.aborted).toBe(true);
  });

  test('that asks for too long a deadline is cut to the longest allowed', async () => {
    await using r = await rig(
      { getBundle: async () => new Promise(() => {}) },
      { limits: { defaultDeadlineMs: 50, maxDeadlineMs: 150 } },
    );
    const startedAt = performance.now();
    const error = await failure(r.client().getBundle({}, { deadlineMs: 10_000 }));
    expect(error.reason).toBe('deadline_exceeded');
    expect(error.message).toBe('no answer within 150 ms');
    expect(performance.now() - startedAt).toBeLessThan(1_500);
  });

  test('ends for the client at the deadline it set', async () => {
    await using r = await rig({ getBundle: async () => new Promise(() => {}) });
    const error = await failure(r.client().getBundle({}, { deadlineMs: 80 }));
    expect(error.reason).toBe('deadline_exceeded');
    expect(error.retryable).toBe(false);
  });

  test('given up by the client aborts the handler', async () => {
    const aborted = Promise.withResolvers<void>();
    await using r = await rig({
      getBundle: async (_request, { signal }) => {
        signal.addEventListener('abort', () => aborted.resolve());
        return new Promise(() => {});
      },
    });
    const controller = new AbortController();
    const call = failure(r.client().getBundle({}, { signal: controller.signal }));
    setTimeout(() => controller.abort(), 50);
    expect((await call).reason).toBe('cancelled');
    await aborted.promise;
  });

  test('whose handler throws something unknown says nothing of it, and logs it once', async () => {
    await using r = await rig({
      getBundle: async () => {
        throw new Error(`connection to ${CANARY} failed`);
      },
    });
    const raw = stockClient(r.server.address, gateway, authority.trust.caPem);
    const error = await raw.unary('/sallyport.policy.v1.PolicyService/GetBundle', Buffer.alloc(0));
    raw.close();
    expect(error.code).toBe(13);
    const wire = `${error.details} ${JSON.stringify(error.metadata.toJSON())} ${Buffer.concat(
      error.metadata.get('grpc-status-details-bin').map((value) => Buffer.from(value)),
    ).toString('latin1')}`;
    expect(wire).not.toContain('canary');
    const errors = r.log.lines.filter((line) => line.level === 'error');
    expect(errors).toHaveLength(1);
    const correlationId = String(errors[0]?.fields?.['correlationId']);
    expect(wire).toContain(correlationId);
    expect(errors[0]?.fields?.['error']).toBeInstanceOf(Error);
  });

  test('of nonsense is invalid_argument, and the handler is not run', async () => {
    let runs = 0;
    await using r = await rig({
      getBundle: async () => {
        runs += 1;
        return {};
      },
    });
    const raw = stockClient(r.server.address, gateway, authority.trust.caPem);
    const error = await raw.unary('/sallyport.policy.v1.PolicyService/GetBundle', Buffer.from([0xff, 0xff]));
    raw.close();
    expect(error.code).toBe(3);
    expect(runs).toBe(0);
  });

  test('that fails validation is refused with its field', async () => {
    await using r = await rig(
      { getBundle: async () => ({}) },
      {},
      {
        validate: {
          getBundle: ({ currentRevision }) => {
            if (currentRevision > 5n) {
              throw new SallyportError('invalid_argument', 'no such revision', { field: 'current_revision' });
            }
          },
        },
      },
    );
    const error = await failure(r.client().getBundle({ currentRevision: 6n }));
    expect(error).toMatchObject({ reason: 'invalid_argument', field: 'current_revision' });
    await r.client().getBundle({ currentRevision: 5n });
  });

  test('over the size limit is too_large, in both directions', async () => {
    await using r = await rig(
      { getBundle: async () => ({ bundle: new Uint8Array(70_000) }), reportRevision: async () => ({}) },
      { limits: { maxMessageBytes: 64 * 1024 } },
    );
    const tooLongRequest = failure(r.client().reportRevision({ instance: 'x'.repeat(70_000) }));
    expect((await tooLongRequest).reason).toBe('too_large');
    expect((await failure(r.client().getBundle({}))).reason).toBe('too_large');
    await r.client().reportRevision({ instance: 'x'.repeat(60_000) });
  });

  test('a client refuses an answer over its own limit', async () => {
    await using r = await rig({ getBundle: async () => ({ bundle: new Uint8Array(70_000) }) });
    await using client = grpcClient(PolicyService, {
      address: r.server.address,
      expectedServer: 'policy-service',
      identity: gateway,
      trust: authority.trust,
      deadlineMs: 3_000,
      maxMessageBytes: 64 * 1024,
    });
    expect((await failure(client.getBundle({}))).reason).toBe('too_large');
  });

  test('of a method that does not exist is unimplemented', async () => {
    await using r = await rig({});
    const raw = stockClient(r.server.address, gateway, authority.trust.caPem);
    const error = await raw.unary('/sallyport.policy.v1.PolicyService/Nope', Buffer.alloc(0));
    raw.close();
    expect(error.code).toBe(12);
  });
});

describe("a principal's call", () => {
  test('is decided, recorded before the handler, and its outcome before the answer', async () => {
    const events: string[] = [];
    let recorded: PrincipalCall | undefined;
    await using r = await rig(
      {
        putRole: async (_request, { verdict }) => {
          events.push(`handler at revision ${verdict?.revision}`);
          return { revision: 8n };
        },
      },
      {
        authorizePrincipal: async (caller, action, resource) => {
          events.push(`asked: ${caller.id} ${action} ${resource.kind} ${resource.name}`);
          return ALLOWED;
        },
        onDecision: async (call) => {
          recorded = call;
          events.push('decision recorded');
        },
        onOutcome: async (_call, { outcome }) => void events.push(`outcome recorded: ${outcome}`),
      },
      { resources: { putRole: ({ role }) => ({ kind: 'role', name: role?.name ?? '' }) } },
    );
    const client = r.client(alice);
    await client.putRole({ role: { name: 'ops' } });
    events.push('answered');
    expect(events).toEqual([
      'asked: user:alice policy.write role ops',
      'decision recorded',
      'handler at revision 7',
      'outcome recorded: success',
      'answered',
    ]);
    expect(recorded).toMatchObject({
      action: 'policy.write',
      resource: { kind: 'role', name: 'ops' },
      method: 'sallyport.policy.v1.PolicyService/PutRole',
      peerAddress: '127.0.0.1',
      streaming: false,
      verdict: ALLOWED,
    });
  });

  test('denied is recorded, says what would allow it, and does not reach the handler', async () => {
    let recorded: PrincipalCall | undefined;
    let runs = 0;
    await using r = await rig(
      {
        putRole: async () => {
          runs += 1;
          return {};
        },
      },
      {
        authorizePrincipal: async () => ({
          allowed: false,
          reasons: ['no_permission'],
          requires: ['role admin'],
          revision: 3n,
        }),
        onDecision: async (call) => void (recorded = call),
      },
    );
    const error = await failure(r.client(alice).putRole({ role: { name: 'ops' } }));
    expect(error.reason).toBe('denied');
    expect(error.message).toContain('role admin');
    expect(recorded?.verdict?.allowed).toBe(false);
    expect(runs).toBe(0);
  });

  test.each([
    ['policy cannot be asked', 'authorizePrincipal'],
    ['the decision cannot be recorded', 'onDecision'],
  ] as const)('fails closed when %s', async (_name, port) => {
    let runs = 0;
    const broken = async (): Promise<never> => {
      throw new Error(CANARY);
    };
    await using r = await rig(
      {
        putRole: async () => {
          runs += 1;
          return {};
        },
      },
      { [port]: broken },
    );
    const error = await failure(r.client(alice).putRole({ role: { name: 'ops' } }));
    expect(error.reason).toBe(port === 'onDecision' ? 'internal' : 'policy_unavailable');
    expect(error.message).not.toContain(CANARY);
    expect(runs).toBe(0);
  });

  test('whose handler fails has the reason in its outcome', async () => {
    const outcomes: PrincipalCallOutcome[] = [];
    await using r = await rig(
      {
        putRole: async () => {
          throw denied('two people are needed');
        },
        deleteRole: unused,
      },
      { onOutcome: async (_call, outcome) => void outcomes.push(outcome) },
    );
    const client = r.client(alice);
    await failure(client.putRole({ role: { name: 'ops' } }));
    await failure(client.deleteRole({ name: 'ops' }));
    expect(outcomes).toMatchObject([
      { outcome: 'refused', reason: 'denied' },
      { outcome: 'failure', reason: 'internal' },
    ]);
  });

  test('whose outcome cannot be recorded is not answered', async () => {
    await using r = await rig(
      { putRole: async () => ({ revision: 1n }) },
      {
        onOutcome: async () => {
          throw new SallyportError('spool_full', 'the audit spool is full');
        },
      },
    );
    const error = await failure(r.client(alice).putRole({ role: { name: 'ops' } }));
    expect(error.reason).toBe('spool_full');
  });

  test.each([
    ['empty', ''],
    ['too long', 'x'.repeat(256)],
    ['of two lines', 'a\nb'],
    ['with a direction override', 'a\u202eb'],
  ])('on a resource whose name is %s is refused before policy', async (_case, name) => {
    let asked = 0;
    await using r = await rig(
      { putRole: async () => ({}) },
      {
        authorizePrincipal: async () => {
          asked += 1;
          return ALLOWED;
        },
      },
      { resources: { putRole: ({ role }) => ({ kind: 'role', name: role?.name ?? '' }) } },
    );
    expect((await failure(r.client(alice).putRole({ role: { name } }))).reason).toBe('invalid_argument');
    expect(asked).toBe(0);
  });
});

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

  test('a handshake that never ends is cut', async () => {
    await using r = await rig({}, { limits: { handshakeTimeoutMs: 100 } });
    const { connect: connectTcp } = await import('node:net');
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
    const { createServer } = await import('node:tls');
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
