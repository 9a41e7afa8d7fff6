/**
 * Cases of Chromium's `net/data/crl_unittest` (BoringSSL's `pki/testdata/crl_unittest`), built anew. Ids are the suite's;
 * its lists have no CRL number, which RFC 5280 section 5.2.3 demands: here they have one.
 */
import { parseCertificateList } from '../../src/revocation/crl/parse.ts';
import { generalizedTime, printableString, writeOctetString, writeSequence } from '../support/der.ts';
import {
  AT,
  SCHEMES,
  cRLDistributionPoints,
  extension,
  general,
  issuingDistributionPoint,
  makeCrl,
  makeKey,
  type CrlInput,
  type Issued,
} from '../support/pki.ts';
import { intermediate, leaf, root, type Input } from './hierarchy.ts';
import { suite, type Built, type Row } from './verdict.ts';

const days = (count: number): Date => new Date(AT.getTime() + count * 86_400_000);
const U = 'revocation_unknown';
const URI = 'http://example.com/foo.crl';
const point = cRLDistributionPoints([{ fullName: [general.uri(URI)] }]);
const SERIAL = 0x2b;

const ca = root({ subject: 'Test Intermediate CA' });
const target = leaf(ca, { serial: SERIAL, more: [point] });
const newKey = intermediate(ca, { subject: 'Test Intermediate CA', more: [point] });

function list(input: CrlInput = {}, by: Issued = ca): Uint8Array {
  const isOld = input.version === null;
  return makeCrl({
    issuer: by.subject,
    signer: by.key,
    thisUpdate: days(-7),
    nextUpdate: days(90),
    ...(isOld ? {} : { crlNumber: 1 }),
    ...input,
  });
}

/** A list that does not parse is not there. */
function asked(lists: readonly Uint8Array[], more: Partial<Built> = {}): Built {
  const crls = lists
    .map((der) => parseCertificateList(der))
    .flatMap((parsed) => (parsed.ok ? [parsed.value] : []));
  return { anchors: [ca], leaf: target, revocation: { mode: 'crl', crls, clockSkewMs: 0 }, ...more };
}

const row = (id: string, expected: string, input: CrlInput, ofLeaf?: Input): Row => [
  id,
  expected,
  () => asked([list(input)], ofLeaf === undefined ? {} : { leaf: leaf(ca, { serial: SERIAL, ...ofLeaf }) }),
];
const revoked = (extensions: readonly Uint8Array[] = []): CrlInput => ({
  revoked: [
    { serial: SERIAL + 100, at: days(-30) },
    { serial: SERIAL, at: days(-30), extensions },
    { serial: SERIAL + 101, at: days(-30) },
  ],
});
const fake = (critical: boolean): Uint8Array => extension('1.2.3.4', Uint8Array.of(0x56, 0x78), critical);
const idp = (value: Parameters<typeof issuingDistributionPoint>[0]): CrlInput => ({
  extensions: [issuingDistributionPoint(value)],
});
const uri = { fullName: [general.uri(URI)] };
const users = { onlyContainsUserCerts: true };
const cas = { onlyContainsCACerts: true };
const noBasic: Input = { more: [point] };
/** The intermediate is the target: its list is the CA's. */
const ofCa = (id: string, expected: string, input: CrlInput): Row => [
  id,
  expected,
  () =>
    asked([list(input)], {
      leaf: intermediate(ca, { subject: 'sub', serial: SERIAL, more: [point] }),
      purpose: 'any',
    }),
];
const rolled = (id: string, expected: string, ...lists: readonly (() => Uint8Array)[]): Row => [
  id,
  expected,
  () =>
    asked(
      lists.map((make) => make()),
      { intermediates: [newKey], leaf: leaf(newKey, { serial: SERIAL, more: [point] }) },
    ),
];
/** Something that has no place there, behind the field with this number. */
const garbage = (id: string, at: number, input: CrlInput = {}): Row =>
  row(id, U, {
    ...revoked(),
    ...input,
    mapFields: (fields) => [
      ...fields.slice(0, at + 1),
      writeOctetString(Uint8Array.of(1)),
      ...fields.slice(at + 1),
    ],
  });
/** Field `at` is no such thing. */
const broken = (id: string, at: number): Row =>
  row(id, U, {
    mapFields: (fields) =>
      fields.map((field, index) =>
        index === at ? writeSequence(writeOctetString(Uint8Array.of(1))) : field,
      ),
  });

suite('Chromium crl_unittest', [
  row('good', 'valid', {}),
  row('good_issuer_name_normalization', 'valid', {
    issuer: [['CN', printableString('tEST  iNTERMEDIATE ca')]],
  }),
  row('good_fake_extension', 'valid', { extensions: [fake(false)] }),
  row('good_no_version', 'valid', { version: null }),
  row('good_no_crldp', 'valid', {}, {}),
  rolled(
    'good_key_rollover',
    'valid',
    () => list(),
    () => list({}, newKey),
  ),
  // As in NIST's 4.5: the one list of the CA, by its new key, is about the certificate of that key too.
  rolled('good_key_rollover, by the new key alone', 'valid', () => list({}, newKey)),
  rolled(
    'revoked_key_rollover',
    'revoked',
    () => list(),
    () => list(revoked(), newKey),
  ),
  rolled('bad_key_rollover_signature', U, () => list({ signer: makeKey('P-256', 'bad') }, newKey)),
  row(
    'good_idp_contains_uri',
    'valid',
    idp({
      fullName: [
        general.email('foo@example.com'),
        general.uri('http://zexample.com/foo.crl'),
        general.uri(URI),
      ],
    }),
  ),
  row('good_idp_onlycontainsusercerts', 'valid', idp(users)),
  row('good_idp_onlycontainsusercerts_no_basic_constraints', 'valid', idp(users), noBasic),
  row('good_idp_uri_and_onlycontainsusercerts', 'valid', idp({ ...uri, ...users })),
  ofCa('good_idp_onlycontainscacerts', 'valid', idp(cas)),
  ofCa('good_idp_uri_and_onlycontainscacerts', 'valid', idp({ ...uri, ...cas })),
  row('revoked', 'revoked', revoked()),
  row('revoked_fake_crlentryextension', 'revoked', revoked([fake(false)])),
  row('bad_fake_critical_extension', U, { extensions: [fake(true)] }),
  row('bad_fake_critical_crlentryextension', U, {
    revoked: [
      { serial: SERIAL, at: days(-30) },
      { serial: SERIAL + 1, at: days(-30), extensions: [fake(true)] },
    ],
  }),
  row('bad_signature', U, { signer: makeKey('P-256', 'bad') }),
  row('bad_thisupdate_in_future', U, { thisUpdate: days(1) }),
  row('bad_nextupdate_too_old', U, { nextUpdate: days(-1) }),
  row('bad_wrong_issuer', U, { issuer: 'Test Other Intermediate CA' }),
  row('bad_idp_contains_wrong_uri', U, idp({ fullName: [general.uri('http://example.com/FOO.CRL')] })),
  ofCa('bad_idp_onlycontainsusercerts', U, idp(users)),
  ofCa('bad_idp_uri_and_onlycontainsusercerts', U, idp({ ...uri, ...users })),
  row('bad_idp_onlycontainscacerts', U, idp(cas)),
  row('bad_idp_onlycontainscacerts_no_basic_constraints', U, idp(cas), noBasic),
  row('bad_idp_uri_and_onlycontainscacerts', U, idp({ ...uri, ...cas })),
  row('invalid_mismatched_signature_algorithm', U, { innerAlgorithm: SCHEMES['ecdsa-sha384'].algorithm }),
  row('invalid_revoked_empty_sequence', U, {
    mapFields: (fields) => [...fields.slice(0, 5), writeSequence(), ...fields.slice(5)],
  }),
  row('invalid_v1_with_extension', U, { version: null, extensions: [fake(false)] }),
  row('invalid_v1_with_crlentryextension', U, { version: null, ...revoked([fake(false)]) }),
  row('invalid_v1_explicit', U, { version: 0 }),
  row('invalid_v3', U, { version: 2 }),
  [
    'invalid_issuer_keyusage_no_crlsign',
    U,
    () => {
      const mute = root({ subject: 'mute', usage: ['keyCertSign'] });
      return asked([list({}, mute)], { anchors: [mute], leaf: leaf(mute) });
    },
  ],
  broken('invalid_garbage_tbs_signature_algorithm', 1),
  broken('invalid_garbage_issuer_name', 2),
  broken('invalid_garbage_thisupdate', 3),
  garbage('invalid_garbage_version', -1),
  garbage('invalid_garbage_after_thisupdate', 3),
  garbage('invalid_garbage_after_nextupdate', 4),
  garbage('invalid_garbage_after_revokedcerts', 5),
  garbage('invalid_garbage_after_extensions', 6),
  row('invalid_garbage_signaturealgorithm', U, { outerAlgorithm: writeOctetString(Uint8Array.of(1)) }),
  ['invalid_garbage_tbscertlist', U, () => asked([writeSequence(writeOctetString(Uint8Array.of(1)))])],
  ['invalid_garbage_crl', U, () => asked([Uint8Array.of(4, 1, 0)])],
  ['invalid_garbage_after_crl', U, () => asked([Buffer.concat([list(), Uint8Array.of(5, 0)])])],
]);

// Dates before 2050 are UTCTime and nextUpdate MUST be there: RFC 5280 sections 5.1.2.4, 5.1.2.5; so x509-limbo has it.
suite('Chromium crl_unittest, accepted there', [
  row('good_no_nextupdate', U, { nextUpdate: null }),
  row('good_generalizedtime', U, {
    thisUpdate: generalizedTime(days(-7)),
    nextUpdate: generalizedTime(days(90)),
  }),
  row('revoked_no_nextupdate', U, { ...revoked(), nextUpdate: null }),
  row('revoked_generalized_revocationdate', U, {
    revoked: [{ serial: SERIAL, at: generalizedTime(days(-30)) }],
  }),
]);

// A bound on the age of lists is nothing that the RFC knows; a CA's own list may be indirect, and a point of another issuer
// does not keep the CA's complete list from being one (section 6.3.3, last paragraph).
suite('Chromium crl_unittest, refused there', [
  row('bad_thisupdate_too_old', 'valid', { thisUpdate: days(-8) }),
  row('bad_idp_indirectcrl', 'valid', idp({ ...uri, indirectCRL: true })),
  row(
    'bad_crldp_has_crlissuer',
    'valid',
    {},
    { more: [cRLDistributionPoints([{ ...uri, crlIssuer: [general.directory('Test CRL Issuer CA')] }])] },
  ),
]);
