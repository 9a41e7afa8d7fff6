/** Entries are found in place: the first searches scan, later ones use an index, and both find the same. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseCertificateList } from '../../src/revocation/crl/parse.ts';
import type { RevokedCertificates } from '../../src/revocation/crl/types.ts';
import { SEQUENCE, time, writeElement, writeInteger } from '../support/der.ts';
import { makeCrl, THIS_UPDATE, type RevokedInput } from '../support/pki.ts';

function entriesOf(revoked: readonly RevokedInput[]): RevokedCertificates {
  const parsed = parseCertificateList(makeCrl({ revoked }));
  if (!parsed.ok) throw new Error(parsed.failure.problem);
  return parsed.value.entries;
}

/** The tenth builds the index. */
const SEARCHES = Array.from({ length: 12 }, (_, search) => search);

const octets = (serial: number): Uint8Array => {
  const element = writeInteger(serial);
  return element.subarray(2);
};

/** DER of a list with `count` entries of 16-octet serial numbers and a reason each: 48 octets, 48 MB for a million. */
function bigList(count: number): Uint8Array {
  const template = Buffer.concat([
    Uint8Array.of(0x30, 47, 0x02, 16),
    new Uint8Array(16),
    time(THIS_UPDATE),
    Buffer.from('300c300a0603551d1504030a0101', 'hex'),
  ]);
  template[1] = template.length - 2;
  const rows = Buffer.alloc(template.length * count);
  for (let index = 0; index < count; index += 1) {
    template.writeUInt32BE(0x40000000, 4);
    template.writeUInt32BE(Math.imul(index, 0x9e3779b1) >>> 0, 8);
    template.writeUInt32BE(index, 16);
    template.copy(rows, index * template.length);
  }
  return makeCrl({
    mapFields: (fields) => [...fields, writeElement(SEQUENCE, rows)],
  });
}
const bigSerial = (index: number): Uint8Array => {
  const serial = Buffer.alloc(16);
  serial.writeUInt32BE(0x40000000, 0);
  serial.writeUInt32BE(Math.imul(index, 0x9e3779b1) >>> 0, 4);
  serial.writeUInt32BE(index, 12);
  return new Uint8Array(serial);
};

describe('entries of a list', () => {
  it('are found by the first search and by later ones alike', () => {
    const serials = fc.array(fc.integer({ min: -300, max: 300 }), { maxLength: 60 });
    fc.assert(
      fc.property(serials, fc.integer({ min: -300, max: 300 }), (present, wanted) => {
        const rows = present.map((serial) => ({ serial }));
        const entries = entriesOf(rows);
        const expected = present.filter((serial) => serial === wanted).length;
        const searches = SEARCHES.map(() => entries.find(octets(wanted)).length);
        expect(searches).toEqual(SEARCHES.map(() => expected));
        expect(entries.repeatsSerialNumber).toBe(new Set(present).size < present.length);
        expect([...entries].map(({ serialNumber }) => serialNumber)).toEqual(present.map(octets));
      }),
    );
  });
  it('are told apart by their order where a number is there twice', () => {
    const entries = entriesOf([
      { serial: 7, reason: 'superseded' },
      { serial: 8 },
      { serial: 7, reason: 'keyCompromise' },
    ]);
    for (const search of SEARCHES)
      expect([search, ...entries.find(octets(7)).map(({ reason }) => reason)]).toEqual([
        search,
        'superseded',
        'keyCompromise',
      ]);
  });
  it('with one number ten thousand times are scanned: no index is built of them', () => {
    const entries = entriesOf(Array.from({ length: 10_000 }, () => ({ serial: 7 })));
    for (const search of SEARCHES) expect([search, entries.find(octets(8)).length]).toEqual([search, 0]);
    expect(entries.find(octets(7))).toHaveLength(10_000);
    expect(entries.repeatsSerialNumber).toBe(true);
  });
  it('compare as octets, not as numbers', () => {
    const entries = entriesOf([{ serial: 0x80 }]); // 00 80
    expect(entries.find(Uint8Array.of(0x80))).toHaveLength(0);
    expect(entries.find(Uint8Array.of(0, 0x80))).toHaveLength(1);
  });
  it('are a million without a million values', () => {
    const der = bigList(1_000_000);
    const started = performance.now();
    const parsed = parseCertificateList(der);
    if (!parsed.ok) throw new Error(parsed.failure.problem);
    const { entries } = parsed.value;
    expect(entries.count).toBe(1_000_000);
    const heapBefore = process.memoryUsage().heapUsed;
    for (const index of [0, 999_999, 500_000])
      expect(entries.find(bigSerial(index)).map(({ reason }) => reason)).toEqual(['keyCompromise']);
    for (let index = 0; index < 1_000; index += 1)
      expect(entries.find(bigSerial(1_000_000 + index))).toEqual([]);
    expect(process.memoryUsage().heapUsed - heapBefore).toBeLessThan(64 * 1_048_576);
    expect(performance.now() - started).toBeLessThan(10_000); // about 1 s on a quiet machine
  });
});
