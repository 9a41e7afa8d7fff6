import { describe, expect, it } from 'vitest';
import { pathOutcome, pathTable, pathVerdict, type PathOptions } from '../../test/support/path.ts';
import {
  OID,
  basicConstraints,
  certificatePolicies,
  extension,
  general,
  inhibitAnyPolicy,
  issue,
  keyUsage,
  makeKey,
  nameConstraints,
  policyConstraints,
  policyMappings,
  type IssueInput,
  type Issued,
} from '../../test/support/pki.ts';

const GOLD = '1.2.3.1';
const SILVER = '1.2.3.2';
const ANY = OID.anyPolicy;

const root = issue({ subject: 'root', ca: true });
const plain = issue({ subject: 'ca', issuer: root, ca: true });
/** root, then an issuer for each row of extensions, then a leaf with the last. */
function chainOf(...levels: readonly (readonly Uint8Array[])[]): Issued[] {
  const chain = [root];
  levels.forEach((extensions, index) => {
    const issuer = chain.at(-1) ?? root;
    const isLeaf = index === levels.length - 1;
    chain.push(issue({ subject: isLeaf ? 'leaf' : `ca ${index}`, issuer, ca: !isLeaf, extensions }));
  });
  return chain;
}
const policies = (...oids: string[]): Uint8Array => certificatePolicies(oids);
const explicit: PathOptions = { policies: { requireExplicit: true } };

describe('RFC 5280 section 6.1.4 (a): anyPolicy is not mapped', () => {
  pathTable([
    [
      'two policies',
      chainOf([policies(GOLD), policyMappings([[GOLD, SILVER]])], [policies(SILVER)]),
      'valid',
    ],
    [
      'from anyPolicy',
      chainOf([policies(GOLD), policyMappings([[ANY, SILVER]])], [policies(SILVER)]),
      'policy | 6.1.4 (a) | 1',
    ],
    [
      'to anyPolicy',
      chainOf([policies(GOLD), policyMappings([[GOLD, ANY]])], [policies(SILVER)]),
      'policy | 6.1.4 (a) | 1',
    ],
  ]);
});

describe('RFC 5280 section 6.1.4 (b): mappings', () => {
  const mapped = [policies(GOLD), policyMappings([[GOLD, SILVER]])];
  pathTable([
    ['what it is mapped to counts', chainOf(mapped, [policies(SILVER)]), 'valid', explicit],
    [
      'what it was mapped from does not',
      chainOf(mapped, [policies(GOLD)]),
      'policy | 6.1.3 (f) | 0',
      explicit,
    ],
    [
      'the name in the domain of the anchor is what the caller asks for',
      chainOf(mapped, [policies(SILVER)]),
      'valid',
      { policies: { requireExplicit: true, initial: [GOLD] } },
    ],
    [
      'the other name is not',
      chainOf(mapped, [policies(SILVER)]),
      'policy | 6.1.5 (g) | 0',
      { policies: { requireExplicit: true, initial: [SILVER] } },
    ],
    [
      'mapped by an issuer that has any',
      chainOf([policies(ANY), policyMappings([[GOLD, SILVER]])], [policies(SILVER)]),
      'valid',
      { policies: { requireExplicit: true, initial: [GOLD] } },
    ],
    [
      'inhibited by the caller',
      chainOf(mapped, [policies(SILVER)]),
      'policy | 6.1.3 (f) | 0',
      { policies: { requireExplicit: true, inhibitMapping: true } },
    ],
    [
      'inhibited, what is mapped goes and the rest remains',
      chainOf([policies(GOLD, SILVER), policyMappings([[GOLD, SILVER]])], [policies(SILVER)]),
      'valid',
      { policies: { requireExplicit: true, inhibitMapping: true, initial: [SILVER] } },
    ],
  ]);
});

describe('RFC 5280 section 6.1.4 (c) to (f): name and key for the next', () => {
  it('each certificate is verified with the key of the one above', () => {
    const chain = chainOf([], [], []);
    const outcome = pathOutcome(chain);
    if (!outcome.ok) throw new Error(outcome.failure.detail);
    const ids = outcome.path.issuerKeys.map((key) =>
      key.keyObject()?.export({ type: 'spki', format: 'der' }),
    );
    const expected = [chain[2], chain[1], chain[0]].map((issuer) => Buffer.from(issuer?.key.spki ?? []));
    expect(ids).toEqual(expected);
  });
  pathTable([['an issuer whose key no policy takes', [root, ...weakIssuer()], 'key_refused | 4.1.2.7 | 1']]);
  function weakIssuer(): Issued[] {
    const ca = issue({ subject: 'weak', issuer: root, ca: true, key: 'RSA-1024' });
    return [ca, issue({ issuer: ca })];
  }
});

describe('RFC 5280 section 6.1.4 (g): name constraints add up', () => {
  const permits = (base: string): Uint8Array => nameConstraints({ permitted: [general.dns(base)] });
  const leafOf = (chain: Issued[], name: string): Issued[] => {
    const issuer = chain.at(-1) ?? root;
    return [...chain, issue({ issuer, names: [general.dns(name)] })];
  };
  const outer = issue({ subject: 'outer', issuer: root, ca: true, extensions: [permits('example')] });
  const inner = issue({ subject: 'inner', issuer: outer, ca: true, extensions: [permits('a.example')] });
  const wider = issue({ subject: 'wider', issuer: outer, ca: true, extensions: [permits('test')] });
  pathTable([
    ['within both', leafOf([root, outer, inner], 'x.a.example'), 'valid'],
    ['within the outer alone', leafOf([root, outer, inner], 'x.example'), 'name_constraints | 6.1.3 (b) | 0'],
    ['a wider one adds nothing', leafOf([root, outer, wider], 'x.test'), 'name_constraints | 6.1.3 (b) | 0'],
  ]);
});

describe('RFC 5280 section 6.1.4 (h), (i), (j): policy counters', () => {
  const none: Uint8Array[] = [];
  const gold = [policies(GOLD)];
  const require = (count: number): Uint8Array => policyConstraints({ requireExplicitPolicy: count });
  const noMapping = (count: number): Uint8Array => policyConstraints({ inhibitPolicyMapping: count });
  pathTable([
    ['(i)(1) required from here', chainOf([...gold, require(0)], none), 'policy | 6.1.3 (f) | 0'],
    ['(i)(1) required and there', chainOf([...gold, require(0)], gold), 'valid'],
    ['(h)(1) not required so soon', chainOf([...gold, require(2)], none), 'valid'],
    ['(h)(1) required two below', chainOf([...gold, require(1)], gold, none), 'policy | 6.1.3 (f) | 0'],
    [
      '(h)(1) required one below, which has none',
      chainOf([...gold, require(1)], none, none),
      'policy | 6.1.3 (f) | 0',
    ],
    [
      '(i)(1) the lesser of two counts',
      chainOf([...gold, require(0)], [...gold, require(9)], none),
      'policy | 6.1.3 (f) | 0',
    ],
    [
      '(i)(2) mapping is inhibited below',
      chainOf(
        [...gold, noMapping(0)],
        [policies(GOLD), policyMappings([[GOLD, SILVER]])],
        [policies(SILVER)],
      ),
      'policy | 6.1.3 (f) | 0',
      explicit,
    ],
    [
      '(h)(2) mapping is inhibited later',
      chainOf(
        [...gold, noMapping(1)],
        [policies(GOLD), policyMappings([[GOLD, SILVER]])],
        [policies(SILVER)],
      ),
      'valid',
      explicit,
    ],
    [
      '(h)(2) and is then',
      chainOf(
        [...gold, noMapping(1)],
        gold,
        [policies(GOLD), policyMappings([[GOLD, SILVER]])],
        [policies(SILVER)],
      ),
      'policy | 6.1.3 (f) | 0',
      explicit,
    ],
    [
      '(j) anyPolicy does not count below',
      chainOf([...gold, inhibitAnyPolicy(0)], [policies(ANY)]),
      'policy | 6.1.3 (f) | 0',
      explicit,
    ],
    [
      '(h)(3) anyPolicy counts once more',
      chainOf([...gold, inhibitAnyPolicy(1)], [policies(ANY)]),
      'valid',
      explicit,
    ],
    ['(j) absent', chainOf(gold, [policies(ANY)]), 'valid', explicit],
  ]);

  it('(h) a self-issued certificate is not counted', () => {
    const ca = issue({ subject: 'ca', issuer: root, ca: true, extensions: [...gold, require(2)] });
    const next = issue({
      subject: 'ca',
      issuer: ca,
      ca: true,
      key: makeKey('P-256', 'next'),
      extensions: gold,
    });
    expect(pathVerdict([root, ca, next, issue({ issuer: next })])).toBe('valid');
    const other = issue({ subject: 'cb', issuer: ca, ca: true, extensions: gold });
    expect(pathVerdict([root, ca, other, issue({ issuer: other })])).toBe('policy | 6.1.5 (g) | 0');
  });

  it('(d)(2) anyPolicy in a self-issued certificate counts though it is inhibited, in a leaf it does not', () => {
    const ca = issue({ subject: 'ca', issuer: root, ca: true, extensions: [...gold, inhibitAnyPolicy(0)] });
    const extensions = [policies(ANY)];
    const next = issue({ subject: 'ca', issuer: ca, ca: true, key: makeKey('P-256', 'next'), extensions });
    expect(pathVerdict([root, ca, next, issue({ issuer: next, extensions: gold })], explicit)).toBe('valid');
    const leaf = issue({ subject: 'ca', issuer: ca, key: makeKey('P-256', 'next'), extensions });
    expect(pathVerdict([root, ca, leaf], explicit)).toBe('policy | 6.1.3 (f) | 0');
  });
});

/** An issuer of this making, and a leaf below it. */
function below(input: IssueInput): Issued[] {
  const ca = issue({ subject: 'ca', issuer: root, ca: true, ...input });
  return [root, ca, issue({ issuer: ca })];
}

describe('RFC 5280 section 6.1.4 (k): an issuer is a CA', () => {
  pathTable([
    ['cA TRUE', below({}), 'valid'],
    ['cA TRUE, not critical', below({ onlyExtensions: [basicConstraints(true, undefined, false)] }), 'valid'],
    ['cA FALSE', below({ onlyExtensions: [basicConstraints(false)] }), 'not_a_ca | 6.1.4 (k) | 1'],
    [
      'without basicConstraints',
      below({ onlyExtensions: [keyUsage('keyCertSign')] }),
      'not_a_ca | 6.1.4 (k) | 1',
    ],
    ['version 1', below({ onlyExtensions: [] }), 'not_a_ca | 6.1.4 (k) | 1'],
    ['version 2', below({ onlyExtensions: [], version: 2 }), 'not_a_ca | 6.1.4 (k) | 1'],
  ]);
});

describe('RFC 5280 section 6.1.4 (l) and (m): path length', () => {
  const limited = (pathLen: number, depth: number, isSelfIssued = false): Issued[] => {
    const chain = [root, issue({ subject: 'ca', issuer: root, ca: true, pathLen })];
    for (let index = 0; index < depth; index += 1) {
      const subject = isSelfIssued ? 'ca' : `ca ${index}`;
      const key = makeKey('P-256', `key ${index}`);
      chain.push(issue({ subject, issuer: chain.at(-1) ?? root, ca: true, key }));
    }
    return [...chain, issue({ subject: 'leaf', issuer: chain.at(-1) ?? root })];
  };
  const narrowing = issue({ subject: 'narrow', issuer: limited(1, 1)[1] ?? root, ca: true, pathLen: 0 });
  const widening = issue({ subject: 'wide', issuer: limited(0, 0)[1] ?? root, ca: true, pathLen: 9 });
  pathTable([
    ['0, and a leaf', limited(0, 0), 'valid'],
    ['0, and an issuer', limited(0, 1), 'path_too_long | 6.1.4 (l) | 1'],
    ['1, and an issuer', limited(1, 1), 'valid'],
    ['1, and two', limited(1, 2), 'path_too_long | 6.1.4 (l) | 1'],
    ['0, and two self-issued', limited(0, 2, true), 'valid'],
    [
      'a lesser one below counts',
      chain3(limited(1, 1)[1] ?? root, narrowing),
      'path_too_long | 6.1.4 (l) | 1',
    ],
    [
      'a greater one below does not',
      chain3(limited(0, 0)[1] ?? root, widening),
      'path_too_long | 6.1.4 (l) | 2',
    ],
    ['0, and a leaf that is a CA', [...limited(0, 0).slice(0, 2), caLeaf(limited(0, 0)[1] ?? root)], 'valid'],
    ['the caller allows one', limited(9, 0), 'valid', { maxIntermediates: 1 }],
    [
      'the caller allows one, and there are two',
      limited(9, 1),
      'path_too_long | 6.1.4 (l) | 1',
      { maxIntermediates: 1 },
    ],
    [
      'what the caller allows is no number',
      limited(9, 0),
      'path_too_long | 6.1.4 (l) | 1',
      { maxIntermediates: NaN },
    ],
    ['the caller allows none', [root, issue({ issuer: root })], 'valid', { maxIntermediates: 0 }],
    [
      'the caller allows none, and there is one',
      limited(9, 0),
      'path_too_long | 6.1.4 (l) | 1',
      { maxIntermediates: 0 },
    ],
  ]);
  function chain3(first: Issued, second: Issued): Issued[] {
    const third = issue({ subject: 'third', issuer: second, ca: true });
    return [root, first, second, third, issue({ subject: 'leaf', issuer: third })];
  }
  function caLeaf(issuer: Issued): Issued {
    return issue({ subject: 'ca leaf', issuer, ca: true });
  }
});

describe('RFC 5280 section 6.1.4 (n): key usage', () => {
  pathTable([
    ['keyCertSign', below({ usages: ['keyCertSign'] }), 'valid'],
    ['absent', below({ usages: [] }), 'valid'],
    ['cRLSign alone', below({ usages: ['cRLSign'] }), 'key_usage | 6.1.4 (n) | 1'],
    ['digitalSignature alone', below({ usages: ['digitalSignature'] }), 'key_usage | 6.1.4 (n) | 1'],
  ]);
});

describe('RFC 5280 section 6.1.4 (o): critical extensions of an issuer', () => {
  const unknown = (critical: boolean): Uint8Array => extension('1.2.3.4', Uint8Array.of(5, 0), critical);
  pathTable([
    ['unknown, not critical', below({ extensions: [unknown(false)] }), 'valid'],
    [
      'unknown, critical',
      below({ extensions: [unknown(true)] }),
      'unknown_critical_extension | 6.1.4 (o) | 1',
    ],
    ['known, critical', [root, plain, issue({ issuer: plain })], 'valid'],
  ]);
});
