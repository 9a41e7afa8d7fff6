/**
 * Which principal a certificate's names make of its holder: one pattern with at most one `{name}` for a kind of name, and
 * the principal that it becomes. No regular expressions: what an operator cannot read at a glance is no rule.
 */
import { parsePrincipalId, type PrincipalId } from '@sallyport/service/identity';

export const NAME_KINDS = ['uri', 'dns', 'email', 'commonName'] as const;
export type NameKind = (typeof NAME_KINDS)[number];

export interface IdentityRule {
  readonly from: NameKind;
  /** `spiffe://partner.example/agent/{name}`; the rest is compared octet by octet, letters as they stand. */
  readonly pattern: string;
  /** `workload:partner.{name}`. */
  readonly principal: string;
}

/** A certificate's names by kind; hosts of `dns` and `email` in lower case. */
export type CertificateNames = Readonly<Record<NameKind, readonly string[]>>;

export type Mapped =
  | { readonly ok: true; readonly principal: PrincipalId }
  | { readonly ok: false; readonly problem: 'no_rule' | 'ambiguous' };

const HOLE = '{name}';
/** What may stand between an operator's part of a principal's name and the other authority's. */
const SEPARATED = /(?:^|[:._-])\{name\}(?:$|[._-])/u;

/** What is wrong with a rule; undefined when nothing is. */
export function ruleProblem(
  { from, pattern, principal }: IdentityRule,
  mayBeAnybody: boolean,
): string | undefined {
  const holes = pattern.split(HOLE).length - 1;
  if (holes > 1) return `the pattern has ${HOLE} ${holes} times`;
  if (principal.split(HOLE).length - 1 !== holes)
    return `${HOLE} stands in one of pattern and principal only`;
  const example = parsePrincipalId(principal.replace(HOLE, 'x'));
  if (example === undefined)
    return 'the principal is not <user|workload|device>:<name of a-z, 0-9, dot, dash, underscore>';
  // Whoever runs the other authority could otherwise be anybody here.
  if (!mayBeAnybody && example.name === 'x' && holes === 1)
    return `every name of that authority would become ours; write a prefix, such as partner.${HOLE}`;
  // `user:a{name}` would be everybody whose name begins with an a.
  if (!mayBeAnybody && holes === 1 && !SEPARATED.test(principal))
    return `a dot, a dash or an underscore stands between ${HOLE} and the rest of the principal`;
  if (hostOf(from, pattern) !== hostOf(from, pattern).toLowerCase())
    return 'hosts are compared in lower case: the pattern fits nothing';
  return undefined;
}

function hostOf(from: NameKind, pattern: string): string {
  if (from === 'dns') return pattern;
  return from === 'email' ? pattern.slice(pattern.lastIndexOf('@') + 1) : '';
}

/** Whether one rule can make a principal that the other one can make too, by `{name}` in either. */
export function mayMeet(one: IdentityRule, other: IdentityRule): boolean {
  const [before, after, isOpen] = partsOf(one.principal);
  const [otherBefore, otherAfter, isOtherOpen] = partsOf(other.principal);
  // Two rules for one name each say so in as many words.
  if (!isOpen && !isOtherOpen) return false;
  if (!isOpen) return isBetween(one.principal, otherBefore, otherAfter);
  if (!isOtherOpen) return isBetween(other.principal, before, after);
  return (
    (before.startsWith(otherBefore) || otherBefore.startsWith(before)) &&
    (after.endsWith(otherAfter) || otherAfter.endsWith(after))
  );
}

function partsOf(principal: string): readonly [before: string, after: string, isOpen: boolean] {
  const [before = '', after] = principal.split(HOLE);
  return [before, after ?? '', after !== undefined];
}

function isBetween(principal: string, before: string, after: string): boolean {
  return (
    principal.length > before.length + after.length &&
    principal.startsWith(before) &&
    principal.endsWith(after)
  );
}

/** The one principal that the first rule that fits makes of the names. Rules must have no `ruleProblem`. */
export function mapIdentity(rules: readonly IdentityRule[], names: CertificateNames): Mapped {
  for (const rule of rules) {
    const found = new Set(names[rule.from].flatMap((name) => principalOf(rule, name)));
    const [principal] = found;
    if (found.size > 1) return { ok: false, problem: 'ambiguous' };
    if (principal !== undefined) return { ok: true, principal };
  }
  return { ok: false, problem: 'no_rule' };
}

function principalOf({ pattern, principal }: IdentityRule, name: string): readonly PrincipalId[] {
  const at = pattern.indexOf(HOLE);
  if (at < 0) return name === pattern ? asPrincipal(principal) : [];
  const before = pattern.slice(0, at);
  const after = pattern.slice(at + HOLE.length);
  if (name.length < before.length + after.length || !name.startsWith(before) || !name.endsWith(after))
    return [];
  const captured = name.slice(at, name.length - after.length);
  // What is taken over is a name by itself: not empty, no slash, no @, no upper case, no dots alone.
  if (parsePrincipalId(`user:${captured}`) === undefined) return [];
  return asPrincipal(principal.replace(HOLE, () => captured));
}

function asPrincipal(text: string): readonly PrincipalId[] {
  const parsed = parsePrincipalId(text);
  return parsed === undefined ? [] : [`${parsed.kind}:${parsed.name}`];
}
