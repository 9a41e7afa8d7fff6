/** One case: a hierarchy, what is asked of it, and how it came about. */
import type { ExpectedName, PolicyInput } from '../../src/input.ts';
import { AT, OID } from '../support/pki.ts';
import { buildDraft, type Draft, type Role } from './draft.ts';
import { createDraw, type Draw } from './draw.ts';
import { FOCUSES, GOLD, SILVER, growHierarchy, type Focus } from './hierarchy.ts';
import { growLists } from './lists.ts';
import { mutate } from './mutate.ts';
import { expectedName } from './names.ts';

export interface Question {
  readonly at: Date;
  readonly purpose: 'any' | 'client' | 'server';
  readonly name: ExpectedName | undefined;
  readonly policies: PolicyInput;
  readonly maxIntermediates: number | undefined;
  readonly revocation: boolean;
  /** Section 4 too: our profile `rfc5280`, OpenSSL's -x509_strict. Otherwise section 6 alone. */
  readonly strict: boolean;
}

export interface Case {
  readonly seed: number;
  readonly index: number;
  readonly focus: Focus;
  readonly question: Question;
  readonly certificates: readonly { readonly role: Role; readonly der: Uint8Array }[];
  readonly crls: readonly Uint8Array[];
  /** What is wrong or unusual about it, for people. */
  readonly story: readonly string[];
}

export function makeCase(seed: number, index: number): Case {
  const draw = createDraw(seed, index);
  const focus = draw.pick(FOCUSES);
  const hierarchy = growHierarchy(draw, focus);
  const question = ask(draw, focus);
  const story: string[] = [];
  if (focus === 'fields' || draw.chance(0.45))
    story.push(mutate(draw.pick(hierarchy.drafts), draw, hierarchy.drafts));
  const lists = question.revocation ? growLists(hierarchy, draw) : { ders: [], story: [] };
  const drafts = draw.chance(0.5) ? hierarchy.drafts : hierarchy.drafts.toReversed();
  const certificates = drafts.map((draft: Draft) => ({ role: draft.role, der: buildDraft(draft) }));
  return { seed, index, focus, question, certificates, crls: lists.ders, story: [...story, ...lists.story] };
}

function ask(draw: Draw, focus: Focus): Question {
  return {
    at: AT,
    purpose: focus === 'usages' || draw.chance(0.15) ? draw.pick(['client', 'server'] as const) : 'any',
    name: focus === 'expected names' ? expectedName(draw) : undefined,
    policies: focus === 'policies' || focus === 'everything' ? askPolicies(draw) : {},
    maxIntermediates: draw.chance(focus === 'paths' ? 0.2 : 0.03) ? draw.below(4) : undefined,
    revocation: focus === 'revocation',
    strict: draw.chance(0.4),
  };
}

function askPolicies(draw: Draw): PolicyInput {
  return {
    ...(draw.chance(0.4) ? { initial: draw.several([GOLD, SILVER, '1.2.3.3', OID.anyPolicy], 1, 2) } : {}),
    requireExplicit: draw.chance(0.6),
    inhibitMapping: draw.chance(0.2),
    inhibitAny: draw.chance(0.2),
  };
}
