import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decisionKey } from './decision-key.ts';
import type { Question } from './decision-key.ts';
import { freezePrincipal } from './decision.ts';

// Letters of which keys are made, so that parts try to run into each other.
const text = fc.string({ unit: fc.constantFrom('1', '2', ':', ';', '-', '{', '"', 'a'), maxLength: 4 });
const facts = fc.option(fc.dictionary(text, text, { maxKeys: 2, noNullPrototype: true }), { nil: undefined });

const request: fc.Arbitrary<Question> = fc
  .record({
    principal: fc.record(
      {
        id: text,
        tenant: text,
        method: text,
        assurance: fc.nat(12),
        factors: fc.array(text, { maxLength: 2 }),
      },
      { requiredKeys: ['id', 'tenant', 'method'] },
    ),
    action: text,
    kind: text,
    name: text,
    tenant: fc.option(text, { nil: undefined }),
    attributes: facts,
    environment: facts,
    session: facts,
    seen: fc.option(
      fc.oneof(
        fc.constant('any' as const),
        fc.dictionary(text, fc.record({ value: text }), { maxKeys: 2, noNullPrototype: true }),
      ),
      { nil: undefined },
    ),
  })
  .map(({ principal, action, kind, name, tenant, attributes, environment, session, seen }) => ({
    principal,
    action,
    resource: { kind, name, ...(tenant !== undefined && { tenant }), ...(attributes && { attributes }) },
    ...(environment && { environment }),
    ...(session && { session }),
    ...(seen !== undefined && { arguments: seen }),
  }));

/** What the policy sees, spelled independently of the key. */
function meaning({ principal, action, resource, environment, session, arguments: seen }: Question): string {
  const sorted = (value?: object): unknown =>
    value && Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const { id, tenant, method, assurance = 0, factors = [] } = principal;
  return JSON.stringify([
    [id, tenant, method, assurance, factors, action, resource.kind, resource.name],
    [
      resource.tenant ?? null,
      sorted(resource.attributes) ?? null,
      sorted(environment) ?? null,
      sorted(session) ?? null,
      seen === 'any' ? seen : (sorted(seen) ?? null),
    ],
  ]);
}

test('keys are equal exactly when the facts are', () => {
  fc.assert(
    fc.property(request, request, (a, b) => {
      expect(decisionKey(a) === decisionKey(b)).toBe(meaning(a) === meaning(b));
    }),
    { numRuns: 2000 },
  );
});

test('what moves from one fact to the next changes the key', () => {
  const letters = fc.string({ unit: fc.constantFrom('1', ':', ';', 'a'), minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(request, letters, fc.nat(), fc.nat(), (asked, joint, one, other) => {
      const at = one % (joint.length + 1);
      const elsewhere = other % (joint.length + 1);
      fc.pre(at !== elsewhere);
      const cut = (index: number): [string, string] => [joint.slice(0, index), joint.slice(index)];
      const variants = [at, elsewhere].map((index) => {
        const [head, tail] = cut(index);
        const { principal, resource } = asked;
        return [
          { ...asked, action: head, resource: { ...resource, kind: tail } },
          { ...asked, resource: { ...resource, kind: head, name: tail } },
          { ...asked, resource: { ...resource, name: head, tenant: tail } },
          { ...asked, principal: { ...principal, id: head, tenant: tail } },
          { ...asked, principal: { ...principal, tenant: head, method: tail } },
          { ...asked, principal: { ...principal, factors: [head, tail] } },
        ].map(decisionKey);
      });
      variants[0]?.forEach((key, index) => {
        expect(key).not.toBe(variants[1]?.[index]);
      });
    }),
  );
});

test('one flipped fact changes the key', () => {
  fc.assert(
    fc.property(request, text, (asked, other) => {
      const { principal, resource } = asked;
      const changed: Question[] = [
        { ...asked, action: other },
        { ...asked, principal: { ...principal, id: other } },
        { ...asked, principal: { ...principal, tenant: other } },
        { ...asked, principal: { ...principal, method: other } },
        { ...asked, principal: { ...principal, factors: [...(principal.factors ?? []), other] } },
        { ...asked, principal: { ...principal, assurance: (principal.assurance ?? 0) + 1 } },
        { ...asked, resource: { ...resource, kind: other } },
        { ...asked, resource: { ...resource, name: other } },
        { ...asked, resource: { ...resource, tenant: other } },
        { ...asked, environment: { ...asked.environment, flipped: other } },
        { ...asked, session: { ...asked.session, flipped: other } },
      ];
      for (const each of changed) {
        expect(decisionKey(each) === decisionKey(asked)).toBe(meaning(each) === meaning(asked));
      }
    }),
  );
});

test('freezing a principal changes neither its key nor, by what was remembered, another’s', () => {
  fc.assert(
    fc.property(request, (asked) => {
      const frozen = { ...asked, principal: freezePrincipal(asked.principal) };
      expect(decisionKey(frozen)).toBe(decisionKey(asked));
      expect(decisionKey(frozen)).toBe(decisionKey(asked));
    }),
  );
});

test('a principal whose list of factors can still change is not remembered', () => {
  const factors = ['totp'];
  const asked: Question = {
    principal: Object.freeze({ id: 'user:alice', tenant: 'default', method: 'psk', factors }),
    action: 'message.send',
    resource: { kind: 'destination', name: 'echo' },
  };
  const before = decisionKey(asked);
  factors.push('webauthn');
  expect(decisionKey(asked)).not.toBe(before);
});
