/** The subtrees of one certificate's name constraints, read once and sorted by the name form that they bind. */
import type { GeneralName, GeneralSubtree, Name, NameConstraints } from '../certificate/types.ts';
import { hostName } from './dns.ts';
import { ipRange, type IpRange } from './ip.ts';
import { mailboxSubtree, type MailboxSubtree } from './email.ts';
import { uriSubtree, type UriSubtree } from './uri.ts';

type NameForm = GeneralName['kind'];

/** Bases of one form. `unusable` says why names of the form cannot be judged, and then each of them is refused. */
export interface Bases<T> {
  readonly permitted: readonly T[] | undefined;
  readonly excluded: readonly T[] | undefined;
  readonly unusable: string | undefined;
}

/** A form without subtrees binds nothing and is undefined. */
export interface Subtrees {
  readonly dns: Bases<string> | undefined;
  readonly email: Bases<MailboxSubtree> | undefined;
  readonly uri: Bases<UriSubtree> | undefined;
  readonly ip: Bases<IpRange> | undefined;
  readonly directory: Bases<Name> | undefined;
  /** Forms that section 4.2.1.10 gives no rules for and that are constrained nevertheless. */
  readonly unsupported: ReadonlySet<NameForm>;
}

const known = new WeakMap<NameConstraints, Subtrees>();

/** Memoised: a certificate's constraints are read once however many paths it is in. */
export function readSubtrees(constraints: NameConstraints): Subtrees {
  let subtrees = known.get(constraints);
  if (subtrees === undefined) {
    subtrees = read(constraints);
    known.set(constraints, subtrees);
  }
  return subtrees;
}

function read(constraints: NameConstraints): Subtrees {
  const unsupported = new Set<NameForm>();
  for (const { base } of [...(constraints.permitted ?? []), ...(constraints.excluded ?? [])]) {
    if (base.kind === 'other' || base.kind === 'registered' || base.kind === 'x400' || base.kind === 'edi')
      unsupported.add(base.kind);
  }
  return {
    dns: basesOf(constraints, 'dns', (base) => (base.kind === 'dns' ? dnsBase(base.value) : undefined)),
    email: basesOf(constraints, 'email', (base) =>
      base.kind === 'email' ? mailboxSubtree(base.value) : undefined,
    ),
    uri: basesOf(constraints, 'uri', (base) => (base.kind === 'uri' ? uriSubtree(base.value) : undefined)),
    ip: basesOf(constraints, 'ip', (base) => (base.kind === 'ip' ? ipRange(base.value) : undefined)),
    directory: basesOf(constraints, 'directory', (base) =>
      base.kind === 'directory' ? base.value : undefined,
    ),
    unsupported,
  };
}

/** A host name; the empty text holds every name. No leading period: section 4.2.1.10 has it for URIs and e-mail alone. */
function dnsBase(value: string): string | undefined {
  return value === '' ? '' : hostName(value);
}

/** `parse` is asked for bases of the form alone; undefined from it is a malformed base. */
function basesOf<T>(
  constraints: NameConstraints,
  form: NameForm,
  parse: (base: GeneralName) => T | undefined,
): Bases<T> | undefined {
  let unusable: string | undefined;
  function collect(subtrees: readonly GeneralSubtree[] | undefined): T[] | undefined {
    const bases: T[] = [];
    for (const { base, minimum, maximum } of subtrees ?? []) {
      if (base.kind !== form) continue;
      // Section 4.2.1.10: minimum MUST be zero and maximum absent; who meets others processes them or refuses.
      if (minimum !== 0 || maximum !== undefined) unusable = `a ${form} subtree with minimum or maximum`;
      const parsed = parse(base);
      if (parsed === undefined) unusable = `a malformed ${form} subtree`;
      else bases.push(parsed);
    }
    return bases.length === 0 ? undefined : bases;
  }
  const permitted = collect(constraints.permitted);
  const excluded = collect(constraints.excluded);
  if (permitted === undefined && excluded === undefined && unusable === undefined) return undefined;
  return { permitted, excluded, unusable };
}
