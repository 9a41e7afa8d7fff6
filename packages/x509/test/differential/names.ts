/** Names and subtrees that meet each other often, in the spellings that validators disagree about. */
import { general, nameConstraints, type NameInput } from '../support/pki.ts';
import type { Draw } from './draw.ts';

const LEAF_DNS = [
  'www.leaf.example',
  'www.leaf.example',
  'WWW.Leaf.Example',
  '*.leaf.example',
  'leaf.example',
];
const ODD_DNS = [
  'www.other.example',
  '*.example',
  'w*.leaf.example',
  'www.leaf.example.',
  'a_b.leaf.example',
  '192.0.2.10',
  '*',
  '',
];
const LEAF_EMAIL = [
  'alice@leaf.example',
  'alice@LEAF.example',
  'Alice@leaf.example',
  'alice@sub.leaf.example',
];
const ODD_EMAIL = ['"a b"@leaf.example', 'alice', 'bob@other.example', '@leaf.example', 'a@b@leaf.example'];
const LEAF_URI = [
  'https://www.leaf.example/a',
  'spiffe://leaf.example/svc/a',
  'HTTPS://WWW.LEAF.EXAMPLE/',
  'https://u@www.leaf.example:8443/x',
];
const ODD_URI = [
  'urn:a:b',
  'https://192.0.2.10/',
  'https://other.example/',
  'https://[2001:db8::1]/',
  'https:///a',
  '/a',
];
const LEAF_IP: readonly (readonly number[])[] = [
  [192, 0, 2, 10],
  [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
];
const ODD_IP: readonly (readonly number[])[] = [
  [10, 0, 0, 1],
  [192, 0, 2],
  [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 10],
];

const generalName = (draw: Draw, odd: number): Uint8Array => {
  const text = (usual: readonly string[], rare: readonly string[]): string =>
    draw.pick(draw.chance(odd) ? rare : usual);
  switch (draw.below(8)) {
    case 0:
      return general.email(text(LEAF_EMAIL, ODD_EMAIL));
    case 1:
      return general.uri(text(LEAF_URI, ODD_URI));
    case 2:
      return general.ip(...draw.pick(draw.chance(odd) ? ODD_IP : LEAF_IP));
    case 3:
      return general.directory(draw.chance(odd) ? 'other' : [...ORGANISATION, ['CN', 'leaf']]);
    case 4:
      return draw.chance(odd) ? draw.pick(UNSUPPORTED) : general.dns(draw.pick(LEAF_DNS));
    default:
      return general.dns(text(LEAF_DNS, ODD_DNS));
  }
};
const UNSUPPORTED = [
  general.registered('1.2.3.4'),
  general.smtpUtf8('älice@leaf.example'),
  general.other('1.2.3.5', Uint8Array.of(5, 0)),
];

export const ORGANISATION: readonly (readonly [string, string])[] = [
  ['C', 'XX'],
  ['O', 'Leaf'],
];

/** GeneralNames of a subjectAltName. `odd`: how likely each is one that few certificates have. */
export const alternativeNames = (draw: Draw, odd: number): Uint8Array[] =>
  Array.from({ length: 1 + draw.below(3) }, () => generalName(draw, odd));

const prefix = (octets: number, ones: number): number[] =>
  Array.from({ length: octets }, (_, at) => (0xff00 >> Math.min(8, Math.max(0, ones - 8 * at))) & 0xff);
const v4 = (address: readonly number[], ones: number): Uint8Array =>
  general.ip(...address, ...prefix(4, ones));
const v6 = (ones: number): Uint8Array =>
  general.ip(0x20, 1, 0xd, 0xb8, ...Array.from({ length: 12 }, () => 0), ...prefix(16, ones));

/** Subtrees that hold the usual names of a leaf, whatever its forms. */
const HOLDING: readonly (readonly Uint8Array[])[] = [
  [general.dns('leaf.example'), general.dns('LEAF.Example'), general.dns('example'), general.dns('')],
  [general.email('leaf.example'), general.email('')],
  [general.uri('.leaf.example'), general.uri('')],
  [v4([192, 0, 2, 0], 24), v4([192, 0, 2, 77], 25), v4([0, 0, 0, 0], 0)],
  [
    general.directory(ORGANISATION),
    general.directory([
      ['C', 'XX'],
      ['O', 'lEAF'],
    ]),
    general.directory([]),
  ],
];
const OTHERS: readonly Uint8Array[] = [
  general.dns('other.example'),
  general.dns('eaf.example'),
  general.dns('www.leaf.example'),
  general.dns('a.leaf.example'),
  general.dns('.leaf.example'),
  general.dns('leaf.example.'),
  general.dns('*.leaf.example'),
  general.email('alice@leaf.example'),
  general.email('ALICE@leaf.example'),
  general.email('.leaf.example'),
  general.email('other.example'),
  general.email('@leaf.example'),
  general.uri('www.leaf.example'),
  general.uri('leaf.example'),
  general.uri('https://www.leaf.example'),
  v4([10, 0, 0, 0], 8),
  general.ip(192, 0, 2, 0, 255, 0, 255, 0),
  general.ip(192, 0, 2, 0, 255, 255),
  v6(32),
  v6(0),
  general.directory([['O', 'Leaf']]),
  general.directory([
    ['C', 'XX'],
    ['O', 'Other'],
  ]),
  general.registered('1.2.3'),
  general.other('1.2.3.5', Uint8Array.of(5, 0)),
];

/** A nameConstraints extension; `harsh`: how likely a subtree is any other than one that holds the leaf. */
export function constraintsOn(draw: Draw, harsh: number): Uint8Array {
  const permitted = HOLDING.flatMap((forms) => (draw.chance(0.4) ? [draw.pick(forms)] : []));
  const excluded: Uint8Array[] = [];
  if (draw.chance(0.5)) excluded.push(general.dns('evil.example'));
  if (draw.chance(harsh)) permitted.push(...draw.several(OTHERS, 1, 2));
  if (draw.chance(harsh)) excluded.push(...draw.several(OTHERS, 1, 2));
  if (draw.chance(harsh / 2)) excluded.push(draw.pick(HOLDING.flat()));
  if (permitted.length + excluded.length === 0) permitted.push(general.dns('leaf.example'));
  return nameConstraints({
    ...(permitted.length > 0 ? { permitted } : {}),
    ...(excluded.length > 0 ? { excluded } : {}),
  });
}

const EXPECTED_DNS = [
  'www.leaf.example',
  'WWW.leaf.example',
  'leaf.example',
  'a.leaf.example',
  'a.b.leaf.example',
  'other.example',
  'leaf',
];
const EXPECTED = [
  ...EXPECTED_DNS.map((value) => ({ kind: 'dns', value }) as const),
  { kind: 'ip', value: '192.0.2.10' },
  { kind: 'ip', value: '2001:db8::1' },
  { kind: 'ip', value: '10.0.0.1' },
  { kind: 'email', value: 'alice@leaf.example' },
  { kind: 'email', value: 'alice@LEAF.example' },
  { kind: 'email', value: 'bob@other.example' },
] as const;
export const expectedName = (draw: Draw): (typeof EXPECTED)[number] => draw.pick(EXPECTED);

/** The common name is a host name, or an address of mail is there, now and then. */
export function leafSubject(draw: Draw): NameInput {
  const common = draw.chance(0.1) ? draw.pick(['www.leaf.example', 'www.other.example']) : 'a leaf';
  const mail = draw.chance(0.1) ? ([['emailAddress', draw.pick(LEAF_EMAIL)]] as const) : [];
  return [...ORGANISATION, ['CN', common], ...mail];
}
