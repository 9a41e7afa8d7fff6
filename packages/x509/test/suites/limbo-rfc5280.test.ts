/** Cases of x509-limbo `rfc5280::*` (without name constraints and CRLs), built anew. Ids are the suite's. */
import {
  OID,
  basicConstraints,
  extendedKeyUsage,
  extension,
  general,
  keyUsage,
  makeKey,
  nameConstraints,
  policyConstraints,
  subjectAltName,
  authorityKeyIdentifier,
  authorityInfoAccess,
} from '../support/pki.ts';
import { boolean, fromHex, writeInteger, writeOid, writeSequence } from '../support/der.ts';
import { intermediate, leaf, root, type Input } from './hierarchy.ts';
import { dns, suite, type Built } from './verdict.ts';

const HOST = [dns('host.example')];
const CRITICAL_UNKNOWN = extension('1.3.6.1.4.1.55738.666.1', new Uint8Array(), true);
const rfc = (section: string): string => `profile: RFC 5280 section ${section}`;

/** root -> leaf */
const direct = (ofRoot: Input = {}, ofLeaf: Input = {}): Built => {
  const anchor = root(ofRoot);
  return { anchors: [anchor], leaf: leaf(anchor, ofLeaf), names: HOST };
};
/** root -> intermediate -> leaf */
const through = (ofIntermediate: Input, ofRoot: Input = {}, ofLeaf: Input = {}): Built => {
  const anchor = root(ofRoot);
  const ca = intermediate(anchor, ofIntermediate);
  return { anchors: [anchor], intermediates: [ca], leaf: leaf(ca, ofLeaf), names: HOST };
};
const year = (y: number): Date => new Date(Date.UTC(y, 0, 1));
const valid = (from: number, to: number): Input => ({ notBefore: year(from), notAfter: year(to) });
const critical = (oid: string, value: Uint8Array): Uint8Array => extension(oid, value, true);
const inside = (whole: Uint8Array): Uint8Array => whole.subarray(whole.indexOf(0x04, 7) + 2);

suite('x509-limbo rfc5280::aki and ::ski', [
  [
    'aki::critical-aki',
    rfc('4.2.1.1'),
    () => {
      const key = makeKey('P-256', 'critical aki');
      return direct({
        key,
        aki: critical(
          OID.authorityKeyIdentifier,
          inside(authorityKeyIdentifier({ keyIdentifier: key.keyIdentifier })),
        ),
      });
    },
  ],
  ['aki::leaf-missing-aki', rfc('4.2.1.1'), () => direct({}, { aki: null })],
  ['aki::intermediate-missing-aki', rfc('4.2.1.1'), () => through({ aki: null })],
  [
    'aki: the extension without keyIdentifier',
    rfc('4.2.1.1'),
    () =>
      direct(
        {},
        { aki: authorityKeyIdentifier({ issuer: [general.directory('suite root')], serialNumber: 1 }) },
      ),
  ],
  ['aki::self-signed-root-missing-aki', 'valid', () => direct({ aki: null })],
  [
    'aki::cross-signed-root-missing-aki',
    rfc('4.2.1.1'),
    () => {
      const anchor = intermediate(root(), { pathLen: 0, aki: null });
      return { anchors: [anchor], leaf: leaf(anchor), names: HOST };
    },
  ],
  [
    'ski::critical-ski',
    rfc('4.2.1.2'),
    () => direct({ ski: critical(OID.subjectKeyIdentifier, fromHex('0402aabb')) }),
  ],
  ['ski::root-missing-ski', rfc('4.2.1.2'), () => direct({ ski: null })],
  ['ski::intermediate-missing-ski', rfc('4.2.1.2'), () => through({ ski: null })],
  ['ski: of a leaf is a SHOULD', 'valid', () => direct({}, { ski: null })],
  [
    'ski: a leaf that is a CA',
    rfc('4.2.1.2'),
    () => {
      const anchor = root();
      return { anchors: [anchor], leaf: intermediate(anchor, { ski: null }) };
    },
  ],
]);

suite('x509-limbo rfc5280::serial', [
  ['serial::too-long', rfc('4.1.2.2'), () => direct({}, { serial: 2n ** 170n })],
  ['serial: 20 octets', 'valid', () => direct({}, { serial: 2n ** 158n })],
  ['serial: 21 octets, the first for the sign', rfc('4.1.2.2'), () => direct({}, { serial: 2n ** 159n })],
  ['serial::zero', rfc('4.1.2.2'), () => direct({}, { serial: 0 })],
  ['serial: zero in an intermediate', rfc('4.1.2.2'), () => through({ serial: 0 })],
  ['serial: zero in a root', 'valid', () => direct({ serial: 0 })],
  ['serial: negative in a leaf (NIST 4.4.14)', 'valid', () => direct({}, { serial: -1 })],
  ['serial: negative in an intermediate', rfc('4.1.2.2'), () => through({ serial: -1 })],
  [
    'serial::negative (a leaf that is the anchor)',
    rfc('4.1.2.2'),
    () => {
      const only = root({ serial: -128, san: [general.dns('host.example')] });
      return { anchors: [only], leaf: only, names: HOST };
    },
  ],
]);

suite('x509-limbo rfc5280::validity', [
  [
    'validity::expired-root',
    'expired',
    () => ({ ...through(valid(2016, 2026), valid(2016, 2020), valid(2018, 2023)), at: year(2022) }),
  ],
  [
    'validity::expired-intermediate',
    'expired',
    () => ({ ...through(valid(2016, 2020), valid(2016, 2026), valid(2018, 2023)), at: year(2022) }),
  ],
  [
    'validity::expired-leaf',
    'expired',
    () => ({ ...through(valid(2016, 2026), valid(2016, 2026), valid(2018, 2021)), at: year(2022) }),
  ],
  [
    'validity: a leaf of tomorrow',
    'not_yet_valid',
    () => ({ ...direct(valid(2016, 2026), valid(2023, 2024)), at: year(2022) }),
  ],
  [
    'validity::notbefore-exact',
    'valid',
    () => ({ ...through(valid(2024, 2025), valid(2024, 2025), valid(2024, 2025)), at: year(2024) }),
  ],
  [
    'validity::notafter-exact',
    'valid',
    () => ({ ...through(valid(2024, 2025), valid(2024, 2025), valid(2024, 2025)), at: year(2025) }),
  ],
  [
    'validity::notbefore-fractional',
    'not_yet_valid',
    () => ({
      ...through(valid(2024, 2025), valid(2024, 2025), valid(2024, 2025)),
      at: new Date(year(2024).getTime() - 1),
    }),
  ],
  [
    'validity::notafter-fractional',
    'valid',
    () => ({
      ...through(valid(2024, 2025), valid(2024, 2025), valid(2024, 2025)),
      at: new Date(year(2025).getTime() + 5),
    }),
  ],
  [
    'validity: a whole second late',
    'expired',
    () => ({
      ...through(valid(2024, 2025), valid(2024, 2025), valid(2024, 2025)),
      at: new Date(year(2025).getTime() + 1_000),
    }),
  ],
]);

suite('x509-limbo rfc5280::eku', [
  ['eku::ee-wrong-eku', 'extended_key_usage', () => direct({}, { eku: [OID.clientAuth] })],
  ['eku::ee-without-eku', 'valid', () => direct({}, { eku: null })],
  ['eku::ee-eku-empty', 'malformed', () => direct({}, { eku: extendedKeyUsage([]) })],
]);

suite('x509-limbo rfc5280::san', [
  [
    'san::malformed',
    'malformed',
    () => direct({}, { san: extension(OID.subjectAltName, new TextEncoder().encode('host.example')) }),
  ],
  ['san: no name', 'malformed', () => direct({}, { san: subjectAltName([]) })],
  ['san::noncritical-with-empty-subject', rfc('4.2.1.6'), () => direct({}, { subject: [] })],
  [
    'san: critical with an empty subject',
    'valid',
    () => direct({}, { subject: [], san: subjectAltName([general.dns('host.example')], true) }),
  ],
  [
    'san: neither subject nor san',
    rfc('4.1.2.6'),
    () => ({ ...direct({}, { subject: [], san: null }), names: [] }),
  ],
  [
    'san::underscore-dns',
    rfc('4.2.1.6'),
    () => direct({}, { san: [general.dns('host.example'), general.dns('under_score.example')] }),
  ],
  [
    'san::ip-in-dns',
    rfc('4.2.1.6'),
    () => direct({}, { san: [general.dns('host.example'), general.dns('192.0.2.1')] }),
  ],
  [
    'san: a space',
    rfc('4.2.1.6'),
    () => direct({}, { san: [general.dns('host.example'), general.dns(' ')] }),
  ],
  [
    'san: a name of one label',
    'valid',
    () => direct({}, { san: [general.dns('host.example'), general.dns('localhost')] }),
  ],
  ['san: an underscore in an anchor', 'valid', () => direct({ san: [general.dns('under_score.example')] })],
]);

suite('x509-limbo rfc5280::pc', [
  [
    'pc::ica-noncritical-pc',
    rfc('4.2.1.11'),
    () => through({ more: [extension(OID.policyConstraints, fromHex('3003800103'))] }),
  ],
  ['pc: critical', 'valid', () => through({ more: [policyConstraints({ requireExplicitPolicy: 3 })] })],
  [
    'inhibitAnyPolicy that is not critical',
    rfc('4.2.1.14'),
    () => through({ more: [extension(OID.inhibitAnyPolicy, writeInteger(3))] }),
  ],
]);

const AIA = authorityInfoAccess([[OID.caIssuers, general.dns('host.example')]]);
const ALL_BUT_CA: Input = { usage: keyUsage('digitalSignature') };

suite('x509-limbo rfc5280', [
  ['ee-empty-issuer', 'no_path', () => direct({}, { issuerName: [] })],
  ['ca-empty-subject', rfc('4.1.2.4'), () => direct({ subject: [] })],
  [
    'an intermediate with an empty subject',
    rfc('4.1.2.6'),
    () =>
      through({ subject: [], san: subjectAltName([general.dns('a.example')], true) }, {}, { issuerName: [] }),
  ],
  [
    'unknown-critical-extension-ee',
    'unknown_critical_extension',
    () => direct({}, { more: [CRITICAL_UNKNOWN] }),
  ],
  [
    'unknown-critical-extension-root',
    'unknown_critical_extension',
    () => direct({ more: [CRITICAL_UNKNOWN] }),
  ],
  [
    'unknown-critical-extension-intermediate',
    'unknown_critical_extension',
    () => through({ pathLen: 0, more: [CRITICAL_UNKNOWN] }),
  ],
  [
    'an unknown extension that is not critical',
    'valid',
    () => through({ more: [extension('1.3.6.1.4.1.55738.666.1', new Uint8Array())] }),
  ],
  [
    'chain-untrusted-root',
    'no_path',
    () => {
      const other = root();
      const ca = intermediate(other, { pathLen: 0 });
      return {
        anchors: [root({ subject: 'unrelated' })],
        intermediates: [other, ca],
        leaf: leaf(ca),
        names: HOST,
      };
    },
  ],
  ['intermediate-ca-without-ca-bit', 'not_a_ca', () => through({ basic: basicConstraints(false) })],
  ['intermediate-ca-missing-basic-constraints', 'not_a_ca', () => through({ basic: null })],
  ['root-missing-basic-constraints', 'not_a_ca', () => direct({ basic: null })],
  [
    'root-non-critical-basic-constraints',
    rfc('4.2.1.9'),
    () => direct({ basic: basicConstraints(true, undefined, false) }),
  ],
  [
    'basicConstraints of an intermediate that are not critical (NIST 4.6.4)',
    'valid',
    () => through({ basic: basicConstraints(true, undefined, false) }),
  ],
  ['root-inconsistent-ca-extensions', 'key_usage', () => direct(ALL_BUT_CA)],
  ['root without keyUsage', 'valid', () => direct({ usage: null })],
  ['ica-ku-keycertsign', 'key_usage', () => through({ pathLen: 0, ...ALL_BUT_CA })],
  [
    'pathLenConstraint of a leaf without keyCertSign',
    rfc('4.2.1.9'),
    () => direct({}, { basic: basicConstraints(true, 0) }),
  ],
  [
    'pathLenConstraint of a leaf that is no CA',
    rfc('4.2.1.9'),
    () => direct({}, { basic: extension(OID.basicConstraints, fromHex('3003020100'), true) }),
  ],
  [
    'leaf-ku-keycertsign',
    rfc('4.2.1.3'),
    () => direct({}, { basic: basicConstraints(false), usage: ['digitalSignature', 'keyCertSign'] }),
  ],
  ['a key usage without any bit', 'malformed', () => direct({}, { usage: [] })],
  ['ee-aia', 'valid', () => direct({}, { more: [AIA] })],
  [
    'ee-critical-aia-invalid',
    rfc('4.2.2.1'),
    () => direct({}, { more: [critical(OID.authorityInfoAccess, inside(AIA))] }),
  ],
  [
    'a critical subjectInfoAccess',
    rfc('4.2.2.2'),
    () => direct({}, { more: [critical(OID.subjectInfoAccess, inside(AIA))] }),
  ],
  [
    'duplicate-extensions',
    'malformed',
    () => direct({}, { more: [subjectAltName([general.dns('host.example')])] }),
  ],
  ['no-keyusage', 'valid', () => direct({}, { usage: null })],
  ['no-basicconstraints', 'valid', () => direct({}, { basic: null })],
  [
    'explicit FALSE of cA, which DER leaves out',
    'valid',
    () => direct({}, { basic: extension(OID.basicConstraints, writeSequence(boolean(false))) }),
  ],
  [
    'mismatching-signature-algorithm',
    'algorithm_mismatch',
    () =>
      through({
        mapFields: (fields) =>
          fields.map((field, i) => (i === 2 ? writeSequence(writeOid('1.2.840.10045.4.3.3')) : field)),
      }),
  ],
  [
    'ca-as-leaf',
    'valid',
    () => {
      const anchor = root();
      return {
        anchors: [anchor],
        leaf: intermediate(anchor, { san: [general.dns('ca.example')] }),
        names: [dns('ca.example')],
      };
    },
  ],
  [
    'ca-as-leaf-wrong-san',
    'name_mismatch',
    () => {
      const anchor = root();
      return {
        anchors: [anchor],
        leaf: intermediate(anchor, { san: [general.dns('ca.example')] }),
        names: [dns('other.example')],
      };
    },
  ],
  [
    'root-and-intermediate-swapped',
    'valid',
    () => {
      const outer = root();
      const anchor = intermediate(outer);
      return { anchors: [anchor], intermediates: [outer], leaf: leaf(anchor), names: HOST };
    },
  ],
  [
    'nc::not-allowed-in-ee-noncritical',
    rfc('4.2.1.10'),
    () => direct({}, { more: [nameConstraints({ permitted: [general.dns('host.example')] }, false)] }),
  ],
  [
    'nc::not-allowed-in-ee-critical',
    rfc('4.2.1.10'),
    () => direct({}, { more: [nameConstraints({ permitted: [general.dns('host.example')] })] }),
  ],
  [
    'name constraints of a leaf that is a CA',
    'valid',
    () => {
      const anchor = root();
      return {
        anchors: [anchor],
        leaf: intermediate(anchor, { more: [nameConstraints({ permitted: [general.dns('host.example')] })] }),
      };
    },
  ],
]);

const mlDsa = (kind: 'ML-DSA-44' | 'ML-DSA-65' | 'ML-DSA-87', ofLeaf: Input = {}): Built =>
  direct({ key: makeKey(kind, 'root') }, { key: makeKey(kind, 'leaf'), ...ofLeaf });

suite('x509-limbo rfc9881', [
  ['ml-dsa-44', 'valid', () => mlDsa('ML-DSA-44')],
  ['ml-dsa-65', 'valid', () => mlDsa('ML-DSA-65')],
  ['ml-dsa-87', 'valid', () => mlDsa('ML-DSA-87')],
  [
    'ml-dsa-44-bad-signature',
    'signature_invalid',
    () => {
      const anchor = root({ key: makeKey('ML-DSA-44', 'root') });
      const impostor = root({ key: makeKey('ML-DSA-44', 'impostor') });
      return {
        anchors: [anchor],
        leaf: leaf(impostor, { aki: authorityKeyIdentifier({ keyIdentifier: anchor.key.keyIdentifier }) }),
        names: HOST,
      };
    },
  ],
  [
    'ml-dsa-44-key-encipherment',
    'profile: RFC 9881 section 5',
    () => mlDsa('ML-DSA-44', { usage: ['digitalSignature', 'keyEncipherment'] }),
  ],
  [
    'ml-dsa-44-key-agreement',
    'profile: RFC 9881 section 5',
    () => mlDsa('ML-DSA-44', { usage: ['digitalSignature', 'keyAgreement'] }),
  ],
  [
    'Ed25519 with keyAgreement',
    'profile: RFC 9295 section 3',
    () => direct({}, { key: 'Ed25519', usage: ['digitalSignature', 'keyAgreement'] }),
  ],
]);
