/** What the tables hold, and back to the domain. A row that the domain refuses is damage, never a caller's fault. */
import type { ColumnType, Generated } from 'kysely';
import type { Actor } from '../app/ports.ts';
import { parseBinding, type Binding } from '../domain/binding.ts';
import type { Change, PolicyState, ToolChange } from '../domain/policy-state.ts';
import type { Result } from '../domain/result.ts';
import { parseRole, type Role, type RoleInput } from '../domain/role.ts';
import type { PrincipalId, RoleName } from '../domain/names.ts';
import { parseToolDigest, parseToolRef, toolKey, type ToolPin, type ToolRecord } from '../domain/tool.ts';
import type { StoredTool } from '../domain/tool-record.ts';

type Json<T extends object> = ColumnType<T, T, T>;

type RoleDefinition = Omit<RoleInput, 'name'>;

/** A change as JSON: roles by their content, so that history outlives the domain's types. */
export type ChangeRow =
  | { readonly kind: 'role-put'; readonly before?: RoleInput; readonly after: RoleInput }
  | { readonly kind: 'role-deleted'; readonly before: RoleInput }
  | { readonly kind: 'binding-put'; readonly after: { readonly principal: string; readonly role: string } }
  | {
      readonly kind: 'binding-deleted';
      readonly before: { readonly principal: string; readonly role: string };
    }
  | {
      readonly kind: 'content-replaced' | 'bundle-key-replaced';
      readonly before: string;
      readonly after: string;
    }
  | (RefRow & {
      readonly kind: 'tool-found';
      readonly digest: string;
      readonly isPinned: boolean;
      readonly seenBy: string;
    })
  | (RefRow & { readonly kind: 'tool-approved'; readonly before: string; readonly after: string })
  | (RefRow & { readonly kind: 'tool-rejected'; readonly digest: string; readonly wasPinned: boolean });

type RefRow = { readonly route: string; readonly tool: string };

/** In which the digests are of the policy, and the rest is not. */
export type ToolRow = {
  route: string;
  tool: string;
  pinned: string;
  candidate: string;
  candidate_rejected: boolean;
  pinned_definition: string;
  candidate_definition: string;
  first_seen: Date;
  last_seen: Date;
  seen_by: string;
  candidate_seen: Date | null;
  approved_by: string;
  approved_at: Date | null;
};
export type PinRow = Pick<ToolRow, 'route' | 'tool' | 'pinned' | 'candidate' | 'candidate_rejected'>;

export type Schema = {
  policy_state: { only_row: Generated<boolean>; revision: bigint; announced: bigint; content_digest: string };
  role: { name: string; definition: Json<RoleDefinition>; revision: bigint };
  binding: { principal: string; role: string };
  policy_change: {
    revision: bigint;
    position: number;
    at: Date;
    actor: Json<Actor>;
    change: Json<ChangeRow>;
    recorded: Generated<boolean>;
  };
  bundle: {
    only_row: Generated<boolean>;
    revision: bigint;
    bundle: Uint8Array;
    key_id: string;
    public_key: Uint8Array;
    built_at: Date;
  };
  instance_report: { instance: string; revision: bigint; reported_at: Date };
  tool: ToolRow;
};

function sound<T>(result: Result<T>, what: string): T {
  if (result.ok) return result.value;
  throw new Error(`${what} in the database is damaged: ${result.refusal.field}: ${result.refusal.message}`);
}

export function definitionOf(role: Role): RoleDefinition {
  return { inherits: role.inherits, permissions: role.permissions, description: role.description };
}

const roleOf = (input: RoleInput): Role =>
  sound(parseRole(input, false), `role ${JSON.stringify(input.name)}`);

const bindingOf = (row: { principal: string; role: string }): Binding =>
  sound(parseBinding(row), 'a binding');

/** The state that the rows and the built-in roles make together. Throws when a stored role has a built-in's name. */
export function stateOf(
  row: { readonly revision: bigint; readonly content_digest: string },
  roleRows: readonly {
    readonly name: string;
    readonly definition: RoleDefinition;
    readonly revision: bigint;
  }[],
  bindingRows: readonly { readonly principal: string; readonly role: string }[],
  toolRows: readonly PinRow[],
  builtIn: readonly Role[],
): PolicyState {
  const roles = new Map(builtIn.map((role) => [role.name, role]));
  for (const { name, definition } of roleRows) {
    const role = roleOf({ name, ...definition });
    if (roles.has(role.name)) {
      throw new Error(
        `Role "${name}" is stored, and this release has a built-in role of that name. Start the release before it, ` +
          'give the stored role another name, then upgrade.',
      );
    }
    roles.set(role.name, role);
  }
  const roleRevisions = new Map(roleRows.map(({ name, revision }) => [name as RoleName, revision]));
  const tools = new Map(toolRows.map(pinOf).map((pin) => [toolKey(pin), pin]));
  const bindings = new Map<PrincipalId, Set<RoleName>>();
  for (const bindingRow of bindingRows) {
    const { principal, role } = bindingOf(bindingRow);
    bindings.set(principal, (bindings.get(principal) ?? new Set()).add(role));
  }
  return { revision: row.revision, contentDigest: row.content_digest, roles, bindings, roleRevisions, tools };
}

const refOf = (row: RefRow) => sound(parseToolRef(row), 'a tool');
const digestOf = (hex: string) => sound(parseToolDigest(hex, 'digest'), 'the digest of a tool');

function pinOf(row: PinRow): ToolPin {
  return {
    ...refOf(row),
    pinned: row.pinned === '' ? '' : digestOf(row.pinned),
    candidate: row.candidate === '' ? '' : digestOf(row.candidate),
    isCandidateRejected: row.candidate_rejected,
  };
}

export function toolRecordOf(row: Omit<ToolRow, 'pinned_definition' | 'candidate_definition'>): ToolRecord {
  return {
    ...pinOf(row),
    firstSeenMs: row.first_seen.getTime(),
    lastSeenMs: row.last_seen.getTime(),
    seenBy: row.seen_by,
    candidateSeenMs: row.candidate_seen?.getTime(),
    approvedBy: row.approved_by,
    approvedAtMs: row.approved_at?.getTime(),
  };
}

export function storedToolOf(row: ToolRow): StoredTool {
  const definitions = { pinned: row.pinned_definition, candidate: row.candidate_definition };
  return { record: toolRecordOf(row), definitions };
}

export function toolRow({ record, definitions }: StoredTool): ToolRow {
  const instant = (ms: number | undefined) => (ms === undefined ? null : new Date(ms));
  return {
    route: record.route,
    tool: record.tool,
    pinned: record.pinned,
    candidate: record.candidate,
    candidate_rejected: record.isCandidateRejected,
    pinned_definition: definitions.pinned,
    candidate_definition: definitions.candidate,
    first_seen: new Date(record.firstSeenMs),
    last_seen: new Date(record.lastSeenMs),
    seen_by: record.seenBy,
    candidate_seen: instant(record.candidateSeenMs),
    approved_by: record.approvedBy,
    approved_at: instant(record.approvedAtMs),
  };
}

export const isToolChange = (change: Change): change is ToolChange => 'tool' in change;

/** As it stands beside an approval. */
export const actorName = (actor: Actor): string => (actor.kind === 'principal' ? actor.id : 'policy-service');

const inputOf = (role: Role): RoleInput => ({ name: role.name, ...definitionOf(role) });

export function changeRow(change: Change): ChangeRow {
  switch (change.kind) {
    case 'role-put':
      return {
        kind: change.kind,
        ...(change.before === undefined ? {} : { before: inputOf(change.before) }),
        after: inputOf(change.after),
      };
    case 'role-deleted':
      return { kind: change.kind, before: inputOf(change.before) };
    case 'tool-found': {
      const { definition: _, ...row } = change;
      return row;
    }
    default:
      return change;
  }
}

export function changeOf(row: ChangeRow): Change {
  switch (row.kind) {
    case 'role-put':
      return {
        kind: row.kind,
        before: row.before === undefined ? undefined : roleOf(row.before),
        after: roleOf(row.after),
      };
    case 'role-deleted':
      return { kind: row.kind, before: roleOf(row.before) };
    case 'binding-put':
      return { kind: row.kind, after: bindingOf(row.after) };
    case 'binding-deleted':
      return { kind: row.kind, before: bindingOf(row.before) };
    case 'content-replaced':
    case 'bundle-key-replaced':
      return { kind: row.kind, before: row.before, after: row.after };
    case 'tool-found':
      return { ...row, ...refOf(row), digest: digestOf(row.digest), definition: '' };
    case 'tool-approved':
      return {
        ...row,
        ...refOf(row),
        before: row.before === '' ? '' : digestOf(row.before),
        after: digestOf(row.after),
      };
    case 'tool-rejected':
      return { ...row, ...refOf(row), digest: digestOf(row.digest) };
  }
}
