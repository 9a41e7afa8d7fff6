import { recordsOf, type AuditEvent } from '@sallyport/audit-log';
import { policyv1 } from '@sallyport/proto';
import { beforeAll, expect, test } from 'vitest';
import { recordPrincipalCalls } from '../../src/audit/index.ts';
import { SallyportError } from '../../src/errors/index.ts';
import {
  grpcClient,
  implement,
  type AuthorizePrincipal,
  type GrpcClient,
  type Handlers,
} from '../../src/grpc/index.ts';
import type { Issued } from '../../src/identity/index.ts';
import { ALLOWED, clock, createAuthority, startServer, type Authority } from '../grpc/fixture.ts';

type Policy = typeof policyv1.PolicyService;
const SERVICE = 'spiffe://sallyport.test/svc/policy-service';

let authority: Authority;
let alice: Issued;
beforeAll(async () => {
  authority = await createAuthority();
  alice = await authority.principal('user:alice');
});

async function rig(
  options: {
    readonly authorize?: AuthorizePrincipal;
    readonly record?: (event: AuditEvent) => Promise<void>;
  },
  use: (client: GrpcClient<Policy>, events: AuditEvent[]) => Promise<void>,
): Promise<void> {
  const events: AuditEvent[] = [];
  const handlers = Object.fromEntries(
    policyv1.PolicyService.methods.map((method) => [
      method.localName,
      async () => {
        if (method.localName === 'deleteRole') throw new SallyportError('not_found', 'no such role');
        return {};
      },
    ]),
  ) as unknown as Handlers<Policy>;
  const record = options.record ?? (async (event: AuditEvent) => void events.push(event));
  await using server = await startServer(authority, {
    services: [
      implement(policyv1.PolicyService, handlers, {
        resources: { deleteRole: ({ name }) => ({ kind: 'role', name }) },
      }),
    ],
    ...(options.authorize === undefined ? {} : { authorizePrincipal: options.authorize }),
    ...recordPrincipalCalls({ trail: { record }, serviceId: SERVICE, clock }),
  });
  await using client = grpcClient(policyv1.PolicyService, {
    address: server.address,
    expectedServer: 'key-service',
    identity: alice,
    trust: authority.trust,
    deadlineMs: 3_000,
  });
  await use(client, events);
}

const rows = (events: readonly AuditEvent[]) =>
  events
    .flatMap(recordsOf)
    .map(({ principal, action, destination, decision, policyRevision, outcome, reason }) => ({
      principal,
      action,
      destination,
      decision,
      policyRevision,
      outcome,
      reason,
    }));
const common = { principal: 'user:alice', decision: 'allow', policyRevision: '7' };

test('a reading call is one event, with its outcome', async () => {
  await rig({}, async (client, events) => {
    await client.listRoles({});
    expect(rows(events)).toEqual([
      { ...common, action: 'policy.read', destination: '', outcome: 'success', reason: 'ok' },
    ]);
  });
});

test('a changing call is an event before it happens and one after', async () => {
  await rig({}, async (client, events) => {
    await client.deleteRole({ name: 'ops' }).catch(() => {});
    expect(rows(events)).toEqual([
      { ...common, action: 'policy.write', destination: 'role:ops', outcome: 'unknown', reason: 'allowed' },
      { ...common, action: 'policy.write', destination: 'role:ops', outcome: 'refused', reason: 'not_found' },
    ]);
    expect(new Set(events.map((event) => event.id)).size).toBe(2);
  });
});

test('a denied call is one event', async () => {
  const authorize = async () => ({ ...ALLOWED, allowed: false });
  await rig({ authorize }, async (client, events) => {
    await expect(client.putRole({})).rejects.toMatchObject({ reason: 'denied' });
    expect(rows(events)).toEqual([
      {
        ...common,
        action: 'policy.write',
        destination: '',
        decision: 'deny',
        outcome: 'refused',
        reason: 'denied',
      },
    ]);
  });
});

test('a call that policy could not decide is one event, without a decision', async () => {
  const authorize = async (): Promise<never> => {
    throw new SallyportError('policy_unavailable', 'nothing to decide by');
  };
  await rig({ authorize }, async (client, events) => {
    await expect(client.putRole({})).rejects.toMatchObject({ reason: 'policy_unavailable' });
    expect(rows(events)).toMatchObject([{ decision: '', outcome: 'refused', reason: 'policy_unavailable' }]);
  });
});

test('a call that cannot be recorded is refused', async () => {
  const record = async (): Promise<never> => {
    throw new SallyportError('spool_full', 'the audit spool is full');
  };
  await rig({ record }, async (client) => {
    await expect(client.putRole({})).rejects.toMatchObject({ reason: 'spool_full' });
    await expect(client.listRoles({})).rejects.toMatchObject({ reason: 'spool_full' });
  });
});

test('only a service records', () => {
  expect(() =>
    recordPrincipalCalls({
      trail: { record: async () => {} },
      serviceId: 'spiffe://sallyport.test/user/x',
      clock,
    }),
  ).toThrow(TypeError);
});
