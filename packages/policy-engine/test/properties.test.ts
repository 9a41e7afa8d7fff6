import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { SeenArguments } from '../src/arguments.ts';
import { parsePolicyOutput } from '../src/decision.ts';
import type { PolicyOutput } from '../src/decision.ts';
import type { Condition, RoleTable } from '../src/roles.ts';
import { DEFAULT_MEMORY_LIMITS, WasmPolicy } from '../src/wasm-policy.ts';
import { referenceDecision } from './reference-evaluator.ts';
import { policyWasm } from './support.ts';

// Few names, so that roles meet, inherit in rings and name roles that do not exist.
const roleName = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'constructor');
const held = fc.array(fc.oneof(roleName, fc.constant('unknown')), { maxLength: 4 });
const name = fc.constantFrom('x', 'x.y', 'x.y.z', 'xy', 'z');
const pattern = fc.oneof(name, fc.constantFrom('*', 'x.*', 'x.y.*', 'z.*'));
const scalar = fc.constantFrom<string | number | boolean | null>(
  'a',
  'ab',
  '',
  '1',
  0,
  1,
  2.5,
  true,
  false,
  null,
);
const path = fc.constantFrom(
  '/a',
  '/a/b',
  '/a/../b',
  '/ab',
  '/a//./b',
  '//a/b',
  'a/b',
  '/a\\b',
  '/a/..',
  '/a/..b',
);
const pointer = fc.constantFrom('/p', '/q');
const condition: fc.Arbitrary<Condition> = fc
  .tuple(
    pointer,
    fc.oneof(
      fc.record({ equals: scalar }),
      fc.record({ one_of: fc.array(scalar, { minLength: 1, maxLength: 3 }) }),
      fc.record({ at_most: fc.constantFrom(0, 1, 2.5) }),
      fc.record({ at_least: fc.constantFrom(0, 1, 2.5) }),
      fc.record({ starts_with: fc.constantFrom('a', 'ab', '/a') }),
      fc.record({ within: fc.constantFrom('/a', '/a/b') }),
      fc.constant({ absent: true }),
    ),
  )
  .map(([argument, operator]) => ({ argument, ...operator }));
const seen = fc.option(
  fc.oneof(
    fc.constant('any' as const),
    fc.dictionary(
      pointer,
      fc.oneof(
        fc.constant({}),
        fc.oneof(scalar, path).map((value) => ({ value })),
      ),
      { noNullPrototype: true },
    ),
  ),
  { nil: undefined },
);
const role = fc.record({
  inherits: fc.array(fc.oneof(roleName, fc.constant('unknown')), { maxLength: 3 }),
  permissions: fc.array(
    fc.record(
      { action: pattern, resource: pattern, when: fc.array(condition, { minLength: 1, maxLength: 2 }) },
      { requiredKeys: ['action', 'resource'] },
    ),
    { maxLength: 3 },
  ),
});
const table: fc.Arbitrary<RoleTable> = fc.dictionary(roleName, role, { noNullPrototype: true });
const question = fc.record({ action: name, resource: name, arguments: seen });
type Asked = {
  readonly action: string;
  readonly resource: string;
  readonly arguments: SeenArguments | 'any' | undefined;
};

type Ask = (held: readonly string[], question: Asked) => PolicyOutput;

async function asking(roles: RoleTable): Promise<Ask> {
  const instance = (await WasmPolicy.compile(policyWasm, roles, DEFAULT_MEMORY_LIMITS)).instantiate();
  return (holds, { action, resource, arguments: given }) => {
    const principal = { id: 'user:alice', tenant: 'default', roles: holds };
    const value = instance.evaluate(
      JSON.stringify({
        principal,
        action,
        resource: { kind: 'destination', name: resource },
        arguments: given,
      }),
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

test('a condition more never allows', async () => {
  await fc.assert(
    fc.asyncProperty(
      table,
      roleName,
      held,
      question,
      condition,
      async (roles, stricter, holds, asked, more) => {
        fc.pre(Object.hasOwn(roles, stricter));
        const { inherits = [], permissions = [] } = roles[stricter] ?? {};
        const harder = permissions.map((each) => ({ ...each, when: [...(each.when ?? []), more] }));
        const [before, after] = [
          await asking(roles),
          await asking({ ...roles, [stricter]: { inherits, permissions: harder } }),
        ];
        if (after(holds, asked).allow) expect(before(holds, asked).allow).toBe(true);
      },
    ),
    runs,
  );
});

test('what some arguments are allowed, any may be', async () => {
  await fc.assert(
    fc.asyncProperty(table, held, question, async (roles, holds, asked) => {
      const ask = await asking(roles);
      if (ask(holds, asked).allow) expect(ask(holds, { ...asked, arguments: 'any' }).allow).toBe(true);
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
        if (requirement.startsWith('argument:')) continue;
        expect(ask([...holds, requirement.slice('role:'.length)], asked).allow).toBe(true);
      }
    }),
    runs,
  );
});
