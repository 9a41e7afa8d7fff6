/**
 * The two suites of BetterTLS (Netflix), built anew after its definitions: path building over trust graphs whose edges are
 * invalid in six ways, and every combination of names and name constraints of its kind. What is expected follows from the
 * suite's own rules, written down here once more.
 */
import { describe, expect, it, test } from 'vitest';
import {
  basicConstraints,
  extendedKeyUsage,
  general,
  makeKey,
  nameConstraints,
  OID,
  type Issued,
} from '../support/pki.ts';
import { intermediate, leaf, root, type Input } from './hierarchy.ts';
import { dns, verdict } from './verdict.ts';

type Edge = readonly [issuer: string, subject: string];
const edges = (text: string): Edge[] =>
  text.split(' ').map((edge) => {
    const [issuer = '', subject = ''] = edge.split('>');
    return [issuer, subject] as const;
  });

/** RFC 4158 section 2: figure 7 and the bridge of section 2.4. */
const GRAPHS = {
  linear: edges('TA>ICA ICA>EE'),
  'two roots': edges('ICA>EE R1>ICA R2>ICA'),
  'figure seven': edges('B>EE C>B A>B C>A A>C TA>C TA>A'),
  bridge: edges(
    'F>H F>G G>F H>I I>H G>I W>F W>G J>K N>EE L>N L>M X>J X>L B>E B>D A>B C>B A>C C>A Y>A Y>C R>S O>R O>Q P>S Z>O Z>P ' +
      'W>BR BR>W X>BR BR>X Y>BR BR>Y Z>BR BR>Z',
  ),
} as const;

/** What makes an edge invalid. */
const FAULTS: Readonly<Record<string, Input>> = {
  expired: { notBefore: new Date('2025-01-01'), notAfter: new Date('2025-06-01') },
  'name constraints': { more: [nameConstraints({ permitted: [general.dns('bad.example')] })] },
  'extended key usage': { eku: extendedKeyUsage([OID.emailProtection]) },
  'missing basic constraints': { basic: null },
  'not a CA': { basic: basicConstraints(false), usage: null },
  'deprecated crypto': { scheme: 'ecdsa-sha1' },
};

interface Graph {
  readonly edges: readonly Edge[];
  readonly anchor: string;
  readonly invalid?: readonly Edge[];
  readonly fault?: Input;
}

const isIn = (list: readonly Edge[], [issuer, subject]: Edge): boolean =>
  list.some(([i, s]) => i === issuer && s === subject);

function isReachable(
  { edges: all, anchor, invalid = [] }: Graph,
  from = anchor,
  seen: readonly string[] = [],
): boolean {
  if (from === 'EE') return true;
  if (seen.includes(from)) return false;
  return all.some(
    (edge) =>
      edge[0] === from &&
      !isIn(invalid, edge) &&
      isReachable({ edges: all, anchor, invalid }, edge[1], [...seen, from]),
  );
}

function graphVerdict({ edges: all, anchor, invalid = [], fault = {} }: Graph): string {
  const entity = (name: string): Issued =>
    root({ subject: `entity ${name}`, key: makeKey('P-256', `bettertls ${name}`) });
  const certify = (edge: Edge): Issued => {
    const ofEdge = isIn(invalid, edge) ? fault : {};
    if (edge[1] === 'EE') return leaf(entity(edge[0]), { subject: 'EE', ...ofEdge });
    return intermediate(entity(edge[0]), {
      subject: `entity ${edge[1]}`,
      key: makeKey('P-256', `bettertls ${edge[1]}`),
      ...ofEdge,
    });
  };
  const target = all.find(([, subject]) => subject === 'EE') as Edge;
  return verdict({
    anchors: [entity(anchor)],
    intermediates: all.filter((edge) => edge !== target).map(certify),
    leaf: certify(target),
    names: [dns('host.example')],
  });
}

const plain: readonly (readonly [string, Graph])[] = [
  ['linear', { edges: GRAPHS.linear, anchor: 'TA' }],
  ['two roots, the first', { edges: GRAPHS['two roots'], anchor: 'R1' }],
  ['two roots, the second', { edges: GRAPHS['two roots'], anchor: 'R2' }],
  ['figure seven', { edges: GRAPHS['figure seven'], anchor: 'TA' }],
  ...['W', 'X', 'Y', 'Z', 'BR'].map(
    (anchor) => [`bridge from ${anchor}`, { edges: GRAPHS.bridge, anchor }] as const,
  ),
];
const broken: readonly (readonly [string, Omit<Graph, 'fault'>])[] = [
  ['linear, TA>ICA', { edges: GRAPHS.linear, anchor: 'TA', invalid: edges('TA>ICA') }],
  ['two roots, R1>ICA', { edges: GRAPHS['two roots'], anchor: 'R1', invalid: edges('R1>ICA') }],
  [
    'two roots, R2>ICA, from the first',
    { edges: GRAPHS['two roots'], anchor: 'R1', invalid: edges('R2>ICA') },
  ],
  ...[
    'TA>A',
    'TA>C',
    'A>B',
    'C>B',
    'TA>C A>B',
    'TA>A C>B',
    'TA>C C>B',
    'TA>A A>B',
    'TA>C C>A A>B',
    'TA>A C>B A>C',
    'TA>A TA>C',
  ].map(
    (invalid) =>
      [
        `figure seven, ${invalid}`,
        { edges: GRAPHS['figure seven'], anchor: 'TA', invalid: edges(invalid) },
      ] as const,
  ),
  ...['BR>X', 'X>BR', 'Y>BR', 'L>N', 'Y>A BR>W', 'Z>BR'].map(
    (invalid) =>
      [`bridge from Y, ${invalid}`, { edges: GRAPHS.bridge, anchor: 'Y', invalid: edges(invalid) }] as const,
  ),
];

describe('BetterTLS path building', () => {
  test.each(plain)('%s', (_, graph) => {
    expect(graphVerdict(graph)).toBe(isReachable(graph) ? 'valid' : 'no_path');
  });

  const rows = Object.entries(FAULTS).flatMap(([name, fault]) =>
    broken.map(([title, graph]) => [name, title, { ...graph, fault }] as const),
  );
  test.each(rows)('%s: %s', (_, __, graph) => {
    expect(graphVerdict(graph) === 'valid').toBe(isReachable(graph));
  });
});

/** `-` none, `+` the name that the client expects or a subtree that holds it, `x` another. */
const MARKS = ['-', '+', 'x'] as const;
type Mark = (typeof MARKS)[number];

interface Names {
  readonly client: 'dns' | 'ip';
  readonly commonNameForm: 'dns' | 'ip';
  readonly commonName: Mark;
  readonly dnsSan: Mark;
  readonly ipSan: Mark;
  readonly dnsPermitted: Mark;
  readonly ipPermitted: Mark;
  readonly dnsExcluded: Mark;
  readonly ipExcluded: Mark;
}

const COMMON_NAME = {
  dns: { '+': 'test.localhost', x: 'bad.example.com' },
  ip: { '+': '127.0.0.1', x: '1.1.1.1' },
} as const;
const DNS_SAN = { '+': general.dns('test.localhost'), x: general.dns('bad.example.com') } as const;
const IP_SAN = { '+': general.ip(127, 0, 0, 1), x: general.ip(1, 1, 1, 1) } as const;
const DNS_TREE = { '+': general.dns('localhost'), x: general.dns('example.com') } as const;
const IP_TREE = {
  '+': general.ip(127, 0, 0, 0, 255, 255, 255, 0),
  x: general.ip(1, 1, 1, 0, 255, 255, 255, 0),
} as const;
const pick = <T>(choices: Readonly<Record<'+' | 'x', T>>, mark: Mark): T[] =>
  mark === '-' ? [] : [choices[mark]];

/** Whether constraints of a form refuse a name of it. */
const violates = (name: Mark, permitted: Mark, excluded: Mark): boolean =>
  name !== '-' && ((permitted !== '-' && permitted !== name) || excluded === name);

/** The common name decides nothing: the suite expects at most a warning for it. */
function isAccepted(names: Names): boolean {
  const expected = names.client === 'dns' ? names.dnsSan : names.ipSan;
  return (
    expected === '+' &&
    !violates(names.dnsSan, names.dnsPermitted, names.dnsExcluded) &&
    !violates(names.ipSan, names.ipPermitted, names.ipExcluded)
  );
}

const anchor = root({ subject: 'bettertls root', key: makeKey('P-256', 'bettertls root') });
const constrained = new Map<string, Issued>();

function constrainedCa({ dnsPermitted, ipPermitted, dnsExcluded, ipExcluded }: Names): Issued {
  const label = dnsPermitted + ipPermitted + dnsExcluded + ipExcluded;
  const known = constrained.get(label);
  if (known !== undefined) return known;
  const permitted = [...pick(DNS_TREE, dnsPermitted), ...pick(IP_TREE, ipPermitted)];
  const excluded = [...pick(DNS_TREE, dnsExcluded), ...pick(IP_TREE, ipExcluded)];
  const lists = {
    ...(permitted.length > 0 ? { permitted } : {}),
    ...(excluded.length > 0 ? { excluded } : {}),
  };
  const more = label === '----' ? [] : [nameConstraints(lists)];
  const ca = intermediate(anchor, {
    subject: `bettertls ${label}`,
    key: makeKey('P-256', 'bettertls ca'),
    more,
  });
  constrained.set(label, ca);
  return ca;
}

function namesVerdict(names: Names): string {
  const ca = constrainedCa(names);
  const san = [...pick(DNS_SAN, names.dnsSan), ...pick(IP_SAN, names.ipSan)];
  const common = pick(COMMON_NAME[names.commonNameForm], names.commonName);
  return verdict({
    anchors: [anchor],
    intermediates: [ca],
    leaf: leaf(ca, {
      subject: [['O', 'Example'], ...common.map((value) => ['CN', value] as const)],
      key: makeKey('P-256', 'bettertls leaf'),
      san: san.length > 0 ? san : null,
    }),
    // The suite gives an address where a host name is expected, as a client has it from a URL.
    names: [dns(names.client === 'dns' ? 'test.localhost' : '127.0.0.1')],
  });
}

describe('BetterTLS name constraints', () => {
  const each = <T>(...values: T[]): T[] => values;
  for (const client of each('dns', 'ip')) {
    for (const dnsSan of MARKS) {
      for (const ipSan of MARKS) {
        // 81 combinations of constraints for each, with the common names taking turns.
        it(`client ${client}, dNSName ${dnsSan}, iPAddress ${ipSan}`, () => {
          let turn = 0;
          for (const dnsPermitted of MARKS)
            for (const ipPermitted of MARKS)
              for (const dnsExcluded of MARKS)
                for (const ipExcluded of MARKS) {
                  turn += 1;
                  const commonName = MARKS[turn % 3] ?? '-';
                  const commonNameForm = turn % 2 === 0 ? 'dns' : 'ip';
                  const names: Names = {
                    client: client === 'dns' ? 'dns' : 'ip',
                    commonNameForm,
                    commonName,
                    dnsSan,
                    ipSan,
                    dnsPermitted,
                    ipPermitted,
                    dnsExcluded,
                    ipExcluded,
                  };
                  expect([names, namesVerdict(names) === 'valid']).toEqual([names, isAccepted(names)]);
                }
        });
      }
    }
  }
});
