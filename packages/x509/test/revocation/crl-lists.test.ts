import { describe, expect, it } from 'vitest';
import { writeSequence } from '../support/der.ts';
import { extension, general, NEXT_UPDATE, OID, THIS_UPDATE } from '../support/pki.ts';
import {
  after,
  ask,
  before,
  ca,
  DAY_MS,
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
const other = { serial: 0x7f00_0000n };
const one = (what: string, input: ListInput, expected: string): Row => [
  what,
  { crls: [list(ca, input)] },
  expected,
];

const LISTS: readonly Row[] = [
  ['no list at all', {}, 'unknown: '],
  one('an empty list', {}, 'good'),
  one('a list of others', { revoked: [other, { serial: 5 }] }, 'good'),
  one('a revoked leaf', { revoked: [other, revoked] }, 'revoked keyCompromise'),
  one('a reason that is not said', { revoked: [serialOf(leaf)] }, 'revoked unspecified'),
  one('a hold', { revoked: [{ ...serialOf(leaf), reason: 'certificateHold' }] }, 'revoked certificateHold'),
  one(
    'a revocation in the future',
    { revoked: [{ ...revoked, at: after(NEXT_UPDATE, DAY_MS) }] },
    'revoked keyCompromise',
  ),
  one(
    'a revocation before notBefore',
    { revoked: [{ ...revoked, at: new Date(0) }] },
    'revoked keyCompromise',
  ),
  one('version 1', { version: null }, 'good'),
  one('version 1 that revokes', { version: null, revoked: [serialOf(leaf)] }, 'revoked unspecified'),
  [
    'a list of another issuer with the serial number',
    { crls: [list(ca), list(root, { revoked: [serialOf(leaf)] })] },
    'good',
  ],
  ['the list of another issuer alone', { crls: [list(root)] }, 'unknown: '],
  ['two lists, one revokes', { crls: [list(ca), list(ca, { revoked: [revoked] })] }, 'revoked keyCompromise'],
  ['two lists, one broken', { crls: [list(ca, { signatureValue: new Uint8Array(70) }), list(ca)] }, 'good'],
  one(
    'removeFromCRL in a complete list',
    { revoked: [{ ...serialOf(leaf), reason: 'removeFromCRL' }] },
    'unknown: removeFromCRL in a complete list',
  ),
];

const FIELDS: readonly Row[] = [
  one('5.2.3: no CRL number', { mapFields: (fields) => fields.slice(0, -1) }, 'unknown: no CRL number'),
  one(
    '5.2.3: a critical CRL number',
    {
      mapFields: (fields) => [
        ...fields.slice(0, -1),
        writeExplicitExtensions(extension(OID.cRLNumber, Uint8Array.of(2, 1, 1), true)),
      ],
    },
    'unknown: the critical extension 2.5.29.20',
  ),
  one('5.2.1: no key identifier', { keyIdentifier: null }, 'good'),
  one('5.2.1: another key identifier is but a hint', { keyIdentifier: new Uint8Array(20) }, 'good'),
  one(
    '5.2: an unknown critical extension',
    { extensions: [unknownExtension(true)] },
    'unknown: the critical extension 1.3.6.1.4.1.55738.666.1',
  ),
  one('5.2: an unknown extension', { extensions: [unknownExtension(false)] }, 'good'),
  one(
    '5.3: an unknown critical extension of the entry',
    { revoked: [{ ...revoked, extensions: [unknownExtension(true)] }] },
    'unknown: an entry with an unknown critical extension',
  ),
  one(
    '5.3: an unknown critical extension of another entry',
    { revoked: [{ ...other, extensions: [unknownExtension(true)] }] },
    'unknown: an entry with an unknown critical extension',
  ),
  one(
    '5.3: an unknown extension of the entry',
    { revoked: [{ ...revoked, extensions: [unknownExtension(false)] }] },
    'revoked keyCompromise',
  ),
  one(
    '5.2.6: a critical freshestCRL',
    {
      extensions: [
        extension(OID.freshestCRL, writeSequence(writeSequence(cdpName('http://a.example/'))), true),
      ],
    },
    'unknown: the critical extension 2.5.29.46',
  ),
  one(
    '5.1.1.2: another algorithm outside',
    { outerAlgorithm: otherAlgorithm() },
    'unknown: two signature algorithms',
  ),
  one(
    '5.1.1.3: a wrong signature',
    { signatureValue: Uint8Array.of(0x30, 6, 2, 1, 1, 2, 1, 1) },
    'unknown: its signature verifies with no key of its issuer',
  ),
  one(
    '5.1.1.3: the signature of another',
    { signer: root.key },
    'unknown: its signature verifies with no key of its issuer',
  ),
  one(
    '5.1.1.3: a broken list that revokes',
    { signer: root.key, revoked: [revoked] },
    'unknown: its signature verifies with no key of its issuer',
  ),
];

const TIMES: readonly Row[] = [
  one('5.1.2.5: no nextUpdate', { nextUpdate: null }, 'unknown: no nextUpdate'),
  one('5.1.2.5: no nextUpdate, version 1', { nextUpdate: null, version: null }, 'unknown: no nextUpdate'),
  ['at nextUpdate', { crls: [list(ca)], at: NEXT_UPDATE }, 'good'],
  [
    'a second behind nextUpdate',
    { crls: [list(ca)], at: after(NEXT_UPDATE, 1_000), scope: 'leaf' },
    'unknown: expired',
  ],
  [
    'expired, and it revokes',
    { crls: [list(ca, { revoked: [revoked] })], at: after(NEXT_UPDATE, 1_000), scope: 'leaf' },
    'unknown: expired',
  ],
  ['at thisUpdate', { crls: [list(ca)], at: THIS_UPDATE }, 'good'],
  ['five minutes before thisUpdate', { crls: [list(ca)], at: before(THIS_UPDATE, 300_000) }, 'good'],
  [
    'more than five minutes before thisUpdate',
    { crls: [list(ca)], at: before(THIS_UPDATE, 301_000), scope: 'leaf' },
    'unknown: not yet issued',
  ],
  [
    'before thisUpdate, without a skew',
    { crls: [list(ca)], at: before(THIS_UPDATE, 1_000), scope: 'leaf', clockSkewMs: 0 },
    'unknown: not yet issued',
  ],
  one('5.1.2.5: GeneralizedTime from 2050 on', { nextUpdate: new Date('2050-01-01T00:00:00Z') }, 'good'),
];

function writeExplicitExtensions(...extensions: readonly Uint8Array[]): Uint8Array {
  const inside = writeSequence(...extensions);
  return Uint8Array.of(0xa0, inside.length, ...inside);
}

function cdpName(uri: string): Uint8Array {
  const name = general.uri(uri);
  return Uint8Array.of(0xa0, name.length + 2, 0xa0, name.length, ...name);
}

function otherAlgorithm(): Uint8Array {
  return writeSequence(Uint8Array.of(6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3));
}

describe.each([
  ['lists', LISTS],
  ['fields (sections 5.1 to 5.3)', FIELDS],
  ['times', TIMES],
])('CRL: %s', (_title, rows) => {
  it.each(rows)('%s', (_what, question, expected) => {
    expect(verdict(question)).toEqual(expected);
  });
});

describe('CRL: what the result says', () => {
  it('where a status comes from and how old it is', () => {
    const result = ask({ crls: [list(ca)] });
    expect(result.valid && result.revocation).toEqual(
      ['CN=ca', 'CN=root'].map((issuer, certificate) => ({
        certificate,
        status: 'good',
        sources: [
          {
            kind: 'crl',
            issuer,
            thisUpdateMs: THIS_UPDATE.getTime(),
            nextUpdateMs: NEXT_UPDATE.getTime(),
            ageMs: DAY_MS,
          },
        ],
        unused: [],
      })),
    );
  });
  it('where and why it refuses', () => {
    const result = ask({
      crls: [list(ca, { revoked: [{ ...revoked, at: new Date('2026-05-01T00:00:00Z') }] })],
    });
    expect(result.valid ? undefined : result.failure).toEqual({
      reason: 'revoked',
      section: 'RFC 5280 section 6.1.3 (a)(3)',
      detail: 'CN=leaf is revoked since 2026-05-01T00:00:00.000Z (keyCompromise)',
      certificate: 0,
    });
  });
  it('that nothing below a revoked CA was looked at', () => {
    const result = ask({ crls: [list(root, { revoked: [serialOf(ca)] }), list(ca)] });
    const reports = result.valid ? [] : (result.candidates[0]?.revocation ?? []);
    expect(reports.map(({ status }) => status)).toEqual(['not_checked', 'revoked']);
  });
});
