/** The graph of RFC 9618 against the tree of RFC 5280, which it is to be equivalent to. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { PolicyTree, type TreeLevel } from '../../test/support/policy-tree.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import { startWork } from '../work.ts';
import {
  ANY_POLICY,
  addCertificate,
  authorityConstrained,
  deleteMapped,
  initialGraph,
  mapPolicies,
  userConstrained,
  type PolicyGraph,
} from './policy-graph.ts';

const policy: fc.Arbitrary<string> = fc.constantFrom('1.1', '1.2', '1.3', '1.4');
const level: fc.Arbitrary<TreeLevel> = fc.record({
  policies: fc.uniqueArray(fc.oneof({ weight: 2, arbitrary: policy }, fc.constant(ANY_POLICY)), {
    minLength: 1,
    maxLength: 4,
  }),
  mappings: fc.oneof(
    fc.constant([]),
    fc.uniqueArray(fc.tuple(policy, policy), { maxLength: 5, selector: (pair) => pair.join(' ') }),
  ),
  acceptsAny: fc.oneof({ weight: 3, arbitrary: fc.constant(true) }, fc.constant(false)),
  isMappingInhibited: fc.oneof({ weight: 3, arbitrary: fc.constant(false) }, fc.constant(true)),
});
const initialSet = fc.oneof(
  fc.constant([ANY_POLICY]),
  fc.uniqueArray(policy, { minLength: 1, maxLength: 3 }),
);

it('the graph says what the tree says, after each certificate and at the end', () => {
  let alive = 0;
  fc.assert(
    fc.property(fc.array(level, { minLength: 1, maxLength: 5 }), initialSet, (levels, initial) => {
      const tree = new PolicyTree();
      let graph: PolicyGraph | undefined = initialGraph(startWork(DEFAULT_LIMITS));
      for (const [index, one] of levels.entries()) {
        const isLast = index === levels.length - 1;
        const mappings = isLast ? [] : one.mappings; // 6.1.4 is not for the last certificate
        tree.add({ ...one, mappings });
        graph = grow(graph, { ...one, mappings });
        expect(graph === undefined).toBe(tree.isNull);
      }
      const authority = authorityConstrained(graph);
      const ofTree = tree.authorityConstrained();
      if (authority === 'any') expect(ofTree).toContain(ANY_POLICY);
      else expect([...authority].toSorted()).toEqual(ofTree.toSorted());
      const user = userConstrained(authority, initial.includes(ANY_POLICY) ? 'any' : initial);
      const isLeft = tree.intersects(initial);
      expect(user === 'any' || user.length > 0).toBe(isLeft);
      if (isLeft) alive += 1;
    }),
    { numRuns: 3_000, seed: 9_618 },
  );
  expect(alive).toBeGreaterThan(300); // not only paths that end early
});

function grow(graph: PolicyGraph | undefined, one: TreeLevel): PolicyGraph | undefined {
  const information = one.policies.map((oid) => ({ oid, qualifiers: undefined }));
  const grown = graph && addCertificate(graph, information, one.acceptsAny);
  if (grown === undefined || one.mappings.length === 0) return grown;
  const mappings = one.mappings.map(([issuerDomain, subjectDomain]) => ({ issuerDomain, subjectDomain }));
  return one.isMappingInhibited ? deleteMapped(grown, mappings) : mapPolicies(grown, mappings);
}
