/** Cases of x509-limbo `webpki::*`, built anew and validated with profile `webpki`. Ids are the suite's. */
import { generateKeyPairSync } from 'node:crypto';
import {
  NOT_AFTER,
  OID,
  authorityKeyIdentifier,
  basicConstraints,
  cRLDistributionPoints,
  extendedKeyUsage,
  extension,
  general,
  keyIdentifierOf,
  makeKey,
  nameConstraints,
  subjectAltName,
  type TestKey,
} from '../support/pki.ts';
import { generalizedTime, utf8String, writeInteger } from '../support/der.ts';
import { webpkiProfile } from '../../src/profile/webpki.ts';
import { intermediate, leaf, root, type Input } from './hierarchy.ts';
import { dns, ip, suite, type Built } from './verdict.ts';

const br = (section: string): string => `profile: BR section ${section}`;
const rfc = (section: string): string => `profile: RFC 5280 section ${section}`;
const HOST = [dns('host.example')];

/** A leaf whose common name is that of its subjectAltName, as long as a case does not say otherwise. */
const direct = (ofRoot: Input, ofLeaf: Input, names: Built['names'] = HOST): Built => {
  const anchor = root(ofRoot);
  return { profile: 'webpki', anchors: [anchor], leaf: leaf(anchor, ofLeaf), names };
};
const named = (
  names: readonly Uint8Array[],
  expected: Built['names'],
  subject: Input['subject'] = 'host.example',
): Built => direct({}, { subject, san: names }, expected);

suite('x509-limbo webpki::aki', [
  [
    'aki::root-with-aki-missing-keyidentifier',
    br('7.1.2.1.3'),
    () => direct({ aki: authorityKeyIdentifier({}) }, {}),
  ],
  [
    'aki::root-with-aki-authoritycertissuer',
    'malformed',
    () => {
      const key = makeKey('P-256', 'root with aki');
      return direct(
        {
          key,
          aki: authorityKeyIdentifier({ keyIdentifier: key.keyIdentifier, issuer: [general.directory('a')] }),
        },
        {},
      );
    },
  ],
  [
    'aki::root-with-aki-authoritycertserialnumber',
    'malformed',
    () => {
      const key = makeKey('P-256', 'root with aki');
      return direct(
        { key, aki: authorityKeyIdentifier({ keyIdentifier: key.keyIdentifier, serialNumber: 1234 }) },
        {},
      );
    },
  ],
  [
    'aki::root-with-aki-all-fields',
    br('7.1.2.1.3'),
    () => {
      const key = makeKey('P-256', 'root with aki');
      return direct(
        {
          key,
          aki: authorityKeyIdentifier({
            keyIdentifier: key.keyIdentifier,
            issuer: [general.directory('a')],
            serialNumber: 1234,
          }),
        },
        {},
      );
    },
  ],
  [
    'aki::root-with-aki-ski-mismatch',
    br('7.1.2.1.3'),
    () =>
      direct(
        { aki: authorityKeyIdentifier({ keyIdentifier: makeKey('P-256', 'throwaway').keyIdentifier }) },
        {},
      ),
  ],
  [
    'aki: a root with its own key identifier',
    'valid',
    () => {
      const key = makeKey('P-256', 'root with aki');
      return direct({ key, aki: authorityKeyIdentifier({ keyIdentifier: key.keyIdentifier }) }, {});
    },
  ],
  [
    'aki: a leaf with the issuer by name and number',
    br('7.1.2.11.1'),
    () => {
      const key = makeKey('P-256', 'root by name');
      return direct(
        { key },
        {
          aki: authorityKeyIdentifier({
            keyIdentifier: key.keyIdentifier,
            issuer: [general.directory('suite root')],
            serialNumber: 1,
          }),
        },
      );
    },
  ],
  ['aki: none in a leaf', rfc('4.2.1.1'), () => direct({}, { aki: null })],
]);

const usages = (...eku: string[]): Built => direct({}, { eku });

suite('x509-limbo webpki::eku', [
  ['eku::ee-anyeku', br('7.1.2.7.10'), () => usages(OID.serverAuth, OID.anyExtendedKeyUsage)],
  [
    'eku::ee-critical-eku',
    br('7.1.2.7.6'),
    () => direct({}, { eku: extendedKeyUsage([OID.serverAuth], true) }),
  ],
  ['eku::ee-without-eku', br('7.1.2.7.6'), () => direct({}, { eku: null })],
  ['eku::root-has-eku', br('7.1.2.1.2'), () => direct({ eku: [OID.serverAuth] }, {})],
  ['eku::ee-clientauth-only', 'extended_key_usage', () => usages(OID.clientAuth)],
  [
    'eku::ee-clientauth-only, any purpose',
    br('7.1.2.7.10'),
    () => ({ ...usages(OID.clientAuth), purpose: 'any' }),
  ],
  ['eku: a client', 'valid', () => ({ ...usages(OID.clientAuth), purpose: 'client' })],
  ['eku::ee-precertificate-only', 'extended_key_usage', () => usages('1.3.6.1.4.1.11129.2.4.4')],
  [
    'eku::ee-precertificate-with-serverauth',
    br('7.1.2.7.10'),
    () => usages(OID.serverAuth, '1.3.6.1.4.1.11129.2.4.4'),
  ],
  ['eku::ee-serverauth-with-additional', 'valid', () => usages(OID.serverAuth, OID.clientAuth)],
  ['eku::ee-codesigning-with-serverauth', br('7.1.2.7.10'), () => usages(OID.serverAuth, OID.codeSigning)],
  [
    'eku::ee-emailprotection-with-serverauth',
    br('7.1.2.7.10'),
    () => usages(OID.serverAuth, OID.emailProtection),
  ],
  [
    'eku::ee-timestamping-with-serverauth',
    br('7.1.2.7.10'),
    () => usages(OID.serverAuth, '1.3.6.1.5.5.7.3.8'),
  ],
  ['eku::ee-ocspsigning-with-serverauth', br('7.1.2.7.10'), () => usages(OID.serverAuth, OID.OCSPSigning)],
]);

suite('x509-limbo webpki::san', [
  ['san::exact-dns-san', 'valid', () => direct({}, {})],
  ['san::exact-localhost-ip-san', 'valid', () => named([general.ip(127, 0, 0, 1)], [ip('127.0.0.1')])],
  ['an address given as a name', 'valid', () => named([general.ip(127, 0, 0, 1)], [dns('127.0.0.1')])],
  ['san::mismatch-domain-san', 'name_mismatch', () => direct({}, {}, [dns('host2.example')])],
  [
    'san::mismatch-subdomain-san',
    'name_mismatch',
    () => named([general.dns('abc.host.example')], [dns('def.host.example')], 'abc.host.example'),
  ],
  ['san::mismatch-subdomain-apex-san', 'name_mismatch', () => direct({}, {}, [dns('abc.host.example')])],
  [
    'san::mismatch-apex-subdomain-san',
    'name_mismatch',
    () => named([general.dns('abc.host.example')], HOST, 'abc.host.example'),
  ],
  ['san::public-suffix-wildcard-san', br('3.2.2.6'), () => named([general.dns('*.example')], HOST)],
  [
    'san::public-suffix-multi-label-wildcard-san',
    br('3.2.2.6'),
    () => named([general.dns('*.co.uk')], [dns('host.co.uk')], 'a'),
  ],
  [
    'san::public-suffix-private-namespace-wildcard-san, with a list',
    br('3.2.2.6'),
    () => ({
      ...named([general.dns('*.pages.example')], [dns('host.pages.example')], 'a'),
      profile: webpkiProfile({ isPublicSuffix: (domain) => domain === 'pages.example' }),
    }),
  ],
  [
    'san::leftmost-wildcard-san',
    'valid',
    () => named([general.dns('*.host.example')], [dns('foo.host.example')]),
  ],
  [
    'san::wildcard-embedded-leftmost-san',
    rfc('4.2.1.6'),
    () => named([general.dns('ba*.host.example')], [dns('baz.host.example')], 'a'),
  ],
  [
    'san::wildcard-not-in-leftmost-san',
    rfc('4.2.1.6'),
    () => named([general.dns('foo.*.host.example')], [dns('foo.bar.host.example')], 'a'),
  ],
  [
    'san::wildcard-match-across-labels-san',
    'name_mismatch',
    () => named([general.dns('*.host.example')], [dns('foo.bar.host.example')]),
  ],
  [
    'san::wildcard-embedded-ulabel-san',
    rfc('4.2.1.6'),
    () => named([general.dns('xn--*-1b3c148a.host.example')], [dns('xn--bliss-1b3c148a.host.example')], 'a'),
  ],
  [
    'san::unicode-emoji-san',
    'malformed',
    () =>
      named(
        [Uint8Array.from([0x82, 17, ...Buffer.from('😜.host.example')])],
        [dns('xn--628h.host.example')],
        'a',
      ),
  ],
  ['san::san-wildcard-only', rfc('4.2.1.6'), () => named([general.dns('*')], HOST)],
  ['san::san-wildcard-only-tld', rfc('4.2.1.6'), () => named([general.dns('*')], [dns('example')])],
  ['san::no-san', br('7.1.2.7.12'), () => direct({}, { san: null })],
  [
    'san::san-critical-with-nonempty-subject',
    br('7.1.2.7.12'),
    () => direct({}, { subject: 'something else', san: subjectAltName([general.dns('host.example')], true) }),
  ],
  [
    'a critical san without subject',
    'valid',
    () => direct({}, { subject: [], san: subjectAltName([general.dns('host.example')], true) }),
  ],
  [
    'a name of another form',
    br('7.1.2.7.12'),
    () => named([general.dns('host.example'), general.uri('https://host.example/')], HOST),
  ],
]);

const v6 = (...groups: number[]): Uint8Array =>
  general.ip(...groups.flatMap((group) => [group >> 8, group & 0xff]));

suite('x509-limbo webpki::cn', [
  [
    'cn::ipv4-hex-mismatch',
    br('7.1.4.3'),
    () => named([general.ip(192, 168, 1, 1)], [ip('192.168.1.1')], '0xC0A80101'),
  ],
  [
    'cn::ipv4-leading-zeros-mismatch',
    br('7.1.4.3'),
    () => named([general.ip(192, 168, 1, 1)], [ip('192.168.1.1')], '192.168.001.001'),
  ],
  ['cn: IPv4', 'valid', () => named([general.ip(192, 168, 1, 1)], [ip('192.168.1.1')], '192.168.1.1')],
  [
    'cn::ipv6-uppercase-mismatch',
    br('7.1.4.3'),
    () =>
      named(
        [v6(0x2001, 0xdb8, 0, 0, 0, 0x8a2e, 0x370, 0x7334)],
        [ip('2001:db8::8a2e:370:7334')],
        '2001:DB8::8A2E:370:7334',
      ),
  ],
  [
    'cn::ipv6-uncompressed-mismatch',
    br('7.1.4.3'),
    () =>
      named(
        [v6(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)],
        [ip('2001:db8::1')],
        '2001:0db8:0000:0000:0000:0000:0000:0001',
      ),
  ],
  [
    'cn::ipv6-non-rfc5952-mismatch',
    br('7.1.4.3'),
    () => named([v6(0x2001, 0xdb8, 0, 0, 1, 0, 0, 1)], [ip('2001:db8::1:0:0:1')], '2001:db8:0:0:1:0:0:1'),
  ],
  [
    'cn: IPv6, the first of two runs',
    'valid',
    () => named([v6(0x2001, 0xdb8, 0, 0, 1, 0, 0, 1)], [ip('2001:db8::1:0:0:1')], '2001:db8::1:0:0:1'),
  ],
  [
    'cn: IPv6, a run at the end',
    'valid',
    () => named([v6(1, 0, 2, 0, 0, 0, 0, 0)], [ip('1:0:2::')], '1:0:2::'),
  ],
  [
    'cn: IPv6, one zero group',
    'valid',
    () => named([v6(1, 0, 2, 3, 4, 5, 6, 7)], [ip('1:0:2:3:4:5:6:7')], '1:0:2:3:4:5:6:7'),
  ],
  [
    'cn::punycode-not-in-san',
    br('7.1.4.3'),
    () => named([general.dns('xn--n3h.example')], [dns('xn--n3h.example')], 'xn--nxasmq6b.example'),
  ],
  [
    'cn::utf8-vs-punycode-mismatch',
    br('7.1.4.3'),
    () =>
      named(
        [general.dns('xn--test--wg5h0h.example')],
        [dns('xn--test--wg5h0h.example')],
        [['CN', utf8String('test-測試.example')]],
      ),
  ],
  [
    'cn::not-in-san',
    br('7.1.4.3'),
    () =>
      named(
        [general.dns('valid.host.example'), general.dns('another.host.example')],
        [dns('valid.host.example')],
        'notinsan.host.example',
      ),
  ],
  ['cn::case-mismatch', br('7.1.4.3'), () => named([general.dns('host.example')], HOST, 'Host.Example')],
  [
    'cn: a wildcard',
    'valid',
    () => named([general.dns('*.host.example')], [dns('a.host.example')], '*.host.example'),
  ],
  ['cn: what looks like no server', 'valid', () => named([general.dns('host.example')], HOST, 'Example Ltd')],
  ['cn: none', 'valid', () => named([general.dns('host.example')], HOST, [['O', 'Example']])],
]);

/** A key that the helpers do not make. */
function keyOf(
  { privateKey, publicKey }: ReturnType<typeof generateKeyPairSync>,
  scheme: TestKey['kind'],
): TestKey {
  if (typeof publicKey === 'string' || publicKey instanceof Uint8Array)
    throw new TypeError('a KeyObject is wanted');
  const spki = new Uint8Array(publicKey.export({ type: 'spki', format: 'der' }));
  return { kind: scheme, privateKey, publicKey, spki, keyIdentifier: keyIdentifierOf(spki) };
}
const rsa2052 = (): TestKey => keyOf(generateKeyPairSync('rsa', { modulusLength: 2052 }), 'RSA-2048');
const p192 = (): TestKey => keyOf(generateKeyPairSync('ec', { namedCurve: 'prime192v1' }), 'P-256');
const explicitCurve = (): TestKey => {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256', paramEncoding: 'explicit' });
  return keyOf(pair, 'P-256');
};
const dsa = (): TestKey =>
  keyOf(generateKeyPairSync('dsa', { modulusLength: 2048, divisorLength: 256 }), 'P-256');

suite('x509-limbo webpki, keys', [
  ['forbidden-p192-root', 'key_refused', () => direct({ key: p192() }, {})],
  ['forbidden-p192-leaf', 'key_refused', () => direct({}, { key: p192() })],
  ['forbidden-dsa-leaf', 'key_refused', () => direct({}, { key: dsa() })],
  ['forbidden-weak-rsa-key-in-root', 'key_refused', () => direct({ key: 'RSA-1024' }, {})],
  ['forbidden-weak-rsa-in-leaf', 'key_refused', () => direct({}, { key: 'RSA-1024' })],
  ['forbidden-rsa-not-divisable-by-8-in-root', br('6.1.5'), () => direct({ key: rsa2052() }, {})],
  ['forbidden-rsa-key-not-divisable-by-8-in-leaf', br('6.1.5'), () => direct({}, { key: rsa2052() })],
  ['explicit-curve', 'key_refused', () => direct({}, { key: explicitCurve() })],
  ['RSA', 'valid', () => direct({ key: 'RSA-2048' }, { key: 'RSA-2048' })],
  ['Ed25519', br('7.1.3.1'), () => direct({}, { key: 'Ed25519' })],
  ['ku::ee-rsa-without-any-usages', 'malformed', () => direct({}, { key: 'RSA-2048', usage: [] })],
]);

suite('x509-limbo webpki', [
  [
    'malformed-aia',
    'malformed',
    () => direct({}, { more: [extension(OID.authorityInfoAccess, new TextEncoder().encode('malformed'))] }),
  ],
  ['v1-cert', rfc('4.2.1.1'), () => ({ ...direct({}, { only: [] }), profile: 'rfc5280' })],
  ['v1-cert, webpki', br('7.1.1'), () => direct({}, { only: [] })],
  ['ee-basicconstraints-ca', br('7.1.2.7.8'), () => direct({}, { basic: basicConstraints(true) })],
  [
    'ca-as-leaf',
    br('7.1.2.7.8'),
    () => {
      const anchor = root();
      return {
        profile: 'webpki',
        anchors: [anchor],
        leaf: intermediate(anchor, {
          eku: [OID.serverAuth],
          usage: ['keyCertSign', 'digitalSignature'],
          san: [general.dns('ca.example')],
        }),
        names: [dns('ca.example')],
      };
    },
  ],
  [
    'nc::permitted-dns-match-noncritical',
    'valid',
    () => direct({ more: [nameConstraints({ permitted: [general.dns('host.example')] }, false)] }, {}),
  ],
  [
    'validity: a GeneralizedTime before 2050',
    rfc('4.1.2.5'),
    () => direct({}, { notAfter: generalizedTime(NOT_AFTER) }),
  ],
  [
    'validity: a GeneralizedTime after 2049',
    'valid',
    () => direct({}, { notAfter: new Date('2050-01-01T00:00:00Z') }),
  ],
  [
    'validity: a GeneralizedTime before 2050 in the root',
    'valid',
    () => direct({ notAfter: generalizedTime(NOT_AFTER) }, {}),
  ],
  ['serial: negative', br('7.1.2'), () => direct({}, { serial: -1 })],
  ['serial: zero', br('7.1.2'), () => direct({}, { serial: writeInteger(0) })],
  ['serial: 21 octets', br('7.1.2'), () => direct({}, { serial: 2n ** 159n })],
  ['cRLSign of a leaf', br('7.1.2.7.11'), () => direct({}, { usage: ['digitalSignature', 'cRLSign'] })],
  [
    'crl::idp: a distribution point with more than URIs',
    br('7.1.2.11.2'),
    () =>
      direct(
        {},
        {
          more: [
            cRLDistributionPoints([
              { fullName: [general.uri('http://host.example/crl'), general.dns('host.example')] },
            ]),
          ],
        },
      ),
  ],
  [
    'a distribution point for some reasons',
    br('7.1.2.11.2'),
    () =>
      direct(
        {},
        {
          more: [
            cRLDistributionPoints([
              { fullName: [general.uri('http://host.example/crl')], reasons: ['keyCompromise'] },
            ]),
          ],
        },
      ),
  ],
  [
    'a distribution point of another issuer',
    br('7.1.2.11.2'),
    () =>
      direct(
        {},
        {
          more: [
            cRLDistributionPoints([
              { fullName: [general.uri('http://host.example/crl')], crlIssuer: [general.directory('a')] },
            ]),
          ],
        },
      ),
  ],
  [
    'a distribution point of URIs',
    'valid',
    () =>
      direct({}, { more: [cRLDistributionPoints([{ fullName: [general.uri('http://host.example/crl')] }])] }),
  ],
]);
