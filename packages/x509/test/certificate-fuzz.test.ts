/** Whatever octets come: an answer, soon. Certificates with flipped bits, cut off, spliced; noise; the densest there are. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { certificateText } from '../src/certificate/certificate-text.ts';
import { parseCertificate } from '../src/certificate/parse-certificate.ts';
import { parseCertificates } from '../src/certificate/pem.ts';
import { DEFAULT_LIMITS } from '../src/limits.ts';
import { writeElement, writeOctetString, writeOid, writeSequence, writeSetOf } from './support/der.ts';
import { generatedCertificate } from './support/generated.ts';
import { OID, extension, general, issue, makeCertificate } from './support/pki.ts';

/** What any input must get: an offset inside of it, or a certificate that is exactly the input, and has a text. */
function isAnswered(octets: Uint8Array): void {
  const parsed = parseCertificate(octets);
  if (parsed.ok) {
    expect(Buffer.compare(parsed.value.der, octets)).toBe(0);
    expect(certificateText(parsed.value)).toContain(parsed.value.fingerprint);
    return;
  }
  expect(parsed.failure.offset).toBeGreaterThanOrEqual(0);
  expect(parsed.failure.offset).toBeLessThanOrEqual(octets.length);
  expect(parsed.failure.problem).not.toBe('');
}

describe('octets at random', () => {
  it('noise', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), isAnswered), { numRuns: 2000 });
  });
  it('bits flipped', () => {
    const flips = fc.array(fc.tuple(fc.nat(), fc.nat(7)), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(generatedCertificate, flips, (der, places) => {
        const flipped = Uint8Array.from(der);
        for (const [place, bit] of places) {
          const at = place % flipped.length;
          flipped[at] = (flipped[at] ?? 0) ^ (1 << bit);
        }
        isAnswered(flipped);
      }),
      { numRuns: 1000 },
    );
  });
  it('a part of one over another', () => {
    fc.assert(
      fc.property(
        generatedCertificate,
        generatedCertificate,
        fc.nat(),
        fc.nat(),
        fc.nat(40),
        (a, b, to, from, length) => {
          const spliced = Uint8Array.from(a);
          const part = b.subarray(from % b.length, (from % b.length) + length);
          spliced.set(part.subarray(0, spliced.length - (to % spliced.length)), to % spliced.length);
          isAnswered(spliced);
        },
      ),
      { numRuns: 500 },
    );
  });
  it('as a file', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (octets) => {
        expect(parseCertificates(octets).ok).toBe(false);
      }),
      { numRuns: 500 },
    );
  });
});

describe('one certificate', () => {
  const { der } = issue({ ca: true, names: [general.dns('a.example')] });
  it('is none when it is cut off anywhere', () => {
    for (let length = 0; length < der.length; length += 1) {
      const parsed = parseCertificate(der.subarray(0, length));
      expect(parsed.ok, `${length} octets`).toBe(false);
      isAnswered(der.subarray(0, length));
    }
  });
  it('with any one bit flipped is answered', () => {
    for (let bit = 0; bit < der.length * 8; bit += 1) {
      const flipped = Uint8Array.from(der);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      isAnswered(flipped);
    }
  });
});

/** As much of one thing as 64 KiB hold: none may take more than its share of time. */
describe('dense certificates', () => {
  const many = (count: number, element: (index: number) => Uint8Array): Uint8Array[] =>
    Array.from({ length: count }, (_, index) => element(index));
  const oid = (index: number): Uint8Array => writeOid(`1.2.${index}`);
  const rows: Record<string, () => Uint8Array> = {
    'extensions, each another': () =>
      makeCertificate({ extensions: many(6_000, (index) => extension(`1.2.3.${index}`, new Uint8Array(0))) }),
    names: () =>
      makeCertificate({
        extensions: [extension(OID.subjectAltName, writeSequence(...many(30_000, () => general.dns(''))))],
      }),
    'addresses of constraints': () =>
      makeCertificate({
        extensions: [
          extension(
            OID.nameConstraints,
            writeSequence(
              writeElement(0xa0, ...many(4_500, () => writeSequence(general.ip(1, 2, 3, 4, 255, 255, 0, 0)))),
            ),
          ),
        ],
      }),
    RDNs: () => makeCertificate({ subject: rdns(2_900) }),
    'attributes of one RDN': () => makeCertificate({ subject: oneRdn(3_500) }),
    policies: () =>
      makeCertificate({
        extensions: [
          extension(
            OID.certificatePolicies,
            writeSequence(...many(7_000, (index) => writeSequence(oid(index)))),
          ),
        ],
      }),
    purposes: () =>
      makeCertificate({
        extensions: [extension(OID.extendedKeyUsage, writeSequence(...many(12_000, () => oid(0))))],
      }),
    'OIDs with arcs of 128 bits': () =>
      makeCertificate({
        extensions: [extension(OID.extendedKeyUsage, writeSequence(...many(1_000, () => wideOid())))],
      }),
    'empty elements in parameters': () =>
      makeCertificate({
        innerAlgorithm: writeSequence(oid(1), writeSequence(...many(30_000, () => writeSequence()))),
      }),
    'one long name': () =>
      makeCertificate({
        extensions: [extension(OID.subjectAltName, writeSequence(general.dns('a'.repeat(64_000))))],
      }),
    'one long OCTET STRING': () =>
      makeCertificate({ extensions: [extension('1.2.3', writeOctetString(new Uint8Array(64_000)))] }),
  };
  const rdns = (count: number): Uint8Array =>
    writeSequence(
      ...many(count, (index) => writeSetOf([writeSequence(oid(index), writeOctetString(new Uint8Array(0)))])),
    );
  const oneRdn = (count: number): Uint8Array =>
    writeSequence(
      writeSetOf(many(count, (index) => writeSequence(oid(index), writeOctetString(new Uint8Array(0))))),
    );
  const wideOid = (): Uint8Array => writeOid(`2.${2n ** 127n}.${2n ** 127n}.${2n ** 127n}`);

  it.each(Object.entries(rows))('%s', (_title, make) => {
    const der = make();
    expect(der.length).toBeGreaterThan(40_000);
    expect(der.length).toBeLessThanOrEqual(DEFAULT_LIMITS.certificateBytes + 1_000);
    const limits = { certificateBytes: der.length };
    const started = performance.now();
    const parsed = parseCertificate(der, limits);
    const elapsedMs = performance.now() - started;
    expect(parsed).toMatchObject({ ok: true });
    expect(elapsedMs).toBeLessThan(100);
  });
});
