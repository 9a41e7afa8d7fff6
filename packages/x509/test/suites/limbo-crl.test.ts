/** Cases of x509-limbo `crl::*`, `rfc5280::crl::*` and `webpki::crl::*`, built anew. Ids are the suite's. */
import { parseCertificateList } from '../../src/revocation/crl/parse.ts';
import {
  AT,
  OID,
  authorityKeyIdentifier,
  cRLDistributionPoints,
  extension,
  general,
  issuingDistributionPoint,
  makeCrl,
  makeKey,
  type CrlInput,
  type Issued,
  type RevokedInput,
} from '../support/pki.ts';
import { attribute, generalizedTime, writeInteger } from '../support/der.ts';
import { intermediate, leaf, root, type Input } from './hierarchy.ts';
import { dns, suite, type Built } from './verdict.ts';

const days = (count: number): Date => new Date(AT.getTime() + count * 86_400_000);
const SERIAL = 0x1234;
const OTHERS: readonly RevokedInput[] = [
  { serial: 77, at: days(-1) },
  { serial: 78, at: days(-2) },
];
const REVOKED: readonly RevokedInput[] = [{ serial: SERIAL, at: days(-1) }];
const UNKNOWN = '1.3.6.1.4.1.55738.666.1';

/** A list of `signer` with its CRL number and key identifier. */
function list(signer: Issued, input: CrlInput = {}): Uint8Array {
  const { extensions = [], ...rest } = input;
  const identifier = authorityKeyIdentifier({ keyIdentifier: signer.key.keyIdentifier });
  return makeCrl({
    issuer: signer.subject,
    signer: signer.key,
    thisUpdate: days(-1),
    nextUpdate: days(30),
    revoked: OTHERS,
    crlNumber: 12,
    extensions: [identifier, ...extensions],
    ...rest,
  });
}

/** A list that is malformed is not there. */
function asked(
  anchors: readonly Issued[],
  target: Issued,
  lists: readonly Uint8Array[],
  intermediates: readonly Issued[] = [],
): Built {
  const crls = lists
    .map((der) => parseCertificateList(der))
    .flatMap((parsed) => (parsed.ok ? [parsed.value] : []));
  return {
    anchors,
    intermediates,
    leaf: target,
    names: [dns('host.example')],
    revocation: { mode: 'crl', crls },
  };
}

const direct = (input: CrlInput = {}, ofRoot: Input = {}, ofLeaf: Input = {}): Built => {
  const anchor = root(ofRoot);
  return asked([anchor], leaf(anchor, { serial: SERIAL, ...ofLeaf }), [list(anchor, input)]);
};

const U = 'revocation_unknown';

suite('x509-limbo rfc5280::crl', [
  ['revoked-certificate-with-crl', 'revoked', () => direct({ revoked: REVOKED })],
  ['certificate-not-on-crl', 'valid', () => direct()],
  [
    'crlnumber-missing',
    U,
    () => {
      const anchor = root();
      const identifier = authorityKeyIdentifier({ keyIdentifier: anchor.key.keyIdentifier });
      const crl = makeCrl({
        issuer: anchor.subject,
        signer: anchor.key,
        thisUpdate: days(-1),
        nextUpdate: days(30),
        revoked: OTHERS,
        extensions: [identifier],
      });
      return asked([anchor], leaf(anchor), [crl]);
    },
  ],
  [
    'crlnumber-critical',
    U,
    () => {
      const anchor = root();
      const extensions = [
        authorityKeyIdentifier({ keyIdentifier: anchor.key.keyIdentifier }),
        extension(OID.cRLNumber, writeInteger(12), true),
      ];
      const crl = makeCrl({
        issuer: anchor.subject,
        signer: anchor.key,
        thisUpdate: days(-1),
        nextUpdate: days(30),
        revoked: OTHERS,
        extensions,
      });
      return asked([anchor], leaf(anchor), [crl]);
    },
  ],
  [
    'certificate-serial-on-crl-different-issuer',
    'valid',
    () => {
      const [one, two] = [root({ subject: 'one' }), root({ subject: 'two' })];
      return asked([one, two], leaf(one, { serial: SERIAL }), [
        list(one, { revoked: [] }),
        list(two, { revoked: REVOKED }),
      ]);
    },
  ],
  ['issuer-missing-crlsign', U, () => direct({}, { usage: ['keyCertSign'] })],
  ['issuer-no-keyusage-extension', 'valid', () => direct({}, { usage: null })],
  ['issuer-valid-crlsign-and-keycertsign', 'valid', () => direct({}, { usage: ['keyCertSign', 'cRLSign'] })],
  ['crl-invalid-signature', U, () => direct({ signer: makeKey('P-256', 'ephemeral') })],
  [
    'crl-wrong-signing-key',
    U,
    () => {
      const [one, two] = [root({ subject: 'one' }), root({ subject: 'two' })];
      return asked([one, two], leaf(one), [list(two, { issuer: one.subject })]);
    },
  ],
  ['crl-empty', 'valid', () => direct({ revoked: [] })],
  [
    'crl-very-large',
    'valid',
    () =>
      direct({
        revoked: Array.from({ length: 10_000 }, (_, i) => ({ serial: 1_000_000 + i, at: days(-1) })),
      }),
  ],
  [
    'crl-unknown-critical-extension',
    U,
    () => direct({ extensions: [extension(UNKNOWN, new Uint8Array(), true)] }),
  ],
  [
    'crl-unknown-noncritical-extension',
    'valid',
    () => direct({ extensions: [extension(UNKNOWN, new Uint8Array())] }),
  ],
  [
    'entry-unknown-noncritical-extension',
    'revoked',
    () =>
      direct({
        revoked: [{ serial: SERIAL, at: days(-1), extensions: [extension(UNKNOWN, new Uint8Array())] }],
      }),
  ],
  ['this-update-in-future', U, () => direct({ thisUpdate: days(1) })],
  ['next-update-in-past', U, () => direct({ thisUpdate: days(-60), nextUpdate: days(-30) })],
  ['revocation-date-in-future', 'revoked', () => direct({ revoked: [{ serial: SERIAL, at: days(1) }] })],
  [
    'revocation-date-before-not-before',
    'revoked',
    () => direct({ revoked: [{ serial: SERIAL, at: days(-60) }] }, {}, { notBefore: days(-30) }),
  ],
  [
    'crl-validity-no-overlap',
    U,
    () => direct({ thisUpdate: days(-365), nextUpdate: days(-180) }, {}, { notBefore: days(-30) }),
  ],
]);

// What an entry with an unknown critical extension says is not known: nothing on the list is (section 5.3). Limbo asks for a refusal.
suite('x509-limbo rfc5280::crl, an entry that cannot be read', [
  [
    'entry-unknown-critical-extension',
    U,
    () =>
      direct({
        revoked: [{ serial: SERIAL, at: days(-1), extensions: [extension(UNKNOWN, new Uint8Array(), true)] }],
      }),
  ],
]);

const URI = 'http://host.example/partition.crl';
const cdp = (...fullName: Uint8Array[]): Input => ({ more: [cRLDistributionPoints([{ fullName }])] });
const idp = (value: Parameters<typeof issuingDistributionPoint>[0]): CrlInput => ({
  extensions: [issuingDistributionPoint(value)],
});

suite('x509-limbo crl::idp', [
  [
    'idp-cdp-scope-mismatch',
    U,
    () =>
      direct(idp({ fullName: [general.uri('http://host.example/other.crl')] }), {}, cdp(general.uri(URI))),
  ],
  [
    'idp-cdp-scope-match',
    'valid',
    () => direct(idp({ fullName: [general.uri(URI)] }), {}, cdp(general.uri(URI))),
  ],
  [
    'idp-only-contains-user-certs-ca-target',
    U,
    () => {
      const anchor = root();
      const ca = intermediate(anchor);
      return asked([anchor], leaf(ca), [list(anchor, idp({ onlyContainsUserCerts: true })), list(ca)], [ca]);
    },
  ],
  ['idp-only-contains-ca-certs-ee-target', U, () => direct(idp({ onlyContainsCACerts: true }))],
  ['idp-present-certificate-missing-cdp', U, () => direct(idp({ fullName: [general.uri(URI)] }))],
  ['idp-only-contains-attribute-certs', U, () => direct(idp({ onlyContainsAttributeCerts: true }))],
  [
    'cabf::idp-name-relative-to-crl-issuer',
    U,
    () => direct(idp({ relative: [attribute('CN', 'partition')] })),
  ],
  [
    'cabf::idp-only-some-reasons-no-complete-crl',
    U,
    () =>
      direct(
        idp({ fullName: [general.uri(URI)], onlySomeReasons: ['keyCompromise'] }),
        {},
        cdp(general.uri(URI)),
      ),
  ],
  [
    'cabf::idp-uri-not-byte-identical',
    U,
    () =>
      direct(
        idp({ fullName: [general.uri('http://host.example/partition%2ecrl')] }),
        {},
        cdp(general.uri(URI)),
      ),
  ],
]);

const forWeb = (built: Built): Built => ({ ...built, profile: 'webpki' });
const mixed = (): Built =>
  direct(idp({ fullName: [general.uri(URI), general.dns('host.example')] }), {}, cdp(general.uri(URI)));
const mixedPoint = (): Built =>
  direct(idp({ fullName: [general.uri(URI)] }), {}, cdp(general.uri(URI), general.dns('host.example')));
const indirect = (): Built =>
  direct(idp({ fullName: [general.uri(URI)], indirectCRL: true }), {}, cdp(general.uri(URI)));
const twice = (): Built => direct({ revoked: [...OTHERS, ...OTHERS] });

// One name in common is enough for RFC 5280 section 6.3.3 (b)(2)(i), NIST's 4.14.22 asserts indirectCRL so, and that a serial
// number is there twice is nowhere forbidden by the RFC. The CA/Browser Forum forbids each.
suite('x509-limbo crl, where the Baseline Requirements are stricter', [
  ['idp::idp-present-certificate-cdp-non-uri-generalname, rfc5280', 'valid', mixedPoint],
  [
    'idp::idp-present-certificate-cdp-non-uri-generalname, webpki',
    'profile: BR section 7.1.2.11.2',
    () => forWeb(mixedPoint()),
  ],
  ['cabf::idp-fullname-non-uri-generalname, rfc5280', 'valid', mixed],
  ['cabf::idp-fullname-non-uri-generalname, webpki', U, () => forWeb(mixed())],
  ['cabf::idp-indirect-crl, rfc5280', 'valid', indirect],
  ['cabf::idp-indirect-crl, webpki', U, () => forWeb(indirect())],
  ['structure::crl-duplicate-revoked-serial, rfc5280', 'valid', twice],
  ['webpki::crl::crl-duplicate-revoked-serial, webpki', U, () => forWeb(twice())],
  [
    'cabf::idp-name-relative-to-crl-issuer, webpki',
    U,
    () => forWeb(direct(idp({ relative: [attribute('CN', 'partition')] }))),
  ],
  [
    'a list and a point of URIs, webpki',
    'valid',
    () => forWeb(direct(idp({ fullName: [general.uri(URI)] }), {}, cdp(general.uri(URI)))),
  ],
]);

suite('x509-limbo crl, external: a malformed list is no evidence', [
  ['external::crl-invalid-version', U, () => direct({ revoked: REVOKED, version: writeInteger(2) })],
  [
    'external::crl-update-generalizedtime-2025',
    U,
    () =>
      direct({
        revoked: REVOKED,
        thisUpdate: generalizedTime(days(-1)),
        nextUpdate: generalizedTime(days(30)),
      }),
  ],
  ['external::crl-missing-next-update', U, () => direct({ revoked: REVOKED, nextUpdate: null })],
]);
