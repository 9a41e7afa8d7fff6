/** Cases of x509-limbo `pathlen::*`, `pathological::*`, `invalid::*` and `cve::*`, built anew. Ids are the suite's. */
import { fromHex, writeOid, writeSequence, writeNull, bitString } from '../support/der.ts';
import { makeKey, subjectAltName, general, type Issued } from '../support/pki.ts';
import { intermediate, leaf, root, type Input } from './hierarchy.ts';
import { dns, suite, type Built } from './verdict.ts';

const HOST = [dns('host.example')];

/** root -> one intermediate for each input -> leaf */
const chain = (inputs: readonly Input[], more: Partial<Built> = {}, ofRoot: Input = {}): Built => {
  const anchor = root(ofRoot);
  const intermediates: Issued[] = [];
  for (const [i, input] of inputs.entries())
    intermediates.push(
      intermediate(intermediates.at(-1) ?? anchor, { subject: `intermediate ${i}`, ...input }),
    );
  return {
    anchors: [anchor],
    intermediates,
    leaf: leaf(intermediates.at(-1) ?? anchor),
    names: HOST,
    ...more,
  };
};
const pathLens = (...lengths: number[]): Input[] => lengths.map((pathLen) => ({ pathLen }));

suite('x509-limbo pathlen', [
  ['ee-with-intermediate-pathlen-0', 'valid', () => chain(pathLens(0))],
  ['ee-with-intermediate-pathlen-1', 'valid', () => chain(pathLens(1))],
  ['ee-with-intermediate-pathlen-2', 'valid', () => chain(pathLens(2))],
  [
    'validation-ignores-pathlen-in-leaf',
    'valid',
    () => {
      const built = chain(pathLens(0));
      const [ca] = built.intermediates ?? [];
      if (ca === undefined) throw new Error('an intermediate is wanted');
      return {
        ...built,
        leaf: intermediate(ca, { subject: 'leaf', pathLen: 0, san: [general.dns('host.example')] }),
      };
    },
  ],
  ['intermediate-violates-pathlen-0', 'path_too_long', () => chain(pathLens(0, 0))],
  ['intermediate-pathlen-may-increase', 'valid', () => chain(pathLens(1, 2))],
  ['intermediate-pathlen-too-long', 'path_too_long', () => chain(pathLens(1, 0, 0))],
  [
    'self-issued-certs-pathlen',
    'valid',
    () =>
      chain([
        { subject: 'a', pathLen: 1 },
        { subject: 'a', pathLen: 1 },
        { subject: 'b', pathLen: 0 },
      ]),
  ],
  [
    'a root with pathLenConstraint 0 and an intermediate',
    'path_too_long',
    () => chain([{}], {}, { pathLen: 0 }),
  ],
  ['max-chain-depth-0', 'valid', () => chain([], { maxIntermediates: 0 })],
  ['max-chain-depth-0-exhausted', 'path_too_long', () => chain([{}], { maxIntermediates: 0 })],
  [
    'max-chain-depth-0-self-issued',
    'valid',
    () => chain([{ subject: 'suite root' }], { maxIntermediates: 0 }),
  ],
  ['max-chain-depth-1', 'valid', () => chain([{}], { maxIntermediates: 1 })],
  ['max-chain-depth-1-exhausted', 'path_too_long', () => chain([{}, {}], { maxIntermediates: 1 })],
  [
    'max-chain-depth-1-self-issued',
    'valid',
    () => chain([{ subject: 'a' }, { subject: 'a' }], { maxIntermediates: 1 }),
  ],
]);

const key = (label: string) => makeKey('P-256', `paths ${label}`);
/** A certificate for `subject` by `issuer`, each the name of a key: entities that sign for each other. */
const cross = (subject: string, issuer: string, input: Input = {}): Issued =>
  intermediate(root({ subject: issuer, key: key(issuer) }), { subject, key: key(subject), ...input });
const RSA_WITHOUT_KEY = writeSequence(
  writeSequence(writeOid('1.2.840.113549.1.1.1'), writeNull()),
  bitString(fromHex('')),
);

suite('x509-limbo pathological, invalid', [
  [
    'multiple-chains-expired-intermediate',
    'valid',
    () => {
      const [one, two] = [
        root({ subject: 'one', key: key('one') }),
        root({ subject: 'two', key: key('two') }),
      ];
      const expired = cross('one', 'two', {
        pathLen: 1,
        notBefore: new Date('2000-01-01'),
        notAfter: new Date('2010-01-01'),
      });
      return { anchors: [one, two], intermediates: [expired], leaf: leaf(one), names: HOST };
    },
  ],
  [
    'intermediate-cycle-distinct-cas',
    'no_path',
    () => {
      const [a, b] = [cross('a', 'b'), cross('b', 'a')];
      return { anchors: [root()], intermediates: [a, b], leaf: leaf(a), names: HOST };
    },
  ],
  [
    'intermediate-cycle-distinct-cas-max-depth',
    'no_path',
    () => {
      const [a, b] = [cross('a', 'b'), cross('b', 'a')];
      return { anchors: [root()], intermediates: [a, b], leaf: leaf(a), names: HOST, maxIntermediates: 255 };
    },
  ],
  [
    'intermediate-cycle-same-logical-ca',
    'no_path',
    () => {
      const [one, two] = [root({ subject: 'a', key: key('a1') }), root({ subject: 'a', key: key('a2') })];
      const [a, b] = [
        intermediate(two, { subject: 'a', key: key('a1') }),
        intermediate(one, { subject: 'a', key: key('a2') }),
      ];
      return { anchors: [root()], intermediates: [a, b], leaf: leaf(a), names: HOST };
    },
  ],
  [
    'pathological-chain-same-subject-same-key',
    'no_path',
    () => {
      const intermediates = Array.from({ length: 100 }, () => cross('a', 'a'));
      return { anchors: [root()], intermediates, leaf: leaf(intermediates[0] as Issued), names: HOST };
    },
  ],
  [
    'invalid-issuer-key',
    'key_refused',
    () => {
      const [one, two] = [root({ key: key('r1') }), root({ key: key('r2') })];
      const ca = intermediate(two, { spki: RSA_WITHOUT_KEY });
      return { anchors: [one], intermediates: [ca], leaf: leaf(ca), names: HOST };
    },
  ],
]);

suite('x509-limbo cve', [
  // leaf < A1 < A, where A, B and C certify each other and A is also a root.
  [
    'cve-2024-0567',
    'valid',
    () => {
      const rootA = root({ subject: 'A', key: key('A') });
      const a1 = cross('A1', 'A');
      const others = ['A', 'B', 'C'].flatMap((by) =>
        ['A', 'B', 'C'].filter((of) => of !== by).map((of) => cross(of, by)),
      );
      return {
        anchors: [rootA],
        intermediates: [a1, ...others, cross('B1', 'B'), cross('C1', 'C')],
        leaf: leaf(a1, { subject: [], san: subjectAltName([general.dns('host.example')], true) }),
        names: HOST,
      };
    },
  ],
]);
