import { describe, expect, it } from 'vitest';
import {
  derivePskKey,
  isPskClientProof,
  pskClientProof,
  pskExport,
  pskServerProof,
  type PskIdentity,
} from './psk.ts';

const known: PskIdentity = {
  psk: new Uint8Array(32).fill(1),
  pskId: new Uint8Array(16).fill(2),
  client: 'workload:batch',
  trustDomain: 'sallyport.test',
};
const th = new Uint8Array(32).fill(9);

describe('a pre-shared key', () => {
  it.each([
    ['key', { psk: new Uint8Array(32).fill(8) }],
    ['id', { pskId: new Uint8Array(16).fill(8) }],
    ['client', { client: 'workload:other' }],
    ['trust domain', { trustDomain: 'elsewhere.test' }],
    ['split of the two names', { client: 'workload:batchs', trustDomain: 'allyport.test' }],
  ])('of another %s proves nothing', (_name, change) => {
    const other = derivePskKey({ ...known, ...change });
    expect(isPskClientProof(other, th, pskClientProof(derivePskKey(known), th))).toBe(false);
  });

  it.each([
    ['31 bytes', { psk: new Uint8Array(31) }],
    ['33 bytes', { psk: new Uint8Array(33) }],
    ['an id of 15 bytes', { pskId: new Uint8Array(15) }],
    ['a principal too long', { client: 'x'.repeat(97) }],
    ['a trust domain too long', { trustDomain: 'x'.repeat(129) }],
  ])('with %s is refused', (_name, change) => {
    expect(() => derivePskKey({ ...known, ...change })).toThrow(RangeError);
  });

  it('takes the longest names', () => {
    expect(derivePskKey({ ...known, client: 'x'.repeat(96), trustDomain: 'y'.repeat(128) }).type).toBe(
      'secret',
    );
  });

  it('has three uses that share nothing', () => {
    const key = derivePskKey(known);
    const values = [pskServerProof(key, th), pskClientProof(key, th), pskExport(key, th)].map((value) =>
      value.join(),
    );
    expect(new Set(values).size).toBe(3);
  });
});
