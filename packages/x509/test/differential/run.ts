/** Many cases, some at a time, and how often each rule explained one. */
import { makeCase } from './case.ts';
import { compare } from './compare.ts';
import { openPeer } from './openssl.ts';

export interface Summary {
  readonly cases: number;
  readonly bothValid: number;
  readonly bothInvalid: number;
  /** By rule: how many cases it explained, alone or with another. */
  readonly explained: Readonly<Record<string, number>>;
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
  return {
    cases,
    bothValid: counts['both valid'],
    bothInvalid: counts['both invalid'],
    explained,
    unexplained: unexplained.toSorted(),
  };
}
