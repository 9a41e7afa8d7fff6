import { describe, expect, it } from 'vitest';
import { writeSequence } from '../support/der.ts';
import { general, issue, issuingDistributionPoint } from '../support/pki.ts';
import {
  about,
  ca,
  idp,
  leaf,
  list,
  serialOf,
  verdict,
  withPoints,
  type Row,
} from '../support/revocation.ts';

const revoked = { ...serialOf(leaf), reason: 'keyCompromise' };
const URI = 'http://crl.example/1';
const URI_2 = 'http://crl.example/2';
const uriName = [general.uri(URI)];
const pointed = withPoints([{ fullName: uriName }]);
const relative = (text: string): readonly Uint8Array[] => [
  writeSequence(...[Uint8Array.of(6, 3, 0x55, 4, 3), Uint8Array.of(0x0c, text.length, ...Buffer.from(text))]),
];
const caWithName = (text: string): Uint8Array =>
  general.directory([
    ['CN', 'ca'],
    ['CN', text],
  ]);
const subCa = issue({ subject: 'sub ca', issuer: ca, ca: true });

const SCOPE: readonly Row[] = [
  ['(b)(2)(i) the point of the certificate', about(pointed, idp({ fullName: uriName })), 'good'],
  [
    '(b)(2)(i) another point',
    about(pointed, idp({ fullName: [general.uri(URI_2)] })),
    'unknown: of another distribution point',
  ],
  [
    '(b)(2)(i) one of several names',
    about(pointed, idp({ fullName: [general.uri(URI_2), general.uri(URI)] })),
    'good',
  ],
  [
    '(b)(2)(i) not octet by octet',
    about(pointed, idp({ fullName: [general.uri('http://crl.example/%31')] })),
    'unknown: of another distribution point',
  ],
  [
    '(b)(2)(i) the same text of another kind',
    about(pointed, idp({ fullName: [general.dns(URI)] })),
    'unknown: of another distribution point',
  ],
  [
    '(b)(2)(i) a certificate without points',
    about(leaf, idp({ fullName: uriName })),
    'unknown: of another distribution point',
  ],
  ['(b)(2)(i) the assumed point', about(leaf, idp({ fullName: [general.directory('ca')] })), 'good'],
  ['(b)(2)(i) a list without point', about(pointed, {}), 'good'],
  [
    '(b)(2)(i) relative and full',
    about(withPoints([{ relative: relative('one') }]), idp({ fullName: [caWithName('one')] })),
    'good',
  ],
  [
    '(b)(2)(i) full and relative',
    about(withPoints([{ fullName: [caWithName('one')] }]), idp({ relative: relative('one') })),
    'good',
  ],
  [
    '(b)(2)(i) relative and relative',
    about(withPoints([{ relative: relative('one') }]), idp({ relative: relative('ONE') })),
    'good',
  ],
  [
    '(b)(2)(i) relative to another',
    about(withPoints([{ relative: relative('one') }]), idp({ relative: relative('two') })),
    'unknown: of another distribution point',
  ],
  ['(b)(2)(ii) user certificates', about(leaf, idp({ onlyContainsUserCerts: true })), 'good'],
  [
    '(b)(2)(ii) user certificates, a CA asked for',
    about(subCa, idp({ onlyContainsUserCerts: true })),
    'unknown: for end entities only',
  ],
  ['(b)(2)(iii) CA certificates', about(leaf, idp({ onlyContainsCACerts: true })), 'unknown: for CAs only'],
  ['(b)(2)(iii) CA certificates, a CA asked for', about(subCa, idp({ onlyContainsCACerts: true })), 'good'],
  [
    '(b)(2)(iv) attribute certificates',
    about(leaf, idp({ onlyContainsAttributeCerts: true })),
    'unknown: for attribute certificates only',
  ],
  [
    'an IDP that is not critical',
    { crls: [list(ca, { extensions: [issuingDistributionPoint({ onlyContainsCACerts: true }, false)] })] },
    'unknown: for CAs only',
  ],
];

const SOME = ['keyCompromise', 'cACompromise'] as const;
const REST = [
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'certificateHold',
  'privilegeWithdrawn',
  'aACompromise',
] as const;
const some = idp({ onlySomeReasons: SOME });
const rest = idp({ onlySomeReasons: REST });

const REASON_MASKS: readonly Row[] = [
  ['(d)(2) some reasons', about(leaf, some), 'unknown: no lists for some of the reasons'],
  ['(d)(2) all reasons in two lists', about(leaf, some, rest), 'good'],
  [
    '(d)(2) revoked in the first',
    about(leaf, { ...some, revoked: [revoked] }, rest),
    'revoked keyCompromise',
  ],
  [
    '(d)(2) revoked in the second',
    about(leaf, some, { ...rest, revoked: [{ ...revoked, reason: 'superseded' }] }),
    'revoked superseded',
  ],
  [
    'revoked for a reason that the list is not for',
    about(leaf, some, { ...rest, revoked: [revoked] }),
    'revoked keyCompromise',
  ],
  [
    '(e) a list that adds nothing revokes',
    about(leaf, {}, { ...some, revoked: [revoked] }),
    'revoked keyCompromise',
  ],
  [
    '(d)(3) reasons of the point',
    about(withPoints([{ fullName: uriName, reasons: SOME }]), idp({ fullName: uriName })),
    'unknown: no lists for some of the reasons',
  ],
  [
    '(d)(3) two points',
    about(
      withPoints([
        { fullName: uriName, reasons: SOME },
        { fullName: uriName, reasons: REST },
      ]),
      idp({ fullName: uriName }),
    ),
    'good',
  ],
  [
    '(d)(1) both, and nothing in common',
    about(
      withPoints([{ fullName: uriName, reasons: SOME }]),
      idp({ fullName: uriName, onlySomeReasons: REST }),
    ),
    'unknown: for none of the reasons that are asked for',
  ],
  [
    'the reason "unused" covers nothing',
    about(leaf, idp({ onlySomeReasons: ['unused'] })),
    'unknown: for none of the reasons that are asked for',
  ],
];

describe.each([
  ['issuer and scope (section 6.3.3 (b))', SCOPE],
  ['reasons (section 6.3.3 (d), (e), (l))', REASON_MASKS],
])('CRL: %s', (_title, rows) => {
  it.each(rows)('%s', (_what, question, expected) => {
    expect(verdict(question)).toEqual(expected);
  });
});

it('finds no name among thousands in a moment', () => {
  const uris = (prefix: string): readonly Uint8Array[] =>
    Array.from({ length: 4_000 }, (_, index) => general.uri(`${prefix}:${index}`));
  const points = Array.from({ length: 3_000 }, () => ({ crlIssuer: [general.uri('u:')] }));
  const of = withPoints([{ fullName: uris('u') }]);
  const ofMany = withPoints(points);
  const lists = Array.from({ length: 20 }, () => idp({ fullName: uris('v') }));
  const started = performance.now();
  expect(verdict(about(of, ...lists))).toMatch(/^unknown: of another distribution point/u);
  expect(verdict(about(ofMany, ...lists))).toMatch(/^unknown: /u);
  expect(performance.now() - started).toBeLessThan(3_000); // about 0.2 s on a quiet machine
});
