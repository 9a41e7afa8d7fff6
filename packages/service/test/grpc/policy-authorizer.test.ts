import { create } from '@bufbuild/protobuf';
import { policyv1 } from '@sallyport/proto';
import { expect, test } from 'vitest';
import { SallyportError } from '../../src/errors/index.ts';
import { grpcClient, implement, policyAuthorizer, type Handlers } from '../../src/grpc/index.ts';
import type { PrincipalCaller } from '../../src/identity/index.ts';
import { createAuthority, startServer } from './fixture.ts';

const caller: PrincipalCaller = {
  kind: 'principal',
  id: 'user:alice',
  principalKind: 'user',
  spiffeId: 'spiffe://sallyport.test/user/alice',
};
const resource = { kind: 'role', name: 'ops' };
const signal = new AbortController().signal;
const { DecideResponseSchema, PolicyService } = policyv1;

test('asks for the principal, the action and the resource, and hands on the answer', async () => {
  let asked: unknown;
  const authorize = policyAuthorizer({
    decide: async (request) => {
      asked = request;
      return create(DecideResponseSchema, {
        decision: { allowed: false, reasons: ['no_permission'], requires: ['role admin'], revision: 12n },
      });
    },
  });
  expect(await authorize(caller, 'policy.write', resource, { signal })).toEqual({
    allowed: false,
    reasons: ['no_permission'],
    requires: ['role admin'],
    revision: 12n,
  });
  expect(asked).toEqual({
    subject: { principal: 'user:alice', tenant: 'default', method: 'mtls' },
    action: 'policy.write',
    resourceKind: 'role',
    resourceName: 'ops',
  });
});

test.each<[string, () => Promise<policyv1.DecideResponse>]>([
  ['is unreachable', () => Promise.reject(new SallyportError('unavailable', 'gone'))],
  ['refuses us', () => Promise.reject(new SallyportError('caller_not_allowed', 'no'))],
  ['breaks', () => Promise.reject(new TypeError('bug'))],
  ['answers without a decision', async () => create(DecideResponseSchema)],
])('says policy_unavailable when policy-service %s', async (_case, decide) => {
  const authorize = policyAuthorizer({ decide });
  await expect(authorize(caller, 'policy.write', resource, { signal })).rejects.toMatchObject({
    reason: 'policy_unavailable',
  });
});

test('does not wait for a policy-service that hangs', async () => {
  const authority = await createAuthority();
  const handlers = Object.fromEntries(
    PolicyService.methods.map((method) => [method.localName, () => new Promise(() => {})]),
  ) as unknown as Handlers<typeof PolicyService>;
  await using server = await startServer(authority, { services: [implement(PolicyService, handlers)] });
  await using policy = grpcClient(PolicyService, {
    address: server.address,
    expectedServer: 'key-service',
    identity: await authority.service('auth-service'),
    trust: authority.trust,
    deadlineMs: 60_000,
  });
  const startedAt = performance.now();
  const authorize = policyAuthorizer(policy, { timeoutMs: 100 });
  await expect(authorize(caller, 'policy.write', resource, { signal })).rejects.toMatchObject({
    reason: 'policy_unavailable',
  });
  expect(performance.now() - startedAt).toBeLessThan(2_000);
});
