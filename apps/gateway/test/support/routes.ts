/** A message for a route, and what a route is given. */
import { freezePrincipal } from '@sallyport/policy-engine';
import type { RouteRequest } from '../../src/app/ports.ts';
import type { RoutePorts } from '../../src/routes/attempts.ts';

export const messageTo = (overrides: Partial<RouteRequest> = {}): RouteRequest => ({
  destination: 'orders',
  sender: {
    principal: freezePrincipal({ id: 'user:alice', tenant: 'default', method: 'certificate' }),
    peerAddress: '127.0.0.1',
    notAfterMs: Number.MAX_SAFE_INTEGER,
  },
  idempotencyKey: 'aa-bb',
  principal: 'user:alice',
  tenant: 'default',
  evidence: { sessionId: 'aa', correlation: 'bb', sequence: 7, digest: 'cc', policyRevision: '3' },
  contentType: 'application/json',
  body: new TextEncoder().encode('{"n":1}'),
  traceparent: undefined,
  signal: new AbortController().signal,
  ...overrides,
});

export type TestPorts = RoutePorts & { readonly problems: string[]; readonly counted: string[] };

export function testPorts(overrides: Partial<RoutePorts> = {}): TestPorts {
  const problems: string[] = [];
  const counted: string[] = [];
  return {
    problems,
    counted,
    monotonic: () => performance.now(),
    random: () => 0.5,
    meter: { repeated: () => void counted.push('repeated'), refused: () => void counted.push('refused') },
    onProblem: (problem) => void problems.push(problem),
    ...overrides,
  };
}
