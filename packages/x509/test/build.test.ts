/** Path building (RFC 4158): which path is found, and that one is found wherever one is. */
import { describe, expect, test } from 'vitest';
import { anchorFrom, anchorFromKey } from '../src/build/anchors.ts';
import { createValidator } from '../src/validate.ts';
import {
  AT,
  authorityKeyIdentifier,
  basicConstraints,
  extendedKeyUsage,
  general,
  issue,
  keyUsage,
  makeKey,
  nameConstraints,
  subjectKeyIdentifier,
  type Issued,
} from './support/pki.ts';
import { outcome, run } from './support/validating.ts';

const PAST = new Date('2025-06-01T00:00:00Z');
const root = issue({ subject: 'root', ca: true });
const ca = issue({ subject: 'ca', issuer: root, ca: true });
const leaf = issue({ subject: 'leaf', issuer: ca, names: [general.dns('leaf.example')] });

/** The same name and key, signed by another. */
function cross(of: Issued, issuer: Issued, more: Parameters<typeof issue>[0] = {}): Issued {
  return issue({ subject: of.subject, key: of.key, ca: true, issuer, ...more });
}

describe('a chain', () => {
  test('of a leaf and an anchor', () => {
    const direct = issue({ subject: 'direct', issuer: root });
    expect(outcome(run({ anchors: [root], leaf: direct }), { direct })).toBe('direct');
  });
  test('with an intermediate of the input', () => {
    expect(outcome(run({ anchors: [root], intermediates: [ca], leaf }), { leaf, ca })).toBe('leaf < ca');
  });
  test('with an intermediate of the validator', () => {
    const result = run({ anchors: [root], leaf, options: { intermediates: [ca.certificate] } });
    expect(outcome(result, { leaf, ca })).toBe('leaf < ca');
  });
  test('with the same intermediate in both, and twice', () => {
    const again = { ...ca, certificate: { ...ca.certificate } };
    const result = run({
      anchors: [root, root],
      intermediates: [ca, again],
      leaf,
      options: { intermediates: [ca.certificate] },
    });
    expect(outcome(result, { leaf, ca })).toBe('leaf < ca');
  });
  test('to an anchor that is a name and a key', () => {
    const { subject, subjectPublicKeyInfo } = root.certificate;
    const anchor = anchorFromKey(subject, subjectPublicKeyInfo);
    const result = run({ anchors: [anchor], intermediates: [ca], leaf });
    expect(result.valid && result.anchor).toBe(anchor);
  });
  test('whose intermediate is missing ends there', () => {
    const result = run({ anchors: [root], leaf });
    expect(result).toMatchObject({ valid: false, failure: { reason: 'no_path', certificate: 0 } });
  });
  test('to nobody who is trusted', () => {
    expect(outcome(run({ anchors: [], intermediates: [ca, root], leaf }), {})).toBe('no_path');
  });
  test('to an anchor of the right name and another key', () => {
    const impostor = issue({ subject: 'root', ca: true, key: makeKey('P-256', 'impostor') });
    expect(outcome(run({ anchors: [impostor], intermediates: [ca], leaf }), {})).toBe('signature_invalid');
  });
  test('of another kind of key at each place', () => {
    const rsa = issue({ subject: 'rsa', ca: true, key: 'RSA-2048' });
    const ed = issue({ subject: 'ed', ca: true, key: 'Ed25519', issuer: rsa });
    const mlDsa = issue({ subject: 'ml-dsa', ca: true, key: 'ML-DSA-44', issuer: ed });
    const last = issue({ subject: 'last', key: 'P-384', issuer: mlDsa });
    const result = run({ anchors: [rsa], intermediates: [mlDsa, ed], leaf: last });
    expect(outcome(result, { last, mlDsa, ed })).toBe('last < mlDsa < ed');
  });
  test('at no time at all', () => {
    const result = run({ anchors: [root], intermediates: [ca], leaf, at: new Date(Number.NaN) });
    expect(outcome(result, {})).toBe('malformed');
  });
});

describe('among several issuers of one name', () => {
  const other = issue({ subject: 'other root', ca: true });
  const bad: readonly (readonly [string, Issued])[] = [
    ['expired', cross(ca, root, { notAfter: PAST })],
    ['not yet valid', cross(ca, root, { notBefore: new Date('2030-01-01T00:00:00Z') })],
    ['not a CA', cross(ca, root, { ca: false, usages: ['keyCertSign'] })],
    ['without keyCertSign', cross(ca, root, { usages: ['cRLSign'] })],
    ['wrongly signed', cross(ca, root, { signatureValue: new Uint8Array(70) })],
    ['issued by nobody', cross(ca, issue({ subject: 'nobody', ca: true }))],
    ['issued by an anchor that is not trusted', cross(ca, other)],
    ['for another usage', cross(ca, root, { extensions: [extendedKeyUsage(['1.3.6.1.5.5.7.3.4'])] })],
    ['with another key', issue({ subject: 'ca', ca: true, issuer: root, key: makeKey('P-256', 'x') })],
    [
      'for other names',
      cross(ca, root, { extensions: [nameConstraints({ permitted: [general.dns('other.example')] })] }),
    ],
    ['for no further CA above a CA', cross(ca, cross(ca, root, { subject: 'above', pathLen: 0 }))],
  ];
  test.each(bad)('one that is %s is passed over', (_, candidate) => {
    const result = run({ anchors: [root], intermediates: [candidate, ca], leaf, purpose: 'server' });
    expect(outcome(result, { leaf, ca })).toBe('leaf < ca');
  });
  test.each(bad)('one that is %s does not do alone', (_, candidate) => {
    expect(run({ anchors: [root], intermediates: [candidate], leaf, purpose: 'server' }).valid).toBe(false);
  });
  test('all of the bad ones together hide nothing', () => {
    const intermediates = [...bad.map(([, candidate]) => candidate), ca];
    expect(outcome(run({ anchors: [root], intermediates, leaf, purpose: 'server' }), { leaf, ca })).toBe(
      'leaf < ca',
    );
  });
});

describe('several anchors', () => {
  test('of one name: the one with the right key', () => {
    const same = issue({ subject: 'root', ca: true, key: makeKey('P-256', 'same name') });
    const result = run({ anchors: [same, root], intermediates: [ca], leaf });
    expect(result.valid && result.anchor.certificate).toBe(root.certificate);
  });
  test('of one name and key: the one whose constraints allow the path', () => {
    const strict = cross(root, root, { pathLen: 0 });
    const expired = cross(root, root, { notAfter: PAST });
    const result = run({ anchors: [strict, expired, root], intermediates: [ca], leaf });
    expect(result.valid && result.anchor.certificate).toBe(root.certificate);
  });
  test('an expired intermediate beside an anchor of its name is not needed', () => {
    const second = issue({ subject: 'second root', ca: true });
    const old = cross(root, second, { notAfter: PAST });
    const under = issue({ subject: 'under', issuer: root });
    expect(outcome(run({ anchors: [root, second], intermediates: [old], leaf: under }), { under })).toBe(
      'under',
    );
  });
  test('past an expired anchor to the one that certified it anew', () => {
    const old = issue({ subject: 'old root', ca: true, notAfter: PAST });
    const renewed = cross(old, root);
    const under = issue({ subject: 'under', issuer: old });
    const result = run({ anchors: [old, root], intermediates: [renewed], leaf: under });
    expect(outcome(result, { under, renewed })).toBe('under < renewed');
  });
  test('an intermediate that is an anchor ends the path', () => {
    const result = run({ anchors: [root, ca], intermediates: [ca], leaf });
    expect(outcome(result, { leaf })).toBe('leaf');
  });
  test("the anchor's own certificate among the intermediates is not in the path", () => {
    const result = run({ anchors: [root], intermediates: [ca, root], leaf });
    expect(outcome(result, { leaf, ca })).toBe('leaf < ca');
  });
});

describe('hierarchies that meet', () => {
  const theirs = issue({ subject: 'their root', ca: true });
  const bridge = issue({ subject: 'bridge', ca: true });
  const theirLeaf = issue({ subject: 'their leaf', issuer: theirs });
  const theirsByBridge = cross(theirs, bridge);
  const bridgeByRoot = cross(bridge, root);
  const rootByBridge = cross(root, bridge);
  const bridgeByTheirs = cross(bridge, theirs);

  test('over a bridge that certifies both, and is certified by both', () => {
    const intermediates = [rootByBridge, bridgeByTheirs, theirsByBridge, bridgeByRoot];
    expect(
      outcome(run({ anchors: [root], intermediates, leaf: theirLeaf }), {
        theirLeaf,
        theirsByBridge,
        bridgeByRoot,
      }),
    ).toBe('theirLeaf < theirsByBridge < bridgeByRoot');
  });
  test('not without the last certificate', () => {
    const intermediates = [rootByBridge, bridgeByTheirs, theirsByBridge];
    expect(outcome(run({ anchors: [root], intermediates, leaf: theirLeaf }), {})).toBe('no_path');
  });
  test('two CAs that certify each other lead nowhere', () => {
    const a = issue({ subject: 'a', ca: true });
    const b = issue({ subject: 'b', ca: true });
    const under = issue({ subject: 'under', issuer: a });
    const result = run({ anchors: [root], intermediates: [cross(a, b), cross(b, a)], leaf: under });
    expect(outcome(result, {})).toBe('no_path');
  });
  test('two keys of one CA that certify each other lead nowhere', () => {
    const a = issue({ subject: 'same', ca: true, key: makeKey('P-256', 'a') });
    const b = issue({ subject: 'same', ca: true, key: makeKey('P-256', 'b') });
    const under = issue({ subject: 'under', issuer: a });
    const result = run({ anchors: [root], intermediates: [cross(a, b), cross(b, a)], leaf: under });
    expect(outcome(result, {})).toBe('no_path');
  });
  test('key roll-over: the old key by the new and the new by the old (RFC 4210 section 4.4)', () => {
    const old = issue({ subject: 'rolling', ca: true, key: makeKey('P-256', 'old') });
    const renewed = issue({ subject: 'rolling', ca: true, key: makeKey('P-256', 'new') });
    const newWithOld = cross(renewed, old);
    const oldWithNew = cross(old, renewed);
    const young = issue({ subject: 'young', issuer: renewed });
    const aged = issue({ subject: 'aged', issuer: old });
    const intermediates = [oldWithNew, newWithOld];
    expect(outcome(run({ anchors: [old], intermediates, leaf: young }), { young, newWithOld })).toBe(
      'young < newWithOld',
    );
    expect(outcome(run({ anchors: [renewed], intermediates, leaf: aged }), { aged, oldWithNew })).toBe(
      'aged < oldWithNew',
    );
  });
});

describe('the search', () => {
  test('what failed below one issuer is tried again below another', () => {
    const x = issue({ subject: 'x', ca: true, issuer: root, pathLen: 1 });
    const a = issue({ subject: 'a', ca: true, issuer: x });
    const low = issue({ subject: 'low', ca: true, issuer: a });
    const other = subjectKeyIdentifier(Uint8Array.of(1)); // not the one that the leaf names: tried last
    const keyIdentifier = authorityKeyIdentifier({ keyIdentifier: x.key.keyIdentifier });
    const short = cross(low, x, {
      onlyExtensions: [basicConstraints(true), keyUsage('keyCertSign'), other, keyIdentifier],
    });
    const last = issue({ subject: 'last', issuer: low });
    const long = run({ anchors: [root], intermediates: [x, a, low], leaf: last });
    expect(outcome(long, {})).toBe('path_too_long');
    const both = run({ anchors: [root], intermediates: [x, a, low, short], leaf: last });
    expect(outcome(both, { last, short, x })).toBe('last < short < x');
    expect(both.work.candidatePaths).toBe(2);
  });
  test('goes the way of the fewest names through a mesh', () => {
    const members = Array.from({ length: 8 }, (_, index) => issue({ subject: `member ${index}`, ca: true }));
    const mesh = members.flatMap((one) =>
      members.filter((other) => other !== one).map((by) => cross(one, by)),
    );
    const [first, second] = members as [Issued, Issued];
    const wayOut = cross(second, root);
    const under = issue({ subject: 'under', issuer: first });
    const result = run({ anchors: [root], intermediates: [...mesh, wayOut], leaf: under });
    expect(result).toMatchObject({ valid: true, work: { signatureChecks: 3, candidatePaths: 1 } });
    expect(result.valid && result.path).toHaveLength(3);
  });
});

describe('a leaf that is special', () => {
  test('the self-signed certificate of an anchor is a path of one certificate', () => {
    expect(outcome(run({ anchors: [root], leaf: root }), { root })).toBe('root');
  });
  test('an anchor that another signed is none of its own path', () => {
    expect(outcome(run({ anchors: [ca], leaf: ca }), {})).toBe('no_path');
  });
  test('an untrusted self-signed certificate', () => {
    const own = issue({ subject: 'own', ca: true });
    expect(outcome(run({ anchors: [root], leaf: own, intermediates: [own] }), {})).toBe('no_path');
  });
  test('a CA as a leaf', () => {
    expect(outcome(run({ anchors: [root], leaf: ca, intermediates: [ca] }), { ca })).toBe('ca');
  });
  test('a leaf with the name and key of its CA', () => {
    const same = issue({ subject: ca.subject, key: ca.key, issuer: ca });
    expect(outcome(run({ anchors: [root], leaf: same, intermediates: [ca] }), { same, ca })).toBe(
      'same < ca',
    );
  });
});

describe('limits', () => {
  const chain: Issued[] = [];
  for (let depth = 0; depth < 18; depth++)
    chain.push(issue({ subject: `depth ${depth}`, ca: true, issuer: chain[depth - 1] ?? root }));
  const under = (depth: number): Issued => issue({ subject: 'deep', issuer: chain[depth - 1] as Issued });

  test('a path of as many intermediates as the limit', () => {
    expect(run({ anchors: [root], intermediates: chain, leaf: under(15) }).valid).toBe(true);
  });
  test('a path of one more', () => {
    const result = run({ anchors: [root], intermediates: chain, leaf: under(16) });
    expect(result).toMatchObject({ valid: false, failure: { reason: 'limit' } });
  });
  test.each([
    ['certificates', { certificates: 1 }],
    ['buildSteps', { buildSteps: 1 }],
    ['signatureChecks', { signatureChecks: 1 }],
    ['candidatePaths', { candidatePaths: 0 }],
    ['intermediatesInPath', { intermediatesInPath: 0 }],
  ])('of %s', (_, limits) => {
    const result = run({ anchors: [root], intermediates: [ca, root], leaf, limits });
    expect(outcome(result, {})).toBe('limit');
  });
});

describe('options that are a mistake', () => {
  test.each([
    ['a limit that is no number', { limits: { buildSteps: Number.NaN } }],
    ['a limit without end', { limits: { signatureChecks: Number.POSITIVE_INFINITY } }],
    ['a limit that is not given', { limits: { policyNodes: undefined as unknown as number } }],
    ['a negative limit', { limits: { candidatePaths: -1 } }],
    ['a profile that nobody knows', { profile: 'webPKI' as 'webpki' }],
    ['a profile that is a property of every object', { profile: 'constructor' as 'webpki' }],
  ])('%s', (_, options) => {
    expect(() => createValidator({ anchors: [], ...options })).toThrow(RangeError);
  });
});

describe('what is reported', () => {
  test('of a path to the anchor before of one that ends short of it', () => {
    const strict = cross(ca, root, { extensions: [extendedKeyUsage(['1.3.6.1.5.5.7.3.4'])] });
    const astray = cross(ca, issue({ subject: 'nobody', ca: true }));
    const result = run({ anchors: [root], intermediates: [astray, strict], leaf, purpose: 'server' });
    expect(result).toMatchObject({ failure: { reason: 'extended_key_usage' } });
    expect(result.valid ? [] : result.candidates).toHaveLength(2);
  });
  test('of an issuer that has expired before of one that does not exist', () => {
    const old = cross(ca, root, { notAfter: PAST });
    const astray = cross(ca, issue({ subject: 'nobody', ca: true }));
    const result = run({ anchors: [root], intermediates: [astray, old], leaf });
    expect(result).toMatchObject({ failure: { reason: 'expired', certificate: 1 } });
  });
  test('a wrong name once, however many paths there are', () => {
    const more = [1, 2, 3].map((serial) => cross(ca, root, { serial }));
    const names = [{ kind: 'dns', value: 'other.example' }] as const;
    const result = run({ anchors: [root], intermediates: more, leaf, names });
    expect(result).toMatchObject({ failure: { reason: 'name_mismatch', certificate: 0 } });
    expect(result.valid ? [] : result.candidates).toHaveLength(1);
  });
  test('the anchor and the path of each candidate', () => {
    const result = run({ anchors: [root], intermediates: [ca], leaf, at: new Date('2040-01-01T00:00:00Z') });
    expect(result.valid ? [] : result.candidates).toMatchObject([
      { path: [leaf.certificate, ca.certificate], anchor: undefined, failure: { reason: 'expired' } },
    ]);
  });
  test('anchorFrom takes name and key from the certificate', () => {
    expect(anchorFrom(root.certificate)).toEqual({
      name: root.certificate.subject,
      subjectPublicKeyInfo: root.certificate.subjectPublicKeyInfo,
      certificate: root.certificate,
    });
    expect(AT.getTime()).toBeGreaterThan(PAST.getTime());
  });
});
