import { isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { fromHex, toHex } from '../../test/support/der.ts';
import { ipRange, isInRange, parseIp } from './ip.ts';

describe('addresses as text', () => {
  test.each([
    ['192.0.2.1', 'c0000201'],
    ['0.0.0.0', '00000000'],
    ['::', '00000000000000000000000000000000'],
    ['::1', '00000000000000000000000000000001'],
    ['2001:db8::1', '20010db8000000000000000000000001'],
    ['2001:DB8:0:0:0:0:0:1', '20010db8000000000000000000000001'],
    ['1::', '00010000000000000000000000000000'],
    ['1:2:3:4:5:6:7::', '00010002000300040005000600070000'],
    ['::ffff:192.0.2.1', '00000000000000000000ffffc0000201'],
    ['1:2:3:4:5:6:192.0.2.1', '000100020003000400050006c0000201'],
  ])('%s', (text, octets) => {
    expect(toHex(parseIp(text) ?? new Uint8Array())).toBe(octets);
  });

  test.each([
    [''],
    ['1.2.3'],
    ['1.2.3.4.5'],
    ['01.2.3.4'],
    ['256.1.1.1'],
    ['1.2.3.4 '],
    ['0x7f.0.0.1'],
    ['1.2.3.+4'],
    ['1.2..4'],
    [':'],
    [':::'],
    ['1::2::3'],
    ['1:2:3:4:5:6:7'],
    ['1:2:3:4:5:6:7:8:9'],
    ['1:2:3:4:5:6:7:8::'],
    ['12345::'],
    ['g::'],
    ['fe80::1%eth0'],
    ['[::1]'],
    ['192.0.2.1::'],
    ['::192.0.2.1:1'],
    ['1:2:3:4:5:6:7:192.0.2.1'],
    ['::1/128'],
    [':1:2:3:4:5:6:7'],
  ])('%j is none', (text) => {
    expect(parseIp(text)).toBeUndefined();
  });

  it('are those of node:net, zones apart', () => {
    const piece = fc.constantFrom('0', '1', 'ff', 'ffff', '255', '256', ':', '::', '.', '192.0.2.1', 'g');
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')),
        (text) => {
          expect(parseIp(text) !== undefined).toBe(isIP(text) !== 0);
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

describe('ranges', () => {
  test.each([
    ['c0000200 ffffff00', 'c0000201', true],
    ['c0000200 ffffff00', 'c0000301', false],
    ['c0000201 ffffff00', 'c0000202', true], // bits of the address outside the mask mean nothing
    ['c0000200 fffffe00', 'c0000301', true],
    ['00000000 00000000', '01020304', true],
    ['01020304 ffffffff', '01020304', true],
    ['01020304 ffffffff', '01020305', false],
    ['00000000 00000000', '00000000000000000000000000000001', false], // of the other family
    [
      '00000000000000000000000000000001 ffffffffffffffffffffffffffffffff',
      '00000000000000000000000000000001',
      true,
    ],
    [
      '20010db8000000000000000000000000 ffffffff000000000000000000000000',
      '20010db9000000000000000000000001',
      false,
    ],
    ['00000000000000000000ffff00000000 ffffffffffffffffffffffff00000000', 'c0000201', false], // a mapped address is no IPv4 address
  ])('%s and %s: %s', (range, address, expected) => {
    const parsed = ipRange(fromHex(range));
    expect(parsed !== undefined && isInRange(fromHex(address), parsed)).toBe(expected);
  });

  test.each([
    ['c0000201'],
    [''],
    ['c0000200 ffffff'],
    ['c0000200 ff00ff00'],
    ['c0000200 fffffd00'],
    ['c0000200 7fffffff'],
    ['c0000200 00000001'],
    ['c0000200 ffffff00 00'],
  ])('%j is none', (octets) => {
    expect(ipRange(fromHex(octets))).toBeUndefined();
  });
});
