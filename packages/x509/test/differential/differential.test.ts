/** Some hundred hierarchies, always the same, judged by this package and by `openssl verify`; README.md has the rest. */
import { describe, expect, it } from 'vitest';
import { opensslSuite } from '../support/openssl.ts';
import { acceptedRules } from './accepted-rules.ts';
import { makeCase, type Case } from './case.ts';
import { compare } from './compare.ts';
import type { Peer, TheirVerdict } from './openssl.ts';
import { judgeOurselves } from './ours.ts';
import { refusedRules } from './refused-rules.ts';
import { runCases } from './run.ts';

const SEED = 5280;
const CASES = 300;

const suite = opensslSuite();
const title = suite.title('random hierarchies');
/** Other versions have other reasons to disagree, and the rules are about these. */
const isOther = !/OpenSSL 3\.0\./u.test(title);

describe.skipIf(suite.skip || isOther)(title, () => {
  it('every disagreement has its rule', { timeout: 180_000 }, async () => {
    const { bothValid, bothInvalid, rules, unexplained } = await runCases({
      seed: SEED,
      from: 0,
      cases: CASES,
      atATime: 3,
    });
    expect(unexplained).toEqual([]);
    // Most cases are ones that both see alike, a good part of them valid: otherwise nothing is compared.
    expect(bothValid).toBeGreaterThan(CASES / 5);
    expect(bothInvalid).toBeGreaterThan(CASES / 5);
    expect(rules.length).toBeGreaterThan(5);
  });
});

/** Says the same of every case. */
const peerThatSays = (verdict: Partial<TheirVerdict>): Peer => ({
  judge: () => Promise.resolve({ valid: false, errors: [], output: '', ...verdict }),
  [Symbol.dispose]: () => undefined,
});

/** The first case that we find valid, or whose every candidate and certificate is refused for its signature. */
function firstCase(wanted: 'valid' | 'forged'): Case {
  for (let index = 0; ; index += 1) {
    const input = makeCase(SEED, index);
    const ours = judgeOurselves(input);
    const isForged =
      !ours.valid &&
      ours.unread.length === 0 &&
      ours.failures.every(({ reason }) => reason === 'signature_invalid');
    if (wanted === 'valid' ? ours.valid : isForged) return input;
  }
}

describe('a disagreement without a rule', () => {
  it('is unexplained when we accept', async () => {
    const input = firstCase('valid');
    for (const errors of [
      [],
      [{ number: 7, depth: 0 }],
      [{ number: 10, depth: 0 }],
      [{ number: 18, depth: 99 }],
    ])
      expect(await compare(input, peerThatSays({ errors }))).toMatchObject({ kind: 'unexplained' });
  });
  it('is unexplained when we refuse', async () => {
    const input = firstCase('forged');
    expect(await compare(input, peerThatSays({ valid: true }))).toMatchObject({ kind: 'unexplained' });
  });
});

it('a rule has a name of its own, a text that decides and a reason', () => {
  const rules = [...acceptedRules, ...refusedRules];
  expect(new Set(rules.map(({ id }) => id)).size).toBe(rules.length);
  for (const { section, why } of rules) {
    expect(section).toMatch(/^(?:RFC|X\.690)/u);
    expect(why.length).toBeGreaterThan(20);
  }
});

it('a seed repeats its cases', () => {
  const tell = ({ question, story, certificates, crls }: Case): unknown => ({
    question,
    story,
    sizes: [certificates.length, crls.length],
  });
  for (const index of [0, 7, 42]) expect(tell(makeCase(3, index))).toEqual(tell(makeCase(3, index)));
});
