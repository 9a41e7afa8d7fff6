import { describe, expect, it } from 'vitest';
import { general, issue, makeKey } from '../test/support/pki.ts';
import { createCache, parseCertificateCached } from './cache.ts';

describe('what a cache remembers of certificates', () => {
  /** How many of these are the same value when they come again. */
  function remembered(certificates: readonly Uint8Array[], room: number): number {
    const cache = createCache({ certificates: room });
    const first = certificates.map((der) => parseCertificateCached(der, cache));
    const again = certificates.toReversed().map((der) => parseCertificateCached(der, cache));
    return again.toReversed().filter((parsed, index) => {
      const other = first[index];
      return parsed.ok && other?.ok === true && parsed.value === other.value;
    }).length;
  }
  const many = (make: (subject: string) => Uint8Array): Uint8Array[] =>
    Array.from({ length: 40 }, (_, index) => make(`subject ${index}`));

  it('as many as it has room for, and more while they are small', () => {
    expect(
      remembered(
        many((subject) => issue({ subject }).der),
        40,
      ),
    ).toBe(40);
  });

  it('keys and signatures that are long take their octets', () => {
    const key = makeKey('ML-DSA-87');
    expect(
      remembered(
        many((subject) => issue({ subject, key }).der),
        80,
      ),
    ).toBe(40);
  });

  it('a certificate of thousands of names takes the room of what is made of them', () => {
    const names = Array.from({ length: 15_000 }, () => general.dns('a'));
    expect(
      remembered(
        many((subject) => issue({ subject, names }).der),
        400,
      ),
    ).toBeLessThan(5);
  });
});
