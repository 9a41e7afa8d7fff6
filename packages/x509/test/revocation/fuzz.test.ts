/** Neither parser throws or hangs on anything, and what they give can be asked about. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ParseFailure } from '../../src/parsed.ts';
import { parseCertificateList } from '../../src/revocation/crl/parse.ts';
import { parseOcspResponse } from '../../src/revocation/ocsp/parse.ts';
import { freshestCRL, general, issuingDistributionPoint, OID } from '../support/pki.ts';
import { answerDer, ask, ca, leaf, listDer, serialOf, unknownExtension } from '../support/revocation.ts';
import { issue } from '../support/pki.ts';

const delegate = issue({ subject: 'responder', issuer: ca, extendedKeyUsage: [OID.OCSPSigning] });
const CRLS = [
  listDer(ca),
  listDer(ca, {
    deltaOf: 1,
    revoked: [
      { ...serialOf(leaf), reason: 'keyCompromise', certificateIssuer: [general.directory('ca')] },
      { serial: 1 },
    ],
    extensions: [
      issuingDistributionPoint({
        fullName: [general.uri('u:')],
        indirectCRL: true,
        onlySomeReasons: ['superseded'],
      }),
      freshestCRL([{ fullName: [general.uri('u:')] }]),
      unknownExtension(false),
    ],
  }),
];
const ANSWERS = [
  answerDer(),
  answerDer({
    nonce: new Uint8Array(16),
    status: { revokedAt: new Date(0), reason: 1 },
    signer: delegate.key,
    responder: { spki: delegate.key.spki },
    certificates: [delegate.der],
    singleExtensions: [unknownExtension(false)],
  }),
];

/** Noise, and good octets that are cut off or have some octets changed, taken out or put in. */
function hostile(good: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  const start = fc.constantFrom(...good);
  const place = fc.nat({ max: 2_000 });
  const edit = fc.tuple(place, fc.nat({ max: 255 }), fc.constantFrom('change', 'remove', 'insert'));
  return fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.tuple(start, place).map(([der, length]) => der.subarray(0, length % der.length)),
    fc.tuple(start, fc.array(edit, { minLength: 1, maxLength: 4 })).map(([der, edits]) => {
      const octets = [...der];
      for (const [at, octet, kind] of edits)
        octets.splice(at % octets.length, kind === 'insert' ? 0 : 1, ...(kind === 'remove' ? [] : [octet]));
      return Uint8Array.from(octets);
    }),
  );
}

function expectPlace(failure: ParseFailure, der: Uint8Array): void {
  expect(failure.offset).toBeGreaterThanOrEqual(0);
  expect(failure.offset).toBeLessThanOrEqual(der.length);
  expect(failure.problem).not.toBe('');
}

describe('hostile octets', () => {
  it('CRL: parse or say where not; what parses never makes a revoked leaf good', () => {
    const revoking = [listDer(ca, { revoked: [serialOf(leaf)] })].map((der) => parseCertificateList(der));
    const known = revoking.flatMap((parsed) => (parsed.ok ? [parsed.value] : []));
    expect(known).toHaveLength(1);
    fc.assert(
      fc.property(hostile(CRLS), (der) => {
        const parsed = parseCertificateList(der);
        if (!parsed.ok) return expectPlace(parsed.failure, der);
        for (const entry of parsed.value.entries) expect(entry.serialNumber.length).toBeGreaterThan(0);
        parsed.value.entries.find(leaf.certificate.serialNumber);
        expect(ask({ crls: [parsed.value, ...known] }).valid).toBe(false);
        expect(ask({ onUnknown: 'soft', crls: [...known, parsed.value] }).valid).toBe(false);
      }),
      { numRuns: 3_000 },
    );
  });
  it('CRL: a changed octet is never a good list', () => {
    const [der] = CRLS as [Uint8Array];
    for (let at = 0; at < der.length; at += 1) {
      const changed = der.with(at, (der[at] ?? 0) ^ 1);
      const parsed = parseCertificateList(changed);
      if (parsed.ok) expect([at, ask({ crls: [parsed.value] }).valid]).toEqual([at, false]);
    }
  });
  it('OCSP: parse or say where not; what parses never makes a revoked leaf good', () => {
    const known = parseOcspResponse(answerDer({ status: { revokedAt: new Date(0) } }));
    if (!known.ok) throw new Error(known.failure.problem);
    fc.assert(
      fc.property(hostile(ANSWERS), (der) => {
        const parsed = parseOcspResponse(der);
        if (!parsed.ok) return expectPlace(parsed.failure, der);
        expect(ask({ mode: 'ocsp', scope: 'leaf', ocsp: [parsed.value, known.value] }).valid).toBe(false);
      }),
      { numRuns: 3_000 },
    );
  });
  it('OCSP: a changed octet is never a good answer', () => {
    const [der] = ANSWERS as [Uint8Array];
    for (let at = 0; at < der.length; at += 1) {
      const changed = der.with(at, (der[at] ?? 0) ^ 1);
      const parsed = parseOcspResponse(changed);
      if (parsed.ok)
        expect([at, ask({ mode: 'ocsp', scope: 'leaf', ocsp: [parsed.value] }).valid]).toEqual([at, false]);
    }
  });
});
