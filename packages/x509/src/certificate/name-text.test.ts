import { describe, expect, it } from 'vitest';
import {
  bmpString,
  fromHex,
  name,
  teletexString,
  writeElement,
  type NameInput,
} from '../../test/support/der.ts';
import { DerReader } from '../der/reader.ts';
import { decodeName } from './name.ts';
import { addressText, generalNameText, nameText } from './name-text.ts';

const text = (input: NameInput): string => nameText(decodeName(new DerReader(name(input))));

describe('RFC 4514', () => {
  const rows: [title: string, input: NameInput, expected: string][] = [
    ['an empty name', [], ''],
    [
      'the last RDN first',
      [
        ['C', 'DE'],
        ['O', 'x'],
        ['CN', 'y'],
      ],
      'CN=y,O=x,C=DE',
    ],
    ['characters with a meaning', [['CN', 'a,b+c"d\\e<f>g;h=i']], String.raw`CN=a\,b\+c\"d\\e\<f\>g\;h\=i`],
    ['a space at either end', [['CN', '  a  ']], String.raw`CN=\  a \ `],
    ['one space', [['CN', ' ']], String.raw`CN=\ `],
    ['a space behind a backslash', [['CN', 'a\\ ']], String.raw`CN=a\\\ `],
    ['# at the start alone', [['CN', '#a#']], String.raw`CN=\#a#`],
    ['NUL and line ends', [['CN', 'a\0b\r\nc']], String.raw`CN=a\00b\0d\0ac`],
    ['a mark that turns the direction', [['CN', 'a\u202Eb']], String.raw`CN=a\e2\80\aeb`],
    ['letters of other scripts', [['CN', 'Lučić 日本 😀']], 'CN=Lučić 日本 😀'],
    ['an empty value', [['CN', '']], 'CN='],
    ['an unknown type', [['1.2.3.4', 'ab']], '1.2.3.4=#0c026162'],
    [
      'an unknown type with a long value',
      [['1.2.3.4', 'a'.repeat(200)]],
      `1.2.3.4=#0c81c8${'61'.repeat(200)}`,
    ],
    ['a value that is no string', [['CN', fromHex('30030101ff')]], 'CN=#30030101ff'],
    ['a BMPString', [['CN', bmpString('añb')]], 'CN=añb'],
    [
      'half a surrogate in a BMPString',
      [['CN', writeElement(0x1e, fromHex('d800'))]],
      String.raw`CN=\ef\bf\bd`,
    ],
    ['a TeletexString', [['CN', teletexString('é')]], 'CN=é'],
    ['a UniversalString', [['CN', writeElement(0x1c, fromHex('0001f600'))]], 'CN=😀'],
    [
      'a UniversalString beyond Unicode',
      [['CN', writeElement(0x1c, fromHex('00110000'))]],
      'CN=#1c0400110000',
    ],
  ];
  it.each(rows)('%s', (_title, input, expected) => {
    expect(text(input)).toBe(expected);
  });
  it('an RDN of two', () => {
    const two = fromHex('301a 3118 300a 0603550403 0c03616263 300a 060355040a 0c03646566');
    expect(text(two)).toBe('CN=abc+O=def');
  });
});

describe('addresses', () => {
  const rows: [hex: string, expected: string][] = [
    ['c0000201', '192.0.2.1'],
    ['00000000000000000000000000000000', '::'],
    ['00000000000000000000000000000001', '::1'],
    ['20010db8000000000000000000000000', '2001:db8::'],
    ['20010db8000000010000000000000001', '2001:db8:0:1::1'],
    ['20010db8000000000001000000000001', '2001:db8::1:0:0:1'],
    ['00010002000300040005000600070000', '1:2:3:4:5:6:7:0'],
    ['c0000200ffffff00', '192.0.2.0/24'],
    ['c0000200ff00ff00', '192.0.2.0/255.0.255.0'],
    ['0000000000000000', '0.0.0.0/0'],
    ['c0000201ffffffff', '192.0.2.1/32'],
  ];
  it.each(rows)('%s is %s', (hex, expected) => {
    expect(addressText(fromHex(hex))).toBe(expected);
  });
});

describe('general names', () => {
  it('never break a line', () => {
    expect(generalNameText({ kind: 'dns', value: 'a\nDNS:b\u007F\\n' })).toBe(
      String.raw`DNS:a\x0aDNS:b\x7f\\n`,
    );
  });
  it('of other kinds', () => {
    const all = [
      generalNameText({ kind: 'email', value: 'a@b' }),
      generalNameText({ kind: 'uri', value: 'spiffe://a/b' }),
      generalNameText({ kind: 'ip', value: fromHex('7f000001') }),
      generalNameText({ kind: 'registered', value: '1.2.3' }),
      generalNameText({ kind: 'other', type: '1.2.3', value: fromHex('0c02c3bc') }),
      generalNameText({ kind: 'other', type: '1.2.3', value: fromHex('0201ff') }),
      generalNameText({ kind: 'edi', value: fromHex('a500') }),
    ];
    expect(all).toEqual([
      'email:a@b',
      'URI:spiffe://a/b',
      'IP:127.0.0.1',
      'RID:1.2.3',
      'otherName:1.2.3;ü',
      'otherName:1.2.3;#0201ff',
      'edi:#a500',
    ]);
  });
});
