import { beforeAll, describe, expect, test } from 'vitest';
import { policyv1 } from '@sallyport/proto';
import { SallyportError, denied } from '../../src/errors/index.ts';
import {
  grpcClient,
  type CallContext,
  type PrincipalCall,
  type PrincipalCallOutcome,
} from '../../src/grpc/index.ts';
import type { Issued } from '../../src/identity/index.ts';
import { ALLOWED, createAuthority, type Authority } from './fixture.ts';
import { failure, startRig, unused } from './policy-rig.ts';
import { stockClient } from './stock-client.ts';

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

type RigArguments = Parameters<typeof startRig> extends [unknown, ...infer Rest] ? Rest : never;
const rig = (...rest: RigArguments) => startRig(authority, ...rest);

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
    const tooLongAnswer = await failure(r.client().getBundle({}));
    expect(tooLongAnswer).toMatchObject({
      reason: 'too_large',
      correlationId: expect.any(String) as unknown,
    });
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

  test('whose handler may still do its work when time is up has an unknown outcome', async () => {
    const outcomes: PrincipalCallOutcome[] = [];
    const running = Promise.withResolvers<void>();
    await using r = await rig(
      {
        putRole: async () => {
          running.resolve();
          return new Promise(() => {});
        },
      },
      { onOutcome: async (_call, outcome) => void outcomes.push(outcome), limits: { maxDeadlineMs: 60 } },
    );
    await failure(r.client(alice).putRole({ role: { name: 'ops' } }));
    await running.promise;
    expect(outcomes).toMatchObject([{ outcome: 'unknown', reason: 'deadline_exceeded' }]);
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
