import {
  OID,
  basicConstraints,
  extension,
  general,
  keyUsage,
  subjectAltName,
  type Issued,
} from '../../test/support/pki.ts';
import { fromHex } from '../../test/support/der.ts';
import { intermediate, leaf, root, type Input } from '../../test/suites/hierarchy.ts';
import { suite, type Built } from '../../test/suites/verdict.ts';

const spiffe = (section: string): string => `profile: X509-SVID section ${section}`;
const ID = general.uri('spiffe://example.org/svc/a');
const TRUST_DOMAIN = general.uri('spiffe://example.org');
const BOTH = [OID.serverAuth, OID.clientAuth];

const below = (anchor: Issued, input: Input): Built => ({
  profile: 'svid',
  purpose: 'any',
  anchors: [anchor],
  leaf: leaf(anchor, { san: [ID], eku: BOTH, ...input }),
});
const svid = (input: Input = {}): Built => below(root({ san: [TRUST_DOMAIN] }), input);
const through = (input: Input): Built => {
  const anchor = root({ san: [TRUST_DOMAIN] });
  const ca = intermediate(anchor, input);
  return { ...below(ca, {}), anchors: [anchor], intermediates: [ca] };
};
const usageNotCritical = (octets: string): Uint8Array => extension(OID.keyUsage, fromHex(octets));

suite('svid, leafs', [
  ['an SVID', 'valid', () => svid()],
  [
    'with other names',
    'valid',
    () => svid({ san: [ID, general.dns('a.example.org'), general.ip(127, 0, 0, 1)] }),
  ],
  ['for clients alone', 'valid', () => svid({ eku: [OID.clientAuth] })],
  ['without extended key usage', 'valid', () => svid({ eku: null })],
  [
    'keyEncipherment besides',
    'valid',
    () => svid({ usage: ['digitalSignature', 'keyEncipherment'], key: 'RSA-2048' }),
  ],
  [
    'a URI expected',
    'valid',
    () => ({ ...svid(), names: [{ kind: 'uri', value: 'spiffe://example.org/svc/a' }] }),
  ],
  [
    'another URI expected',
    'name_mismatch',
    () => ({ ...svid(), names: [{ kind: 'uri', value: 'spiffe://example.org/svc/b' }] }),
  ],
  ['no subject, a critical name', 'valid', () => svid({ subject: [], san: subjectAltName([ID], true) })],
  ['no subject, a name that is not critical', spiffe('3.1'), () => svid({ subject: [] })],
  ['no URI', spiffe('2'), () => svid({ san: [general.dns('a.example.org')] })],
  ['no subjectAltName', spiffe('2'), () => svid({ san: null })],
  ['two URIs', spiffe('2'), () => svid({ san: [ID, general.uri('https://example.org/')] })],
  ['twice the same URI', spiffe('2'), () => svid({ san: [ID, ID] })],
  [
    'another scheme',
    'profile: SPIFFE-ID section 2',
    () => svid({ san: [general.uri('https://example.org/svc/a')] }),
  ],
  [
    'a query',
    'profile: SPIFFE-ID section 2',
    () => svid({ san: [general.uri('spiffe://example.org/svc/a?b')] }),
  ],
  ['no path', spiffe('3.1'), () => svid({ san: [TRUST_DOMAIN] })],
  ['a CA', spiffe('5.2'), () => svid({ basic: basicConstraints(true) })],
  ['no digitalSignature', spiffe('4.3'), () => svid({ usage: ['keyEncipherment'] })],
  ['no keyUsage', spiffe('4.3'), () => svid({ usage: null })],
  ['keyUsage that is not critical', spiffe('4.3'), () => svid({ usage: usageNotCritical('03020780') })],
  ['cRLSign', spiffe('4.3'), () => svid({ usage: ['digitalSignature', 'cRLSign'] })],
  ['keyCertSign', spiffe('4.3'), () => svid({ usage: ['digitalSignature', 'keyCertSign'] })],
]);

suite('svid, signing certificates', [
  ['an intermediate of the trust domain', 'valid', () => through({ san: [TRUST_DOMAIN] })],
  ['an intermediate that is no SVID', 'valid', () => through({})],
  [
    'an intermediate with another URI',
    'valid',
    () => through({ san: [general.uri('https://example.org/')] }),
  ],
  ['an intermediate with a path', spiffe('3.2'), () => through({ san: [ID] })],
  [
    'an intermediate with two URIs',
    spiffe('2'),
    () => through({ san: [TRUST_DOMAIN, general.uri('https://example.org/')] }),
  ],
  [
    'an intermediate with a malformed id',
    'profile: SPIFFE-ID section 2',
    () => through({ san: [general.uri('spiffe://Example.org')] }),
  ],
  ['an intermediate without keyUsage', spiffe('4.3'), () => through({ usage: null })],
  [
    'an intermediate whose keyUsage is not critical',
    spiffe('4.3'),
    () => through({ usage: usageNotCritical('03020106') }),
  ],
  ['an anchor without keyUsage and names', 'valid', () => below(root({ usage: null }), {})],
  ['an anchor with a path', spiffe('3.2'), () => below(root({ san: [ID] }), {})],
  [
    'an anchor whose keyUsage says cRLSign too',
    'valid',
    () => below(root({ usage: keyUsage('keyCertSign', 'cRLSign') }), {}),
  ],
]);
