import { describe, expect, it } from 'vitest';
import type { OcspResponse } from '../../src/revocation/ocsp/types.ts';
import type { RevocationMode } from '../../src/input.ts';
import { issue } from '../support/pki.ts';
import { answer, ask, ca, leaf, list, root, rootList, serialOf } from '../support/revocation.ts';
import { run } from '../support/validating.ts';

const revokedAt = new Date('2026-05-01T00:00:00Z');
const LISTS = {
  absent: [],
  good: [list(ca)],
  revoked: [list(ca, { revoked: [{ ...serialOf(leaf), reason: 'superseded' }] })],
  broken: [list(ca, { signer: root.key, revoked: [serialOf(leaf)] })],
} as const;
const ANSWERS = {
  absent: [],
  good: [answer()],
  revoked: [answer({ status: { revokedAt, reason: 1 } })],
  unknown: [answer({ status: 'unknown' })],
  broken: [answer({ signer: root.key, status: { revokedAt } })],
} as const;

type ListState = keyof typeof LISTS;
type AnswerState = keyof typeof ANSWERS;

/** What each mode says of each pair. Worked out here by hand, and not by the rule under test. */
const TABLE: readonly (readonly [ListState, AnswerState, Readonly<Record<RevocationMode, string>>])[] = [
  ['absent', 'absent', { none: 'ok', crl: 'unknown', ocsp: 'unknown', either: 'unknown', both: 'unknown' }],
  ['absent', 'good', { none: 'ok', crl: 'unknown', ocsp: 'good', either: 'good', both: 'unknown' }],
  ['absent', 'revoked', { none: 'ok', crl: 'unknown', ocsp: 'revoked', either: 'revoked', both: 'revoked' }],
  ['absent', 'unknown', { none: 'ok', crl: 'unknown', ocsp: 'unknown', either: 'unknown', both: 'unknown' }],
  ['absent', 'broken', { none: 'ok', crl: 'unknown', ocsp: 'unknown', either: 'unknown', both: 'unknown' }],
  ['good', 'absent', { none: 'ok', crl: 'good', ocsp: 'unknown', either: 'good', both: 'unknown' }],
  ['good', 'good', { none: 'ok', crl: 'good', ocsp: 'good', either: 'good', both: 'good' }],
  ['good', 'revoked', { none: 'ok', crl: 'good', ocsp: 'revoked', either: 'revoked', both: 'revoked' }],
  ['good', 'unknown', { none: 'ok', crl: 'good', ocsp: 'unknown', either: 'good', both: 'unknown' }],
  ['good', 'broken', { none: 'ok', crl: 'good', ocsp: 'unknown', either: 'good', both: 'unknown' }],
  ['revoked', 'absent', { none: 'ok', crl: 'revoked', ocsp: 'unknown', either: 'revoked', both: 'revoked' }],
  ['revoked', 'good', { none: 'ok', crl: 'revoked', ocsp: 'good', either: 'revoked', both: 'revoked' }],
  ['revoked', 'revoked', { none: 'ok', crl: 'revoked', ocsp: 'revoked', either: 'revoked', both: 'revoked' }],
  ['revoked', 'unknown', { none: 'ok', crl: 'revoked', ocsp: 'unknown', either: 'revoked', both: 'revoked' }],
  ['broken', 'good', { none: 'ok', crl: 'unknown', ocsp: 'good', either: 'good', both: 'unknown' }],
  ['broken', 'broken', { none: 'ok', crl: 'unknown', ocsp: 'unknown', either: 'unknown', both: 'unknown' }],
];
const rows = TABLE.flatMap(([lists, answers, expected]) =>
  (['none', 'crl', 'ocsp', 'either', 'both'] as const).map(
    (mode) => [mode, lists, answers, expected[mode]] as const,
  ),
);

describe('modes', () => {
  it.each(rows)('%s: list %s, answer %s, hard: %s', (mode, lists, answers, expected) => {
    const result = ask({ mode, scope: 'leaf', crls: LISTS[lists], ocsp: ANSWERS[answers] });
    expect(result.valid).toBe(expected === 'good' || expected === 'ok');
    if (!result.valid)
      expect(result.failure.reason).toBe(expected === 'revoked' ? 'revoked' : 'revocation_unknown');
  });
  it.each(rows)('%s: list %s, answer %s, soft: %s', (mode, lists, answers, expected) => {
    const result = ask({
      mode,
      scope: 'leaf',
      onUnknown: 'soft',
      crls: LISTS[lists],
      ocsp: ANSWERS[answers],
    });
    expect(result.valid).toBe(expected !== 'revoked');
    const reports = result.valid ? result.revocation : (result.candidates[0]?.revocation ?? []);
    expect(reports[0]?.status).toBe(expected === 'ok' ? 'not_checked' : expected);
  });
});

describe('scope', () => {
  const rootAnswer = answer({ of: ca, by: root });
  const statuses = (question: Parameters<typeof ask>[0]): unknown => {
    const result = ask(question);
    return (result.valid ? result.revocation : (result.candidates[0]?.revocation ?? [])).map(
      ({ status }) => status,
    );
  };
  it('path: every certificate below the anchor', () => {
    expect(statuses({ crls: [list(ca)] })).toEqual(['good', 'good']);
    expect(statuses({ mode: 'ocsp', ocsp: [answer(), rootAnswer] })).toEqual(['good', 'good']);
    expect(statuses({ mode: 'both', crls: [list(ca)], ocsp: [answer(), rootAnswer] })).toEqual([
      'good',
      'good',
    ]);
  });
  it('path: a CA of unknown status refuses', () => {
    expect(statuses({ mode: 'ocsp', ocsp: [answer()] })).toEqual(['not_checked', 'unknown']);
  });
  it('leaf: nothing else', () => {
    expect(statuses({ mode: 'ocsp', scope: 'leaf', ocsp: [answer()] })).toEqual(['good', 'not_checked']);
    const crls = [list(root, { revoked: [serialOf(ca)] }), list(ca)];
    expect(statuses({ scope: 'leaf', crls })).toEqual(['good', 'not_checked']);
  });
  it('soft: a CA that is revoked refuses all the same', () => {
    const result = ask({ onUnknown: 'soft', crls: [list(root, { revoked: [serialOf(ca)] })] });
    expect(result.valid ? undefined : result.failure).toMatchObject({ reason: 'revoked', certificate: 1 });
  });
});

describe('what the failure says', () => {
  const failure = (question: Parameters<typeof ask>[0]): unknown => {
    const result = ask(question);
    return result.valid ? undefined : result.failure;
  };
  it('without any evidence', () => {
    expect(failure({})).toEqual({
      reason: 'revocation_unknown',
      section: 'RFC 5280 section 6.3.3',
      detail: 'whether CN=leaf is revoked is not known: no evidence at hand is about it',
      certificate: 0,
    });
  });
  it.each([
    ['crl', 'RFC 5280 section 6.3.3'],
    ['ocsp', 'RFC 6960 section 3.2'],
    ['either', 'RFC 5280 section 6.1.3 (a)(3)'],
    ['both', 'RFC 5280 section 6.1.3 (a)(3)'],
  ] as const)('%s: %s', (mode, section) => {
    expect(failure({ mode, scope: 'leaf' })).toMatchObject({ section });
  });
  it('with the first three problems of many', () => {
    const crls = Array.from({ length: 9 }, () => list(ca, { nextUpdate: null }));
    const problem = 'no nextUpdate (CRL of CN=ca)';
    expect(failure({ crls })).toMatchObject({
      detail: `whether CN=leaf is revoked is not known: ${[problem, problem, problem].join('; ')}`,
    });
  });
});

describe('the anchor', () => {
  it('answers as a bare name and key', () => {
    const { subject: name, subjectPublicKeyInfo } = root.certificate;
    const input = {
      anchors: [{ name, subjectPublicKeyInfo, certificate: undefined }],
      leaf: issue({ subject: 'direct', issuer: root }),
    };
    expect(run({ ...input, revocation: { mode: 'crl', crls: [rootList] } }).valid).toBe(true);
    const ocsp: OcspResponse[] = [answer({ of: input.leaf, by: root })];
    expect(run({ ...input, revocation: { mode: 'ocsp', ocsp } }).valid).toBe(true);
  });
  it('gives the limit when there are more signatures than it allows', () => {
    const crls = Array.from({ length: 20 }, (_, number) => list(ca, { crlNumber: number, signer: root.key }));
    const result = ask({ crls, limits: { signatureChecks: 10 } });
    expect(result.valid ? undefined : result.failure.reason).toBe('limit');
  });
});
