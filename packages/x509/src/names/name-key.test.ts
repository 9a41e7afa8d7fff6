import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { decodeName } from '../certificate/name.ts';
import { DerReader } from '../der/reader.ts';
import {
  attribute,
  bmpString,
  fromHex,
  ia5String,
  name,
  printableString,
  teletexString,
  utf8String,
  writeElement,
  writeSequence,
  writeSetOf,
  type NameInput,
} from '../../test/support/der.ts';
import { isWithin, nameKey, sameName } from './name-key.ts';

const read = (input: NameInput) => decodeName(new DerReader(name(input)));
const universalString = (text: string): Uint8Array =>
  writeElement(
    28,
    new Uint8Array(Buffer.concat(Array.from(text, (c) => Buffer.from([0, 0, 0, c.codePointAt(0) ?? 0])))),
  );

test('a name that is longer than any certificate is none, before it is prepared', () => {
  expect(read('a'.repeat(65_500)).rdns).toHaveLength(1);
  expect(() => read('a'.repeat(65_536))).toThrow('a name of more than 65536 octets');
});

describe('names that are the same (RFC 5280 section 7.1)', () => {
  test.each<[string, NameInput, NameInput]>([
    ['octet for octet', 'Example', 'Example'],
    ['case', 'EXAMPLE ca', 'example CA'],
    ['spaces outside', '  Example  ', 'Example'],
    ['spaces inside', 'A   B', 'A B'],
    ['only spaces and nothing', '   ', ''],
    ['another string type: PrintableString', [['CN', printableString('Example')]], 'example'],
    ['another string type: TeletexString', [['CN', teletexString('Exämple')]], 'exämple'],
    ['another string type: BMPString', [['CN', bmpString('Exämple')]], 'exämple'],
    ['another string type: UniversalString', [['CN', universalString('Exämple')]], 'EXÄMPLE'],
    ['another string type: IA5String', [['DC', ia5String('EXAMPLE')]], [['DC', 'example']]],
    ['composed and decomposed', 'é', 'e\u0301'],
    ['compatibility forms', 'ﬁne', 'FINE'],
    ['full case folding: sharp s', 'Straße', 'STRASSE'],
    ['full case folding: capital sharp s', 'STRA\u1e9eE', 'strasse'],
    ['case folding: final sigma', 'ΟΔΟΣ', 'οδος'],
    ['a folding that normalisation makes', '\u2121', 'tel'],
    ['no-break space and tab', 'A\u00a0\tB', 'a b'],
    ['soft hyphen and zero width joiner', 'exam\u00adp\u200dle', 'example'],
    ['nothing at all', [], []],
  ])('%s', (_, a, b) => {
    expect(sameName(read(a), read(b))).toBe(true);
    expect(nameKey(read(a))).toBe(nameKey(read(b)));
  });

  it('an RDN of several attributes is a set', () => {
    const [o, ou] = [attribute('O', 'a'), attribute('OU', 'b')];
    const one = decodeName(new DerReader(writeSequence(writeSetOf([o, ou]))));
    const upper = decodeName(
      new DerReader(writeSequence(writeSetOf([attribute('OU', 'B'), attribute('O', 'A')]))),
    );
    expect(sameName(one, upper)).toBe(true);
  });

  it('whose order in DER another case may change', () => {
    const of = (...values: string[]) =>
      decodeName(new DerReader(writeSequence(writeSetOf(values.map((value) => attribute('CN', value))))));
    expect(sameName(of('a', 'B'), of('A', 'b'))).toBe(true);
  });
});

describe('names that are not the same', () => {
  test.each<[string, NameInput, NameInput]>([
    ['other text', 'a', 'b'],
    ['other type', [['CN', 'a']], [['O', 'a']]],
    [
      'a prefix',
      [['O', 'a']],
      [
        ['O', 'a'],
        ['CN', 'b'],
      ],
    ],
    [
      'another order of RDNs',
      [
        ['O', 'a'],
        ['OU', 'b'],
      ],
      [
        ['OU', 'b'],
        ['O', 'a'],
      ],
    ],
    ['a space that is left out', 'A B', 'AB'],
    ['a letter without dot is no i', '\u0131', 'i'],
    ['accents', 'é', 'e'],
    ['a space that bears a mark', 'a \u0301b', 'a b'],
    [
      'text against the same octets as no string',
      [['CN', utf8String('a')]],
      [['CN', writeElement(4, fromHex('61'))]],
    ],
    [
      'other tags of no string',
      [['CN', writeElement(4, fromHex('61'))]],
      [['CN', writeElement(3, fromHex('0061'))]],
    ],
    [
      'text against the same octets under a tag of another class',
      [['CN', utf8String('a')]],
      [['CN', writeElement(0x8c, fromHex('61'))]],
    ],
    ['text that spells a fallback', 'x4:61', [['CN', writeElement(4, fromHex('61'))]]],
    ['private use is compared by octets: case', '\ue000A', '\ue000a'],
    [
      'one RDN of two attributes and two of one',
      [
        ['O', 'a'],
        ['OU', 'b'],
      ],
      writeSequence(writeSetOf([attribute('O', 'a'), attribute('OU', 'b')])),
    ],
  ])('%s', (_, a, b) => {
    expect(sameName(read(a), read(b))).toBe(false);
  });

  it('unreadable text equals its own octets', () => {
    const broken: NameInput = [['CN', writeElement(30, fromHex('d800'))]];
    expect(sameName(read(broken), read(broken))).toBe(true);
    expect(sameName(read(broken), read([['CN', bmpString('\ufffd')]]))).toBe(false);
  });
});

describe('subtrees of names', () => {
  const base = read([
    ['C', 'DE'],
    ['O', 'Example'],
  ]);
  test.each<[string, NameInput, boolean]>([
    [
      'the base itself',
      [
        ['C', 'de'],
        ['O', 'EXAMPLE'],
      ],
      true,
    ],
    [
      'one RDN more',
      [
        ['C', 'DE'],
        ['O', 'Example'],
        ['CN', 'a'],
      ],
      true,
    ],
    ['one less', [['C', 'DE']], false],
    [
      'an RDN that only begins alike',
      [
        ['C', 'DE'],
        ['O', 'Example Two'],
      ],
      false,
    ],
    [
      'the same RDNs elsewhere',
      [
        ['CN', 'a'],
        ['C', 'DE'],
        ['O', 'Example'],
      ],
      false,
    ],
    ['nothing', [], false],
  ])('%s', (_, input, expected) => {
    expect(isWithin(read(input), base)).toBe(expected);
  });

  it('everything is in the subtree of the empty name', () => {
    expect(isWithin(read([]), read([]))).toBe(true);
    expect(isWithin(base, read([]))).toBe(true);
  });
});

describe('keys, whatever the text', () => {
  const text = fc.string({ unit: 'binary', maxLength: 20 }).map((value) => value.toWellFormed());
  it('are the same for the same text in another case, where the case folds', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 20 }), (value) => {
        expect(sameName(read(value.toUpperCase()), read(value.toLowerCase()))).toBe(true);
      }),
    );
  });
  it('are those of the prepared text prepared again', () => {
    fc.assert(
      fc.property(text, text, (a, b) => {
        const [x, y] = [
          read([
            ['O', a],
            ['CN', b],
          ]),
          read([
            ['O', b],
            ['CN', a],
          ]),
        ];
        expect(sameName(x, y)).toBe(sameName(read(a), read(b)));
      }),
    );
  });
});
