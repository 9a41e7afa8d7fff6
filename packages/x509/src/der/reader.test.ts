/** Strict DER, octet by octet: what is read, and for each thing that is refused the octet that is wrong. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_DEPTH, readDer, type DerReader } from './reader.ts';
import { writeElement, writeInteger, writeOid, writeSequence } from './writer.ts';

const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
const read = (hex: string, decode: (reader: DerReader) => unknown) => readDer(bytes(hex), 1000, decode);

const any = (reader: DerReader) => reader.element();
const octets = (reader: DerReader) => reader.octets(0x04);
const integer = (reader: DerReader) => reader.integer();
const unsigned = (reader: DerReader) => reader.unsigned();
const oid = (reader: DerReader) => reader.oid();
const boolean = (reader: DerReader) => reader.boolean();
const bitString = (reader: DerReader) => reader.bitString();
const namedBits = (reader: DerReader) => reader.namedBits();
const time = (reader: DerReader) => reader.time();
const ia5 = (reader: DerReader) => reader.ia5();
/** Of text, so that a row of the table can be read. */
const asHex = (text: string) => Buffer.from(text).toString('hex');

describe('refused, and where', () => {
  const rows: [title: string, hex: string, decode: (reader: DerReader) => unknown, offset: number][] = [
    ['nothing', '', octets, 0],
    ['another type', '05 00', octets, 0],
    ['a constructed string', '24 04 04 02 00 00', octets, 0],
    ['a length that is not there', '04', octets, 1],
    ['a length that is cut off', '04 82 01', octets, 1],
    ['indefinite length', '04 80 00 00', octets, 1],
    ['indefinite length of a SEQUENCE', '30 80 00 00', any, 1],
    ['a long form for a short length', '04 81 01 00', octets, 1],
    ['a long form with a leading zero', `04 82 00 80 ${'00'.repeat(128)}`, octets, 1],
    ['a length of five octets', '04 85 00 00 00 00 01 00', octets, 1],
    ['the reserved length', '04 ff 00', octets, 1],
    ['a length beyond the end', '04 02 00', octets, 1],
    ['a length of nearly 4 GiB', '04 84 ff ff ff fe 00', octets, 1],
    ['a length beyond the parent', '30 03 04 02 00', any, 3],
    ['octets behind it', '04 01 00 00', octets, 3],
    ['octets behind the last element inside', '30 03 05 00 05', any, 5],
    ['an INTEGER without octets', '02 00', integer, 2],
    ['an INTEGER with a leading 00', '02 02 00 7f', integer, 2],
    ['an INTEGER with a leading ff', '02 02 ff 80', integer, 2],
    ['a negative INTEGER (0..MAX)', '02 01 ff', unsigned, 2],
    ['a BOOLEAN of 01', '01 01 01', boolean, 2],
    ['a BOOLEAN without octets', '01 00', boolean, 2],
    ['a BOOLEAN of two octets', '01 02 ff ff', boolean, 2],
    ['an OID without octets', '06 00', oid, 2],
    ['an OID with a leading 80', '06 03 80 2a 03', oid, 2],
    ['an OID with an 80 at the start of an arc', '06 03 2a 80 03', oid, 3],
    ['an OID whose last arc is cut off', '06 02 2a 83', oid, 3],
    ['an OID with an arc of more than 128 bits', `06 15 2a ${'ff'.repeat(19)} 7f`, oid, 3],
    ['an OID of 65 octets', `06 41 ${'2a'.repeat(65)}`, oid, 2],
    ['a BIT STRING without its count', '03 00', bitString, 2],
    ['a BIT STRING of octets with unused bits', '03 02 01 fe', bitString, 2],
    ['a BIT STRING with 8 unused bits', '03 02 08 00', namedBits, 2],
    ['a BIT STRING with unused bits of nothing', '03 01 01', namedBits, 2],
    ['a BIT STRING whose unused bits are set', '03 02 01 01', namedBits, 3],
    ['named bits that end with a zero bit', '03 02 00 80', namedBits, 3],
    ['named bits that end with a zero octet', '03 03 00 80 00', namedBits, 4],
    ['an IA5String with an octet above 7f', '16 02 41 80', ia5, 3],
    ['a time of another type', '13 00', time, 0],
    ['a tag number above 30', '1f 1f 00', any, 0],
    ['a NULL with octets', '05 01 00', any, 2],
    ['an element of no type', '00 00', any, 0],
    ['a primitive SEQUENCE', '10 00', any, 0],
    ['a constructed OCTET STRING', '24 00', any, 0],
    ['a constructed UTF8String', '2c 00', any, 0],
    ['any element: an INTEGER that is not minimal', '30 04 02 02 00 01', any, 4],
    ['any element: an OID that is not minimal', '30 04 06 02 80 01', any, 4],
    ['any element: a BOOLEAN of 01', '30 03 01 01 01', any, 4],
    ['any element: a BIT STRING whose unused bits are set', '30 04 03 02 01 01', any, 5],
    ['any element: a UTF8String that is not UTF-8', '30 04 0c 02 c3 28', any, 4],
    ['any element: an overlong UTF8String', '30 04 0c 02 c0 80', any, 4],
    ['any element: a PrintableString above 7f', '30 04 13 02 41 e4', any, 5],
    ['any element: a BMPString of an odd length', '30 03 1e 01 41', any, 4],
    ['any element: a UniversalString of three octets', '30 05 1c 03 00 00 41', any, 4],
  ];
  it.each(rows)('%s', (_title, hex, decode, offset) => {
    const parsed = read(hex, decode);
    expect(parsed).toMatchObject({ ok: false, failure: { offset } });
  });

  it('more octets than allowed, without looking at them', () => {
    const parsed = readDer(new Uint8Array(11), 10, () => expect.unreachable());
    expect(parsed).toEqual({ ok: false, failure: { offset: 10, problem: 'more than 10 octets' } });
  });

  const nested = (depth: number): Uint8Array => {
    let element = writeSequence();
    for (let level = 1; level < depth; level += 1) element = writeSequence(element);
    return element;
  };
  it(`${MAX_DEPTH} elements inside of each other are read`, () => {
    expect(readDer(nested(MAX_DEPTH), 1000, any)).toMatchObject({ ok: true });
  });
  it('one more is refused at the innermost', () => {
    expect(readDer(nested(MAX_DEPTH + 1), 1000, any)).toMatchObject({
      ok: false,
      failure: { offset: 2 * (MAX_DEPTH + 1) },
    });
  });
});

describe('times', () => {
  const accepted: [type: 'utc' | 'generalized', text: string, iso: string][] = [
    ['utc', '500101000000Z', '1950-01-01T00:00:00Z'],
    ['utc', '491231235959Z', '2049-12-31T23:59:59Z'],
    ['utc', '000229120000Z', '2000-02-29T12:00:00Z'],
    ['generalized', '20500101000000Z', '2050-01-01T00:00:00Z'],
    ['generalized', '99991231235959Z', '9999-12-31T23:59:59Z'],
    ['generalized', '19691231235959Z', '1969-12-31T23:59:59Z'],
    ['generalized', '00990301000000Z', '0099-03-01T00:00:00Z'],
    ['generalized', '00000101000000Z', '0000-01-01T00:00:00Z'],
    ['generalized', '24000229000000Z', '2400-02-29T00:00:00Z'],
  ];
  const element = (type: 'utc' | 'generalized', text: string): Uint8Array =>
    writeElement(type === 'utc' ? 0x17 : 0x18, bytes(asHex(text)));
  it.each(accepted)('%s %s is %s', (type, text, iso) => {
    expect(readDer(element(type, text), 100, time)).toEqual({ ok: true, value: Date.parse(iso) });
  });

  const refused: ['utc' | 'generalized', string][] = [
    ['utc', ''],
    ['utc', '2601010000Z'],
    ['utc', '260101000000'],
    ['utc', '260101000000z'],
    ['utc', '260101000000+0000'],
    ['utc', '260101000000Z0'],
    ['utc', '20260101000000Z'],
    ['utc', '260001000000Z'],
    ['utc', '261301000000Z'],
    ['utc', '260100000000Z'],
    ['utc', '260132000000Z'],
    ['utc', '260230000000Z'],
    ['utc', '260229000000Z'],
    ['utc', '260431000000Z'],
    ['utc', '260101240000Z'],
    ['utc', '260101006000Z'],
    ['utc', '260101000060Z'],
    ['utc', '2601010000-1Z'],
    ['utc', '26010100000 Z'],
    ['utc', 'aa0101000000Z'],
    ['generalized', '260101000000Z'],
    ['generalized', '20260101000000'],
    ['generalized', '20260101000000.5Z'],
    ['generalized', '20260101000000+0100'],
    ['generalized', '2026010100Z'],
    ['generalized', '21000229000000Z'],
    ['generalized', '-0260101000000Z'],
    ['generalized', '2026 101000000Z'],
  ];
  it.each(refused)('%s "%s" is refused', (type, text) => {
    expect(readDer(element(type, text), 100, time)).toMatchObject({ ok: false, failure: { offset: 2 } });
  });

  it('any second of the years 0 to 9999', () => {
    const seconds = fc.integer({
      min: Date.parse('0000-01-01') / 1000,
      max: Date.parse('9999-12-31') / 1000,
    });
    fc.assert(
      fc.property(seconds, (value) => {
        const text = `${new Date(value * 1000).toISOString().replaceAll(/[-:T]|\.000/gu, '')}`;
        expect(readDer(element('generalized', text), 100, time)).toEqual({ ok: true, value: value * 1000 });
      }),
    );
  });
});

describe('read', () => {
  it('an INTEGER of any size comes back from its octets', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 200n), max: 2n ** 200n }), (value) => {
        const parsed = readDer(writeInteger(value), 100, integer);
        expect(parsed).toMatchObject({ ok: true });
        if (parsed.ok) expect(BigInt.asIntN(208, BigInt(`0x${signExtended(parsed.value)}`))).toBe(value);
      }),
    );
  });
  const signExtended = (value: Uint8Array): string =>
    Buffer.from(value)
      .toString('hex')
      .padStart(52, (value[0] ?? 0) >= 0x80 ? 'f' : '0');

  it('an INTEGER (0..MAX) that a number cannot hold is the largest that one can', () => {
    const values = [0n, 127n, 128n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 2000n];
    expect(values.map((value) => readDer(writeInteger(value), 1000, unsigned))).toEqual(
      [0, 127, 128, 2 ** 53 - 1, 2 ** 53 - 1, 2 ** 53 - 1].map((value) => ({ ok: true, value })),
    );
  });

  const arc = fc.bigInt({ min: 0n, max: 2n ** 128n - 1n });
  it('an OID comes back from its text, arcs of 128 bits included', () => {
    const roots = fc.oneof(
      fc.tuple(fc.constantFrom(0n, 1n), fc.bigInt({ min: 0n, max: 39n })),
      fc.tuple(fc.constant(2n), fc.bigInt({ min: 0n, max: 2n ** 128n - 81n })),
    );
    fc.assert(
      fc.property(roots, fc.array(arc, { maxLength: 2 }), (root, arcs) => {
        const text = [...root, ...arcs].join('.');
        expect(readDer(writeOid(text), 100, oid)).toEqual({ ok: true, value: text });
      }),
    );
  });
  it.each(['2.5.4.127', '2.5.29.0', '2.5.29.128', '2.5.4.3.1', '0.39', '1.0', '2.999.3', '2.47', '2.48'])(
    'the OID %s',
    (text) => {
      expect(readDer(writeOid(text), 100, oid)).toEqual({ ok: true, value: text });
    },
  );

  it('named bits, 0 the lowest', () => {
    expect(read('03 03 07 06 80', namedBits)).toEqual({ ok: true, value: 0b1_0110_0000 });
    expect(read('03 01 00', namedBits)).toEqual({ ok: true, value: 0 });
  });

  it('lengths of one to three octets', () => {
    for (const length of [0, 127, 128, 255, 256, 65_535, 65_536]) {
      const parsed = readDer(writeElement(0x04, new Uint8Array(length)), 70_000, octets);
      expect(parsed.ok && parsed.value.length).toBe(length);
    }
  });

  it('a copy: whoever has the input cannot change what was read', () => {
    const input = bytes('04 01 2a');
    const parsed = readDer(input, 100, octets);
    input.fill(0);
    expect(parsed).toEqual({ ok: true, value: Uint8Array.of(0x2a) });
  });

  it('an error that is none of the input is not taken for one', () => {
    const defect = new TypeError('a defect');
    expect(() =>
      readDer(bytes('05 00'), 100, () => {
        throw defect;
      }),
    ).toThrow(defect);
  });
});

describe('noise', () => {
  it('is answered, never thrown at', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        const parsed = readDer(noise, 200, any);
        if (!parsed.ok) expect(parsed.failure.offset).toBeLessThanOrEqual(noise.length);
        else expect(parsed.value).toEqual(noise);
      }),
      { numRuns: 2000 },
    );
  });
});
