/** Many cases, some at a time, and how often each rule explained one. */
import { makeCase } from './case.ts';
import { acceptedRules } from './accepted-rules.ts';
import { ONE_PATH, compare } from './compare.ts';
import { refusedRules } from './refused-rules.ts';
import type { RuleText } from './rule.ts';
import { openPeer } from './openssl.ts';

/** A rule, and how many cases it explained, alone or with another. */
export interface RuleCount {
  readonly id: string;
  readonly weSay: 'valid' | 'invalid';
  readonly section: string;
  readonly why: string;
  readonly cases: number;
}

export interface Summary {
  readonly cases: number;
  readonly bothValid: number;
  readonly bothInvalid: number;
  readonly rules: readonly RuleCount[];
  readonly neverMatched: readonly string[];
  readonly unexplained: readonly string[];
}

export interface Plan {
  readonly seed: number;
  readonly from: number;
  readonly cases: number;
  readonly atATime: number;
}

export async function runCases({ seed, from, cases, atATime }: Plan): Promise<Summary> {
  const explained: Record<string, number> = {};
  const unexplained: string[] = [];
  const counts = { 'both valid': 0, 'both invalid': 0 };
  let next = from;
  const work = async (): Promise<void> => {
    using peer = openPeer();
    while (next < from + cases) {
      const outcome = await compare(makeCase(seed, next++), peer);
      if (outcome.kind === 'unexplained') unexplained.push(outcome.text);
      else if (outcome.kind === 'explained')
        for (const rule of outcome.rules) explained[rule] = (explained[rule] ?? 0) + 1;
      else counts[outcome.kind] += 1;
    }
  };
  await Promise.all(Array.from({ length: atATime }, work));
  const rules = tally(explained);
  return {
    cases,
    bothValid: counts['both valid'],
    bothInvalid: counts['both invalid'],
    rules: rules.filter((rule) => rule.cases > 0),
    neverMatched: rules.filter((rule) => rule.cases === 0).map(({ id }) => id),
    unexplained: unexplained.toSorted(),
  };
}

function tally(explained: Readonly<Record<string, number>>): readonly RuleCount[] {
  const count = (weSay: RuleCount['weSay'], { id, section, why }: RuleText): RuleCount => ({
    id,
    weSay,
    section,
    why,
    cases: explained[id] ?? 0,
  });
  return [
    ...[ONE_PATH, ...acceptedRules].map((rule) => count('valid', rule)),
    ...refusedRules.map((rule) => count('invalid', rule)),
  ];
}
