import { expect, it } from 'vitest';
import { parseDenyList, serialEntry } from './deny-list.ts';

const digest = 'ab'.repeat(32);

it('has certificates and keys, comments and empty lines', () => {
  const list = parseDenyList(`# stolen\ncertificate ${digest} # laptop\n\r\n  key ${'AB:'.repeat(31)}AB\r\n`);
  expect([...list.certificates]).toEqual([digest]);
  expect([...list.keys]).toEqual([digest]);
});

it('has serial numbers of an issuer, however tools write them', () => {
  const list = parseDenyList(`serial ${digest} 00:9F:01\nSERIAL ${digest} 9f02`);
  expect([...list.serials]).toEqual([serialEntry(digest, '9f01'), serialEntry(digest, '009f02')]);
});

it('may be empty', () => expect(parseDenyList('').certificates.size).toBe(0));

it.each([
  'certificate',
  digest,
  `certificate ${digest.slice(2)}`,
  `certificate ${digest}00`,
  `fingerprint ${digest}`,
  `certificate ${'zz'.repeat(32)}`,
  `certificate ${digest} 9f`,
  `serial ${digest}`,
  `serial 9f ${digest}`,
  `serial ${digest} CN=x 9f`,
])('%j is refused with its line', (line) => expect(() => parseDenyList(`\n${line}`)).toThrow(/^line 2 /u));
