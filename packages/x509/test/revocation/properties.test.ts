/** What holds for any evidence: its order has no say, and more of it that revokes never makes a certificate good. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RevocationInput, RevocationMode } from '../../src/input.ts';
import { NEXT_UPDATE, THIS_UPDATE } from '../support/pki.ts';
import {
  after,
  answer,
  ask,
  before,
  ca,
  DAY_MS,
  idp,
  leaf,
  list,
  root,
  serialOf,
} from '../support/revocation.ts';

const held = { ...serialOf(leaf), reason: 'certificateHold' };
const released = { ...serialOf(leaf), reason: 'removeFromCRL' };
const revoked = { ...serialOf(leaf), reason: 'keyCompromise' };
const revokedAt = new Date('2026-05-01T00:00:00Z');

/** Newer than every delta below: a delta may end what an older list says (section 6.3.3 (k)). */
const REVOKING_LIST = list(ca, { crlNumber: 20, revoked: [revoked] });
const LISTS = [
  REVOKING_LIST,
  list(ca, { revoked: [revoked] }),
  list(ca),
  list(ca, { crlNumber: 11 }),
  list(ca, { revoked: [held] }),
  list(ca, { crlNumber: 12, deltaOf: 10 }),
  list(ca, { crlNumber: 13, deltaOf: 9, revoked: [released] }),
  list(ca, { crlNumber: 14, deltaOf: 11, revoked: [held] }),
  list(ca, idp({ onlySomeReasons: ['keyCompromise'] })),
  list(ca, idp({ onlyContainsCACerts: true })),
  list(ca, { thisUpdate: NEXT_UPDATE, nextUpdate: after(NEXT_UPDATE, DAY_MS) }),
  list(ca, { thisUpdate: before(THIS_UPDATE, 2 * DAY_MS), nextUpdate: THIS_UPDATE }),
  list(ca, { signer: root.key }),
  list(root, { crlNumber: 3 }),
];
const REVOKING_ANSWERS = [
  answer({ status: { revokedAt } }),
  answer({ status: { revokedAt, reason: 1 }, hash: 'sha256' }),
];
const ANSWERS = [
  ...REVOKING_ANSWERS,
  answer(),
  answer({ thisUpdate: before(THIS_UPDATE, DAY_MS) }),
  answer({ status: 'unknown' }),
  answer({ signer: root.key }),
  answer({ responseStatus: 3 }),
];

const mode = fc.constantFrom<RevocationMode>('crl', 'ocsp', 'either', 'both');
const evidence = fc.record({
  mode,
  scope: fc.constant('leaf' as const),
  onUnknown: fc.constantFrom('hard' as const, 'soft' as const),
  crls: fc.subarray(LISTS),
  ocsp: fc.subarray(ANSWERS),
});
const isValid = (input: RevocationInput): boolean => ask(input).valid;

describe('evidence', () => {
  it('says the same in any order', () => {
    const turned = evidence.chain((input) =>
      fc.tuple(
        fc.constant(input),
        fc.shuffledSubarray(input.crls, { minLength: input.crls.length }),
        fc.shuffledSubarray(input.ocsp, { minLength: input.ocsp.length }),
      ),
    );
    fc.assert(
      fc.property(turned, ([input, crls, ocsp]) => {
        expect(isValid({ ...input, crls, ocsp })).toBe(isValid(input));
      }),
      { numRuns: 300 },
    );
  });
  it('never makes a certificate good by one more list or answer that revokes', () => {
    fc.assert(
      fc.property(evidence, fc.constantFrom(...REVOKING_ANSWERS), (input, said) => {
        const after = isValid({
          ...input,
          crls: [...input.crls, REVOKING_LIST],
          ocsp: [...input.ocsp, said],
        });
        expect(after && !isValid(input)).toBe(false);
      }),
      { numRuns: 300 },
    );
  });
  it('that revokes in what the mode looks at is final', () => {
    fc.assert(
      fc.property(evidence, (input) => {
        expect(isValid({ ...input, mode: 'crl', crls: [...input.crls, REVOKING_LIST] })).toBe(false);
        expect(isValid({ ...input, mode: 'ocsp', ocsp: [...input.ocsp, ...REVOKING_ANSWERS] })).toBe(false);
        expect(isValid({ ...input, mode: 'either', crls: [...input.crls, REVOKING_LIST] })).toBe(false);
      }),
      { numRuns: 300 },
    );
  });
});
