import { readFileSync } from 'node:fs';
import { builtInRoles } from '@sallyport/policies';
import { describe, expect, test } from 'vitest';
import { parsePolicyOutput } from '../src/decision.ts';
import type { PolicyOutput } from '../src/decision.ts';
import { parseRoleTable } from '../src/roles.ts';
import type { RoleTable } from '../src/roles.ts';
import { DEFAULT_MEMORY_LIMITS, WasmPolicy } from '../src/wasm-policy.ts';
import { referenceDecision } from './reference-evaluator.ts';
import type { ReferenceInput } from './reference-evaluator.ts';
import { policyWasm } from './support.ts';

type Case = ReferenceInput & { readonly name: string; readonly allow: boolean; readonly reason?: string };

const table = JSON.parse(readFileSync(new URL('decision-cases.json', import.meta.url), 'utf8')) as {
  roles: RoleTable;
  cases: Case[];
};

async function wasmEvaluator(roles: RoleTable): Promise<(input: ReferenceInput) => PolicyOutput> {
  const policy = await WasmPolicy.compile(policyWasm, roles, DEFAULT_MEMORY_LIMITS);
  const instance = policy.instantiate();
  return ({ held, action, resource, resourceTenant }) => {
    const value = instance.evaluate(
      JSON.stringify({
        principal: { id: 'user:alice', kind: 'user', tenant: 'default', roles: held, method: 'psk' },
        action,
        resource: { kind: 'destination', name: resource, tenant: resourceTenant },
        environment: {},
      }),
    );
    const output = parsePolicyOutput(value);
    if (output === undefined) throw new Error(`no decision: ${JSON.stringify(value)}`);
    return output;
  };
}

const evaluate = await wasmEvaluator(table.roles);

test('the table has roles and cases', () => {
  expect(parseRoleTable(table.roles)).toEqual(table.roles);
  expect(table.cases.length).toBeGreaterThan(25);
});

describe.each(table.cases)('$name', (given) => {
  const reason = given.reason ?? 'role_grants';

  test('by the module', () => {
    expect(evaluate(given)).toMatchObject({ allow: given.allow, reasons: [reason], obligations: [] });
  });

  test('by the reference', () => {
    expect(referenceDecision(table.roles, given)).toMatchObject({ allow: given.allow, reasons: [reason] });
  });

  test('both agree on everything', () => {
    expect(evaluate(given)).toMatchObject(referenceDecision(table.roles, given));
  });
});

// Role by role what is shipped may do; `-` is a denial. A new role or action without a row here fails below.
const ACTIONS = [
  'session.open',
  'message.send',
  'audit.read',
  'policy.check',
  'policy.read',
  'policy.write',
  'keys.read',
  'keys.rotate',
  'sessions.read',
  'sessions.revoke',
  'psk.read',
  'psk.write',
  'tools.read',
  'tools.write',
  'tokens.read',
  'passwords.write',
  'context.tools.call',
  'context.resources.read',
];
const SHIPPED: Record<string, readonly string[]> = {
  guest: ['session.open'],
  sender: ['session.open', 'message.send'],
  auditor: ['audit.read'],
  'context-user': ['context.tools.call', 'context.resources.read'],
  observer: [
    'policy.check',
    'policy.read',
    'keys.read',
    'sessions.read',
    'psk.read',
    'tools.read',
    'tokens.read',
  ],
  operator: [
    'policy.check',
    'policy.read',
    'keys.read',
    'keys.rotate',
    'sessions.read',
    'sessions.revoke',
    'psk.read',
    'tools.read',
    'tokens.read',
  ],
  admin: [
    'policy.check',
    'policy.read',
    'policy.write',
    'keys.read',
    'keys.rotate',
    'sessions.read',
    'sessions.revoke',
    'psk.read',
    'psk.write',
    'tools.read',
    'tools.write',
    'tokens.read',
    'passwords.write',
  ],
};

describe('the shipped roles', () => {
  test('each has a row', () => {
    expect(Object.keys(builtInRoles).toSorted()).toEqual(Object.keys(SHIPPED).toSorted());
  });

  test.each(Object.entries(SHIPPED))('%s may do exactly this', async (role, allowed) => {
    const shipped = await wasmEvaluator(builtInRoles);
    const found = ACTIONS.filter((action) => shipped({ held: [role], action, resource: 'echo' }).allow);
    expect(found).toEqual(ACTIONS.filter((action) => allowed.includes(action)));
  });
});
