/** One case put to both, and what explains it when they disagree. */
import type { Case } from './case.ts';
import type { Peer, TheirError } from './openssl.ts';
import { judgeOurselves, narrowed } from './ours.ts';
import { acceptedRules } from './accepted-rules.ts';
import { refusedRules } from './refused-rules.ts';
import type { Accepted, AcceptedRule, Refused, RuleText } from './rule.ts';

/** Found without a rule of its own: they accept the path that we found, when it is all that there is. */
export const ONE_PATH: RuleText = {
  id: 'one-path',
  section: 'RFC 5280 section 6.1, RFC 4158 section 2.4',
  why: 'Any path that is valid will do; OpenSSL builds one and does not try another when that is refused.',
};

export type Outcome =
  | { readonly kind: 'both valid' | 'both invalid' }
  | { readonly kind: 'explained'; readonly rules: readonly string[] }
  | { readonly kind: 'unexplained'; readonly text: string };

export async function compare(input: Case, peer: Peer): Promise<Outcome> {
  const ours = judgeOurselves(input);
  if (!input.question.strict && !ours.valid && judgeOurselves(input, true).valid)
    return { kind: 'unexplained', text: describe(input, 'the profile accepts what section 6 refuses') };
  const theirs = await peer.judge(input);
  if (ours.valid === theirs.valid) return { kind: ours.valid ? 'both valid' : 'both invalid' };
  if (!ours.valid) return explainRefusal(input, ours);
  if (ours.anchor === undefined) throw new Error('every anchor here has a certificate');
  const alone = await peer.judge(narrowed(input, ours.path, ours.anchor));
  if (alone.valid) return { kind: 'explained', rules: [ONE_PATH.id] };
  return explainAcceptance({ input, ours, theirs: alone, chain: [...ours.path, ours.anchor] });
}

function explainRefusal(input: Case, ours: Refused['ours']): Outcome {
  for (const failure of ours.failures) {
    const rule = refusedRules.find((one) => one.holds({ input, ours, failure }));
    if (rule !== undefined) return { kind: 'explained', rules: [rule.id] };
  }
  const { reason, section, detail } = ours.failure;
  const verdict = `we refuse: ${reason}, ${section}: ${detail} [${ours.unread.join('; ')}]`;
  return { kind: 'unexplained', text: describe(input, verdict) };
}

/** Every error needs a rule: a second one may be the one that we miss. */
function explainAcceptance(accepted: Accepted): Outcome {
  const { errors, output } = accepted.theirs;
  const explains = ({ number, depth }: TheirError): AcceptedRule | undefined => {
    const at = accepted.chain[depth];
    if (at === undefined) return undefined;
    return acceptedRules.find((rule) => rule.errors.includes(number) && rule.holds(accepted, at, depth));
  };
  const found = errors.map(explains);
  const rules = found.flatMap((rule) => (rule === undefined ? [] : [rule.id]));
  if (errors.length > 0 && rules.length === errors.length)
    return { kind: 'explained', rules: [...new Set(rules)] };
  return { kind: 'unexplained', text: describe(accepted.input, `we accept, they say: ${output}`) };
}

function describe({ seed, index, focus, question, story }: Case, verdict: string): string {
  const how = question.strict ? 'strict' : 'section 6';
  return `seed ${seed}, case ${index} (${focus}, ${how}): ${story.join('; ')}\n  ${verdict.trim().replaceAll('\n', '\n  ')}`;
}
