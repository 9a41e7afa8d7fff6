/**
 * The built-in policy runs on the caller's thread and cannot be interrupted, so the worst that a request and a bundle
 * within their limits can cost is bounded here. The bounds are far above what is measured: they catch a policy whose
 * cost grows with more than the size of its input, not a busy machine.
 */

import { expect, test } from 'vitest';
import type { DecisionRequest } from '../src/decision.ts';
import type { RoleTable } from '../src/roles.ts';
import { bind, engineWith, requestOf } from './support.ts';

const MAX_MS = 500;

/** Milliseconds of the quickest of three evaluations; none is cached, each has a destination of its own. */
async function cost(roles: RoleTable, held: string[], facts: Partial<DecisionRequest> = {}): Promise<number> {
  const engine = await engineWith({ roles, bindings: bind('user:alice', ...held) });
  const times = [1, 2, 3].map((round) => {
    const startedAt = performance.now();
    const answer = engine.decide({
      ...requestOf('user:alice', 'message.send', `nowhere-${String(round)}`),
      ...facts,
    });
    expect(answer).toMatchObject({ decision: 'deny', reasons: ['no_role_grants'], cached: false });
    return performance.now() - startedAt;
  });
  expect(engine.counters.failures).toBe(0);
  return Math.min(...times);
}

const names = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `role-${String(index)}`);

test('a table as large as a bundle may carry', async () => {
  const permissions = Array.from({ length: 100 }, (_, index) => ({
    action: `a${String(index)}.*`,
    resource: 'x.*',
  }));
  const roles = Object.fromEntries(names(250).map((name) => [name, { inherits: [], permissions }]));
  expect(JSON.stringify({ roles }).length).toBeGreaterThan(850_000);
  expect(await cost(roles, names(250))).toBeLessThan(MAX_MS);
});

test('every role inherits from as many as it may, in rings', async () => {
  const all = names(1000);
  const inherited = (index: number): string[] =>
    all.map((_, step) => `role-${String((index + step * 31) % 1000)}`);
  const roles = Object.fromEntries(
    all.map((name, index) => [name, { inherits: inherited(index).slice(0, 32), permissions: [] }]),
  );
  expect(await cost(roles, all)).toBeLessThan(MAX_MS);
});

test('one long chain', async () => {
  const all = names(1000);
  const chained = all.map((name, index) => [
    name,
    { inherits: all.slice(index + 1, index + 2), permissions: [] },
  ]);
  expect(await cost(Object.fromEntries(chained) as RoleTable, ['role-0'])).toBeLessThan(MAX_MS);
});

test('facts as large as a request may bring', async () => {
  const facts = { list: Array.from({ length: 5000 }, (_, index) => index) };
  const roles = { guest: { inherits: [], permissions: [{ action: 'session.open', resource: '*' }] } };
  expect(await cost(roles, ['guest'], { environment: facts, session: facts })).toBeLessThan(MAX_MS);
});
