import { describe, expect, it } from 'vitest';
import { freshestCRL, general, issue, NEXT_UPDATE, THIS_UPDATE } from '../support/pki.ts';
import {
  about,
  after,
  ask,
  before,
  ca,
  DAY_MS,
  idp,
  leaf,
  list,
  root,
  serialOf,
  unknownExtension,
  verdict,
  type ListInput,
  type Row,
} from '../support/revocation.ts';

const revoked = { ...serialOf(leaf), reason: 'keyCompromise' };
const base: ListInput = { crlNumber: 10 };
const delta = (input: ListInput = {}): ListInput => ({ crlNumber: 12, deltaOf: 10, ...input });
const held = { ...serialOf(leaf), reason: 'certificateHold' };
const released = { ...serialOf(leaf), reason: 'removeFromCRL' };
const NOT_COMBINED = 'a delta that no complete list was combined with';
const twoDaysAgo = before(THIS_UPDATE, 2 * DAY_MS);
const old: ListInput = { ...base, thisUpdate: twoDaysAgo, nextUpdate: before(THIS_UPDATE, DAY_MS) };
const points = [{ fullName: [general.uri('http://crl.example/1')] }];

const DELTAS: readonly Row[] = [
  ['a delta alone', about(leaf, delta()), `unknown: ${NOT_COMBINED}`],
  ['a delta and its base', about(leaf, base, delta()), 'good'],
  ['(i) revoked in the delta', about(leaf, base, delta({ revoked: [revoked] })), 'revoked keyCompromise'],
  ['(j) revoked in the base', about(leaf, { ...base, revoked: [revoked] }, delta()), 'revoked keyCompromise'],
  [
    '(i) the delta changes the reason',
    about(leaf, { ...base, revoked: [held] }, delta({ revoked: [revoked] })),
    'revoked keyCompromise',
  ],
  [
    '(k) released by the delta',
    about(leaf, { ...base, revoked: [held] }, delta({ revoked: [released] })),
    'good',
  ],
  [
    '5.2.4 (c) a base that is too old',
    about(leaf, { ...base, revoked: [held] }, delta({ deltaOf: 11, revoked: [released] })),
    'revoked certificateHold',
  ],
  [
    '5.2.4 (c) a base that is newer',
    about(leaf, { ...base, revoked: [held] }, delta({ deltaOf: 9, revoked: [released] })),
    'good',
  ],
  [
    '5.2.4 (d) a delta that is older than the base',
    about(leaf, { ...base, revoked: [held] }, delta({ crlNumber: 10, deltaOf: 9, revoked: [released] })),
    'revoked certificateHold',
  ],
  [
    '(c)(2) the delta has another IDP',
    about(
      leaf,
      { ...base, revoked: [held] },
      delta({ revoked: [released], ...idp({ onlyContainsUserCerts: true }) }),
    ),
    'revoked certificateHold',
  ],
  [
    '(c)(2) both have one IDP',
    about(
      leaf,
      { ...base, revoked: [held], ...idp({ onlyContainsUserCerts: true }) },
      delta({ revoked: [released], ...idp({ onlyContainsUserCerts: true }) }),
    ),
    'good',
  ],
  [
    '(c)(2) only the base has an IDP',
    about(
      leaf,
      { ...base, revoked: [held], ...idp({ onlyContainsUserCerts: true }) },
      delta({ revoked: [released] }),
    ),
    'revoked certificateHold',
  ],
  [
    '(c)(3) another key identifier',
    about(
      leaf,
      { ...base, revoked: [held] },
      delta({ revoked: [released], keyIdentifier: new Uint8Array(20) }),
    ),
    'revoked certificateHold',
  ],
  [
    '(c)(3) no key identifier',
    about(leaf, { ...base, revoked: [held] }, delta({ revoked: [released], keyIdentifier: null })),
    'revoked certificateHold',
  ],
  [
    '(h) a broken signature',
    about(
      leaf,
      { ...base, revoked: [held] },
      delta({ revoked: [released], signer: root.key, keyIdentifier: ca.key.keyIdentifier }),
    ),
    'revoked certificateHold',
  ],
  [
    '(a) an expired delta',
    about(
      leaf,
      { ...base, revoked: [held] },
      delta({ revoked: [released], thisUpdate: twoDaysAgo, nextUpdate: before(THIS_UPDATE, DAY_MS) }),
    ),
    'revoked certificateHold',
  ],
  [
    'a delta from the future',
    about(leaf, { ...base, revoked: [held] }, delta({ revoked: [released], thisUpdate: NEXT_UPDATE })),
    'revoked certificateHold',
  ],
  [
    'a delta with an unknown critical extension',
    about(
      leaf,
      { ...base, revoked: [held] },
      delta({ revoked: [released], extensions: [unknownExtension(true)] }),
    ),
    'revoked certificateHold',
  ],
  [
    'the newest of two deltas',
    about(
      leaf,
      base,
      delta({ crlNumber: 12, revoked: [held] }),
      delta({ crlNumber: 13, revoked: [released] }),
    ),
    'good',
  ],
  [
    'the newest of two deltas, the other way round',
    about(
      leaf,
      base,
      delta({ crlNumber: 13, revoked: [held] }),
      delta({ crlNumber: 12, revoked: [released] }),
    ),
    'revoked certificateHold',
  ],
  [
    'another complete list still revokes',
    about(
      leaf,
      { ...base, revoked: [held] },
      { crlNumber: 20, revoked: [held] },
      delta({ revoked: [released] }),
    ),
    'revoked certificateHold',
  ],
  [
    '(a)(1)(i) an expired base, and nobody speaks of deltas',
    about(leaf, old, delta()),
    `unknown: expired; ${NOT_COMBINED}`,
  ],
  [
    '(a)(1)(i) an expired base whose list speaks of deltas',
    about(leaf, { ...old, extensions: [freshestCRL(points)] }, delta()),
    'good',
  ],
  [
    '(a)(1)(i) an expired base, the certificate speaks of deltas',
    about(issue({ subject: 'leaf', issuer: ca, extensions: [freshestCRL(points)] }), old, delta()),
    'good',
  ],
  [
    '(a)(1)(i) an expired base without a current delta',
    about(leaf, { ...old, extensions: [freshestCRL(points)] }),
    'unknown: expired',
  ],
];

describe.each([['deltas (section 6.3.3 (c), (h) to (k))', DELTAS]])('CRL: %s', (_title, rows) => {
  it.each(rows)('%s', (_what, question, expected) => {
    expect(verdict(question)).toEqual(expected);
  });
});

it('says that a delta was used, and its time', () => {
  const newer = after(THIS_UPDATE, 3_600_000);
  const result = ask({ crls: [list(ca), list(ca, delta({ thisUpdate: newer }))] });
  expect(result.valid && result.revocation[0]?.sources).toMatchObject([
    { delta: true, ageMs: DAY_MS - 3_600_000 },
  ]);
});
