import { describe } from 'vitest';
import { pathTable, type PathOptions } from '../../test/support/path.ts';
import {
  AT,
  SCHEMES,
  certificatePolicies,
  general,
  issue,
  makeKey,
  nameConstraints,
  type Issued,
} from '../../test/support/pki.ts';

const root = issue({ subject: 'root', ca: true });
const ca = issue({ subject: 'ca', issuer: root, ca: true });
const leaf = issue({ subject: 'leaf', issuer: ca });

const second = (milliseconds: number): Date => new Date(AT.getTime() + milliseconds);

describe('RFC 5280 section 4.1.1.2: the algorithm inside and outside', () => {
  const sha384 = SCHEMES['ecdsa-sha384'].algorithm;
  pathTable([
    ['the same', [root, ca, leaf], 'valid'],
    [
      'another outside',
      [root, ca, issue({ issuer: ca, outerAlgorithm: sha384 })],
      'algorithm_mismatch | 4.1.1.2 | 0',
    ],
    [
      'another inside',
      [root, ca, issue({ issuer: ca, innerAlgorithm: sha384 })],
      'algorithm_mismatch | 4.1.1.2 | 0',
    ],
    [
      'another inside, in an issuer',
      [root, issue({ subject: 'ca', issuer: root, ca: true, innerAlgorithm: sha384 }), leaf],
      'algorithm_mismatch | 4.1.1.2 | 1',
    ],
  ]);
});

describe('RFC 5280 section 6.1.3 (a)(1): the signature', () => {
  const other = issue({ subject: 'ca', issuer: root, ca: true, key: makeKey('P-256', 'another key') });
  const asIf: Issued = { ...ca, key: other.key };
  pathTable([
    ['one certificate below the anchor', [root, issue({ issuer: root })], 'valid'],
    ['five issuers', fiveIssuers(), 'valid'],
    [
      'of the leaf, by another key',
      [root, ca, issue({ issuer: asIf })],
      'signature_invalid | 6.1.3 (a)(1) | 0',
    ],
    ['of an issuer, by another key', [other, ca, leaf], 'signature_invalid | 6.1.3 (a)(1) | 1'],
    [
      'that is empty',
      [root, ca, issue({ issuer: ca, signatureValue: new Uint8Array(0) })],
      'signature_invalid | 6.1.3 (a)(1) | 0',
    ],
    [
      'of a kind that the key cannot make',
      [root, ca, issue({ issuer: { ...ca, key: makeKey('Ed25519') } })],
      'signature_invalid | 6.1.3 (a)(1) | 0',
    ],
    [
      'by an algorithm that no policy takes',
      [root, ca, issue({ issuer: ca, scheme: 'ecdsa-sha1' })],
      'algorithm_refused | 4.1.1.2 | 0',
    ],
  ]);

  function fiveIssuers(): Issued[] {
    const chain = [root];
    for (let depth = 1; depth <= 5; depth += 1)
      chain.push(issue({ subject: `ca ${depth}`, issuer: chain.at(-1) ?? root, ca: true }));
    return [...chain, issue({ issuer: chain.at(-1) ?? root })];
  }
});

describe('RFC 5280 section 6.1.3 (a)(2): the validity, both ends inside', () => {
  const from = (notBefore: Date): Issued => issue({ issuer: ca, notBefore });
  const until = (notAfter: Date): Issued => issue({ issuer: ca, notAfter });
  const issuer = (notAfter: Date): Issued => issue({ subject: 'ca', issuer: root, ca: true, notAfter });
  const anchor = (notAfter: Date): Issued => issue({ subject: 'root', ca: true, notAfter });
  pathTable([
    ['begins now', [root, ca, from(AT)], 'valid'],
    ['begins in a second', [root, ca, from(second(1_000))], 'not_yet_valid | 6.1.3 (a)(2) | 0'],
    ['ends now', [root, ca, until(AT)], 'valid'],
    ['ended a second ago', [root, ca, until(second(-1_000))], 'expired | 6.1.3 (a)(2) | 0'],
    ['an issuer that ends now', [root, issuer(AT), leaf], 'valid'],
    ['an issuer that ended', [root, issuer(second(-1_000)), leaf], 'expired | 6.1.3 (a)(2) | 1'],
    ['an anchor that ends now', [anchor(AT), ca, leaf], 'valid'],
    ['an anchor that ended', [anchor(second(-1_000)), ca, leaf], 'expired | 6.1.3 (a)(2) | 2'],
    [
      'an anchor that ended, of which the name and key alone are trusted',
      [anchor(second(-1_000)), ca, leaf],
      'valid',
      { isBareAnchor: true },
    ],
    [
      'after the signature: an expired leaf by another key',
      [
        root,
        ca,
        issue({ issuer: { ...ca, key: makeKey('P-256', 'another key') }, notAfter: second(-1_000) }),
      ],
      'signature_invalid | 6.1.3 (a)(1) | 0',
    ],
  ]);
});

describe('RFC 5280 section 6.1.3 (a)(4): the issuer is the subject above', () => {
  const renamed = (subject: string): Issued => issue({ subject, issuer: root, ca: true, key: ca.key });
  pathTable([
    ['in another case (section 7.1)', [root, renamed('  CA '), leaf], 'valid'],
    ['another name', [root, renamed('cb'), leaf], 'issuer_mismatch | 6.1.3 (a)(4) | 0'],
    [
      'another name than the anchor has',
      [issue({ subject: 'other root', ca: true, key: root.key }), ca, leaf],
      'issuer_mismatch | 6.1.3 (a)(4) | 1',
    ],
  ]);
});

describe('RFC 5280 section 6.1.3 (b) and (c): names', () => {
  const within = nameConstraints({ permitted: [general.directory([['O', 'Inside']])] });
  const without = nameConstraints({ excluded: [general.dns('evil.example')] });
  const narrow = issue({ subject: [['O', 'Inside']], issuer: root, ca: true, extensions: [within] });
  const excluding = issue({ subject: 'excluding', issuer: root, ca: true, extensions: [without] });
  const inside = (subject: string): readonly (readonly ['O' | 'CN', string])[] => [
    ['O', 'Inside'],
    ['CN', subject],
  ];
  const selfIssued = issue({
    subject: [['O', 'Inside']],
    issuer: narrow,
    ca: true,
    key: makeKey('P-256', 'next'),
  });
  const outside = issue({
    subject: [['O', 'Outside']],
    issuer: root,
    ca: true,
    extensions: [within],
  });
  const outsideSelfIssued = issue({
    subject: [['O', 'Outside']],
    issuer: outside,
    ca: true,
    key: makeKey('P-256', 'next'),
  });
  pathTable([
    [
      'within the permitted subtree',
      [root, narrow, issue({ subject: inside('a'), issuer: narrow })],
      'valid',
    ],
    [
      'outside of it',
      [root, narrow, issue({ subject: 'a', issuer: narrow })],
      'name_constraints | 6.1.3 (b) | 0',
    ],
    [
      'not excluded',
      [root, excluding, issue({ issuer: excluding, names: [general.dns('good.example')] })],
      'valid',
    ],
    [
      'excluded',
      [root, excluding, issue({ issuer: excluding, names: [general.dns('a.evil.example')] })],
      'name_constraints | 6.1.3 (c) | 0',
    ],
    [
      'below a self-issued certificate they still hold',
      [root, narrow, selfIssued, issue({ subject: 'a', issuer: selfIssued })],
      'name_constraints | 6.1.3 (b) | 0',
    ],
    [
      'a self-issued issuer may have any name',
      [root, outside, outsideSelfIssued, issue({ subject: inside('a'), issuer: outsideSelfIssued })],
      'valid',
    ],
    [
      'a self-issued leaf may not',
      [root, outside, issue({ subject: [['O', 'Outside']], issuer: outside })],
      'name_constraints | 6.1.3 (b) | 0',
    ],
  ]);
});

describe('RFC 5280 section 6.1.3 (d), (e), (f): policies', () => {
  const policies = (...oids: string[]): { extensions: Uint8Array[] } => ({
    extensions: [certificatePolicies(oids)],
  });
  const gold = issue({ subject: 'gold', issuer: root, ca: true, ...policies('1.2.3.1') });
  const explicit: PathOptions = { policies: { requireExplicit: true } };
  pathTable([
    ['the same in all', [root, gold, issue({ issuer: gold, ...policies('1.2.3.1') })], 'valid', explicit],
    [
      'another in the leaf',
      [root, gold, issue({ issuer: gold, ...policies('1.2.3.2') })],
      'policy | 6.1.3 (f) | 0',
      explicit,
    ],
    [
      'another in the leaf, and none is required',
      [root, gold, issue({ issuer: gold, ...policies('1.2.3.2') })],
      'valid',
    ],
    ['none in the leaf', [root, gold, issue({ issuer: gold })], 'policy | 6.1.3 (f) | 0', explicit],
    [
      'none in an issuer',
      [root, ca, issue({ issuer: ca, ...policies('1.2.3.1') })],
      'policy | 6.1.3 (f) | 1',
      explicit,
    ],
  ]);
});
