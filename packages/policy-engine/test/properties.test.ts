import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parsePolicyOutput } from '../src/decision.ts';
import type { PolicyOutput } from '../src/decision.ts';
import type { RoleTable } from '../src/roles.ts';
import { DEFAULT_MEMORY_LIMITS, WasmPolicy } from '../src/wasm-policy.ts';
import { referenceDecision } from './reference-evaluator.ts';
import { policyWasm } from './support.ts';

// Few names, so that roles meet, inherit in rings and name roles that do not exist.
const roleName = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'constructor');
const held = fc.array(fc.oneof(roleName, fc.constant('unknown')), { maxLength: 4 });
const name = fc.constantFrom('x', 'x.y', 'x.y.z', 'xy', 'z');
const pattern = fc.oneof(name, fc.constantFrom('*', 'x.*', 'x.y.*', 'z.*'));
const role = fc.record({
  inherits: fc.array(fc.oneof(roleName, fc.constant('unknown')), { maxLength: 3 }),
  permissions: fc.array(fc.record({ action: pattern, resource: pattern }), { maxLength: 3 }),
});
const table: fc.Arbitrary<RoleTable> = fc.dictionary(roleName, role, { noNullPrototype: true });
const question = fc.record({ action: name, resource: name });

type Ask = (held: readonly string[], question: { action: string; resource: string }) => PolicyOutput;

async function asking(roles: RoleTable): Promise<Ask> {
  const instance = (await WasmPolicy.compile(policyWasm, roles, DEFAULT_MEMORY_LIMITS)).instantiate();
  return (holds, { action, resource }) => {
    const principal = { id: 'user:alice', tenant: 'default', roles: holds };
    const value = instance.evaluate(
      JSON.stringify({ principal, action, resource: { kind: 'destination', name: resource } }),
    );
    const output = parsePolicyOutput(value);
    if (output === undefined) throw new Error(`no decision: ${JSON.stringify(value)}`);
    return output;
  };
}

const runs = { numRuns: 150 };

test('module and reference agree on every table and question', async () => {
  await fc.assert(
    fc.asyncProperty(
      table,
      fc.array(fc.tuple(held, question), { minLength: 1, maxLength: 20 }),
      async (roles, asked) => {
        const ask = await asking(roles);
        for (const [holds, each] of asked) {
          expect(ask(holds, each)).toMatchObject(referenceDecision(roles, { held: holds, ...each }));
        }
      },
    ),
    runs,
  );
});

test('taking a role away never allows', async () => {
  await fc.assert(
    fc.asyncProperty(table, held, fc.nat(), question, async (roles, holds, index, asked) => {
      const ask = await asking(roles);
      const fewer = holds.toSpliced(index % Math.max(1, holds.length), 1);
      if (ask(fewer, asked).allow) expect(ask(holds, asked).allow).toBe(true);
    }),
    runs,
  );
});

test('taking a permission or an inheritance away never allows', async () => {
  await fc.assert(
    fc.asyncProperty(table, roleName, held, question, async (roles, poorer, holds, asked) => {
      fc.pre(Object.hasOwn(roles, poorer));
      const { inherits = [], permissions = [] } = roles[poorer] ?? {};
      const less = { inherits: inherits.slice(1), permissions: permissions.slice(1) };
      const [before, after] = [await asking(roles), await asking({ ...roles, [poorer]: less })];
      if (after(holds, asked).allow) expect(before(holds, asked).allow).toBe(true);
    }),
    runs,
  );
});

test('an unknown role changes nothing', async () => {
  await fc.assert(
    fc.asyncProperty(
      table,
      held,
      question,
      fc.string({ minLength: 6 }),
      async (roles, holds, asked, unknown) => {
        fc.pre(!Object.hasOwn(roles, unknown));
        const ask = await asking(roles);
        expect(ask([...holds, unknown], asked)).toEqual(ask(holds, asked));
        expect(ask([unknown], asked).allow).toBe(false);
      },
    ),
    runs,
  );
});

test('no order matters: of roles held, of inheritance, of permissions, of the table', async () => {
  await fc.assert(
    fc.asyncProperty(table, held, question, async (roles, holds, asked) => {
      const backwards = Object.fromEntries(
        Object.entries(roles)
          .toReversed()
          .map(([key, { inherits, permissions }]) => [
            key,
            { inherits: inherits.toReversed(), permissions: permissions.toReversed() },
          ]),
      );
      const [forth, back] = [await asking(roles), await asking(backwards)];
      expect(back(holds.toReversed(), asked)).toEqual(forth(holds, asked));
    }),
    runs,
  );
});

test('what a denial requires would allow', async () => {
  await fc.assert(
    fc.asyncProperty(table, held, question, async (roles, holds, asked) => {
      const ask = await asking(roles);
      for (const requirement of ask(holds, asked).requires) {
        expect(ask([...holds, requirement.slice('role:'.length)], asked).allow).toBe(true);
      }
    }),
    runs,
  );
});
