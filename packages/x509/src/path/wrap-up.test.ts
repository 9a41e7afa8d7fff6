import { describe, expect, it } from 'vitest';
import { pathOutcome, pathTable } from '../../test/support/path.ts';
import {
  NOT_AFTER,
  OID,
  certificatePolicies,
  extension,
  issue,
  makeKey,
  policyConstraints,
  policyMappings,
  type Issued,
} from '../../test/support/pki.ts';
import { ia5String, writeOid, writeSequence } from '../../test/support/der.ts';

const GOLD = '1.2.3.1';
const SILVER = '1.2.3.2';
const root = issue({ subject: 'root', ca: true });
const ca = issue({ subject: 'ca', issuer: root, ca: true });

describe('RFC 5280 section 6.1.5 (a) and (b): an explicit policy at the end', () => {
  const require = (count: number): Uint8Array => policyConstraints({ requireExplicitPolicy: count });
  const counting = issue({ subject: 'counting', issuer: root, ca: true, extensions: [require(1)] });
  pathTable([
    ['(a) the leaf is counted', [root, counting, issue({ issuer: counting })], 'policy | 6.1.5 (g) | 0'],
    [
      '(a) a self-issued leaf too, unlike after RFC 3280',
      [root, counting, issue({ subject: 'counting', issuer: counting })],
      'policy | 6.1.5 (g) | 0',
    ],
    [
      '(b) the leaf requires one, 0',
      [root, ca, issue({ issuer: ca, extensions: [require(0)] })],
      'policy | 6.1.5 (g) | 0',
    ],
    ['(b) the leaf requires one, 1', [root, ca, issue({ issuer: ca, extensions: [require(1)] })], 'valid'],
  ]);
});

describe('RFC 5280 section 6.1.5 (c) to (e): the key of the leaf is held against the policy', () => {
  const leaf = (spki: Uint8Array): Issued => issue({ issuer: ca, spki });
  pathTable([
    ['P-256', [root, ca, issue({ issuer: ca })], 'valid'],
    ['RSA, 2048 bits', [root, ca, leaf(makeKey('RSA-2048').spki)], 'valid'],
    ['RSA, 1024 bits', [root, ca, leaf(makeKey('RSA-1024').spki)], 'key_refused | 4.1.2.7 | 0'],
    ['secp256k1', [root, ca, leaf(makeKey('secp256k1').spki)], 'key_refused | RFC 5480 section 2.1.1 | 0'],
    ['Ed448', [root, ca, leaf(makeKey('Ed448').spki)], 'key_refused | 4.1.2.7 | 0'],
  ]);
});

describe('RFC 5280 section 6.1.5 (f): critical extensions of the leaf', () => {
  const unknown = (critical: boolean): Uint8Array => extension('1.2.3.4', Uint8Array.of(5, 0), critical);
  const qualified = (oid: string, critical: boolean): Uint8Array =>
    certificatePolicies(
      [
        writeSequence(
          writeOid(GOLD),
          writeSequence(writeSequence(writeOid(oid), ia5String('https://cps.example'))),
        ),
      ],
      critical,
    );
  const CPS = '1.3.6.1.5.5.7.2.1';
  const qualifiers = [CPS, '1.2.3.4', CPS].map((oid) => writeSequence(writeOid(oid), ia5String('x')));
  const mixed = certificatePolicies([writeSequence(writeOid(GOLD), writeSequence(...qualifiers))], true);
  const leaf = (...extensions: Uint8Array[]): Issued[] => [root, ca, issue({ issuer: ca, extensions })];
  pathTable([
    ['unknown, not critical', leaf(unknown(false)), 'valid'],
    ['unknown, critical', leaf(unknown(true)), 'unknown_critical_extension | 6.1.5 (f) | 0'],
    ['a known qualifier in a critical one (section 4.2.1.4)', leaf(qualified(CPS, true)), 'valid'],
    ['an unknown qualifier in one that is not', leaf(qualified('1.2.3.4', false)), 'valid'],
    [
      'an unknown one in a critical one',
      leaf(qualified('1.2.3.4', true)),
      'unknown_critical_extension | 4.2.1.4 | 0',
    ],
    ['an unknown one between known ones', leaf(mixed), 'unknown_critical_extension | 4.2.1.4 | 0'],
  ]);
});

describe('RFC 5280 section 6.1.5 (g): the policies that remain', () => {
  const policies = (...oids: string[]): { extensions: Uint8Array[] } => ({
    extensions: [certificatePolicies(oids)],
  });
  const issuerOf = (...oids: string[]): Issued =>
    issue({ subject: 'p', issuer: root, ca: true, ...policies(...oids) });
  const mapping = issue({
    subject: 'mapping',
    issuer: root,
    ca: true,
    extensions: [certificatePolicies([GOLD]), policyMappings([[GOLD, SILVER]])],
  });
  const both = issuerOf(GOLD, SILVER);
  const any = issuerOf(OID.anyPolicy);
  it.each<[string, Issued, string[], string[] | undefined, 'any' | string[], 'any' | string[]]>([
    ['both of two', both, [GOLD, SILVER], undefined, [GOLD, SILVER], [GOLD, SILVER]],
    ['one of two', both, [GOLD], undefined, [GOLD], [GOLD]],
    ['one of two, and the other is asked for', both, [GOLD], [SILVER], [GOLD], []],
    ['any in all', any, [OID.anyPolicy], undefined, 'any', 'any'],
    ['any in all, and one is asked for', any, [OID.anyPolicy], [GOLD], 'any', [GOLD]],
    ['any above', any, [GOLD], undefined, [GOLD], [GOLD]],
    ['any below', both, [OID.anyPolicy], [GOLD], [GOLD, SILVER], [GOLD]],
    ['mapped, under the name of the anchor’s domain', mapping, [SILVER], [GOLD], [GOLD], [GOLD]],
    ['none', ca, [GOLD], undefined, [], []],
    ['anyPolicy asked for by name', both, [GOLD], [OID.anyPolicy], [GOLD], [GOLD]],
  ])('%s', (_title, issuer, ofLeaf, initial, authorityConstrained, userConstrained) => {
    const leaf = issue({ issuer, ...policies(...ofLeaf) });
    const outcome = pathOutcome([root, issuer, leaf], { policies: initial === undefined ? {} : { initial } });
    expect(outcome).toMatchObject({
      ok: true,
      path: { policies: { authorityConstrained, userConstrained } },
    });
  });
});

describe('RFC 5280 section 6.1.6: what a valid path tells', () => {
  it('the first end of a validity', () => {
    const first = new Date('2027-01-01T00:00:00Z');
    const chain = [
      root,
      issue({ subject: 'ca', issuer: root, ca: true, notAfter: first }),
      issue({ issuer: ca }),
    ];
    expect(pathOutcome(chain)).toMatchObject({ ok: true, path: { notAfterMs: first.getTime() } });
  });

  it('that of the anchor too, where it came as a certificate', () => {
    const notAfter = new Date('2026-12-01T00:00:00Z');
    const anchor = issue({ subject: 'root', ca: true, notAfter });
    const chain = [anchor, issue({ issuer: anchor })];
    expect(pathOutcome(chain)).toMatchObject({ ok: true, path: { notAfterMs: notAfter.getTime() } });
    const bare = pathOutcome(chain, { isBareAnchor: true });
    expect(bare).toMatchObject({ ok: true, path: { notAfterMs: NOT_AFTER.getTime() } });
  });

  it('a path without certificates is a mistake of the caller', () => {
    expect(() => pathOutcome([root])).toThrow(RangeError);
  });
});
