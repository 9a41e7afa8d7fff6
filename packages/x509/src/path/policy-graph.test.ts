import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../limits.ts';
import { WorkLimitExceeded, startWork } from '../work.ts';
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

type Mapping = readonly [string, string];
/** One certificate: its policies, the mappings below it, and whether its anyPolicy counts and its mappings are inhibited. */
interface Level {
  readonly policies: readonly string[];
  readonly mappings?: readonly Mapping[];
  readonly inhibitAny?: boolean;
  readonly inhibitMapping?: boolean;
}

const information = (policies: readonly string[]) => policies.map((oid) => ({ oid, qualifiers: undefined }));
const mappingsOf = (mappings: readonly Mapping[]) =>
  mappings.map(([issuerDomain, subjectDomain]) => ({ issuerDomain, subjectDomain }));

function grow(levels: readonly Level[], policyNodes = DEFAULT_LIMITS.policyNodes): PolicyGraph | undefined {
  let graph: PolicyGraph | undefined = initialGraph(startWork({ ...DEFAULT_LIMITS, policyNodes }));
  for (const { policies, mappings, inhibitAny, inhibitMapping } of levels) {
    graph = graph && addCertificate(graph, information(policies), inhibitAny !== true);
    if (mappings !== undefined && graph !== undefined)
      graph =
        inhibitMapping === true
          ? deleteMapped(graph, mappingsOf(mappings))
          : mapPolicies(graph, mappingsOf(mappings));
  }
  return graph;
}

describe('the policy graph, RFC 9618', () => {
  it.each<[string, readonly Level[], 'any' | readonly string[]]>([
    ['no certificate', [], 'any'],
    ['one policy', [{ policies: ['1.1'] }], ['1.1']],
    ['a policy in both', [{ policies: ['1.1', '1.2'] }, { policies: ['1.2', '1.3'] }], ['1.2']],
    ['no policy in both', [{ policies: ['1.1'] }, { policies: ['1.2'] }], []],
    ['any, then one', [{ policies: [ANY_POLICY] }, { policies: ['1.1'] }], ['1.1']],
    ['one, then any', [{ policies: ['1.1'] }, { policies: [ANY_POLICY] }], ['1.1']],
    [
      'one, then any that does not count',
      [{ policies: ['1.1'] }, { policies: [ANY_POLICY], inhibitAny: true }],
      [],
    ],
    ['any and one, then any', [{ policies: [ANY_POLICY, '1.1'] }, { policies: [ANY_POLICY] }], 'any'],
    ['mapped', [{ policies: ['1.1'], mappings: [['1.1', '1.2']] }, { policies: ['1.2'] }], ['1.1']],
    [
      'mapped to two',
      [
        {
          policies: ['1.1'],
          mappings: [
            ['1.1', '1.2'],
            ['1.1', '1.3'],
          ],
        },
        { policies: ['1.3'] },
      ],
      ['1.1'],
    ],
    [
      'two mapped to one',
      [
        {
          policies: ['1.1', '1.2'],
          mappings: [
            ['1.1', '1.3'],
            ['1.2', '1.3'],
          ],
        },
        { policies: ['1.3'] },
      ],
      ['1.1', '1.2'],
    ],
    [
      'mapped twice',
      [
        { policies: ['1.1'], mappings: [['1.1', '1.2']] },
        { policies: ['1.2'], mappings: [['1.2', '1.3']] },
        { policies: ['1.3'] },
      ],
      ['1.1'],
    ],
    [
      'mapped, then any',
      [{ policies: ['1.1'], mappings: [['1.1', '1.2']] }, { policies: [ANY_POLICY] }],
      ['1.1'],
    ],
    [
      'mapped what is not there',
      [{ policies: ['1.1'], mappings: [['1.9', '1.2']] }, { policies: ['1.2'] }],
      [],
    ],
    [
      'mapped where any is there',
      [{ policies: [ANY_POLICY], mappings: [['1.1', '1.2']] }, { policies: ['1.2'] }],
      ['1.1'],
    ],
    [
      'mapped where any is there, twice over',
      [
        { policies: [ANY_POLICY], mappings: [['1.1', '1.2']] },
        { policies: [ANY_POLICY], mappings: [['1.2', '1.3']] },
        { policies: ['1.3'] },
      ],
      ['1.1'],
    ],
    [
      'inhibited mapping',
      [
        { policies: ['1.1', '1.4'], mappings: [['1.1', '1.2']], inhibitMapping: true },
        { policies: ['1.1', '1.2', '1.4'] },
      ],
      ['1.4'],
    ],
    [
      'inhibited mapping of all',
      [{ policies: ['1.1'], mappings: [['1.1', '1.2']], inhibitMapping: true }],
      [],
    ],
    [
      'a dead end goes back to the root',
      [{ policies: ['1.1', '1.2'] }, { policies: ['1.1', '1.2'] }, { policies: ['1.2'] }],
      ['1.2'],
    ],
  ])('%s', (_title, levels, expected) => {
    const found = authorityConstrained(grow(levels));
    expect(found === 'any' ? found : found.toSorted()).toEqual(expected);
  });

  it.each<[string, 'any' | string[], 'any' | string[], 'any' | string[]]>([
    ['any of any', 'any', 'any', 'any'],
    ['any of some', ['1.1'], 'any', ['1.1']],
    ['some of any', 'any', ['1.1'], ['1.1']],
    ['some of some', ['1.1', '1.2'], ['1.2', '1.3'], ['1.2']],
    ['none of some', ['1.1'], [], []],
  ])('user constrained: %s', (_title, authority, initial, expected) => {
    expect(userConstrained(authority, initial)).toEqual(expected);
  });
});

describe('bounds (CVE-2023-0464)', () => {
  const many = Array.from({ length: 200 }, (_, index) => `1.5.${index}`);

  /** Each level maps both policies to both: the tree of RFC 5280 doubles its leaves at each, 2^40 of them here. */
  it('forty levels that double a tree are eighty nodes of a graph, in milliseconds', () => {
    const mappings: Mapping[] = [
      ['1.1', '1.1'],
      ['1.1', '1.2'],
      ['1.2', '1.1'],
      ['1.2', '1.2'],
    ];
    const levels = Array.from({ length: 40 }, () => ({ policies: ['1.1', '1.2'], mappings }));
    const started = performance.now();
    const graph = grow(levels);
    expect(performance.now() - started).toBeLessThan(50);
    expect(graph?.depths.reduce((sum, nodes) => sum + nodes.size, 0)).toBe(81);
    expect(authorityConstrained(graph)).toEqual(['1.1', '1.2']);
  });

  it('edges are counted: two levels of every policy mapped to every other are too many, in milliseconds', () => {
    const mappings = many.flatMap((from) => many.map((to): Mapping => [from, to]));
    const levels = Array.from({ length: 2 }, () => ({ policies: many, mappings }));
    const started = performance.now();
    expect(() => grow(levels)).toThrow(WorkLimitExceeded);
    expect(performance.now() - started).toBeLessThan(250);
  });

  it('nodes are counted over all levels', () => {
    const levels = Array.from({ length: 3 }, () => ({ policies: many }));
    expect(() => grow(levels, 599)).toThrow(WorkLimitExceeded);
    expect(grow(levels, 600)).toBeDefined();
  });
});
