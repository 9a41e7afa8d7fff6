/** Rows as Kysely sees them, and their conversion. A row that does not fit its type is an inconsistency, never guessed at. */
import type { Generated, Selectable } from 'kysely';
import type { DataKey } from '../domain/data-key.ts';
import type { KeyEvent } from '../domain/key-event.ts';
import {
  domainKey,
  parseKeyId,
  parseTenantId,
  signingKey,
  type KeyId,
  type KeyName,
  type KeyRef,
  type KeyVersion,
  type TenantId,
} from '../domain/key.ts';
import { KEY_STATES, type KeyState } from '../domain/lifecycle.ts';
import type { SessionKey } from '../domain/session-key.ts';

interface KeyVersionTable {
  readonly key_id: string;
  readonly tenant: string;
  readonly kind: string;
  readonly name: string;
  readonly version: number;
  readonly state: string;
  readonly created_at: Date;
  readonly deactivated_at: Date | null;
  readonly uses_reserved: bigint;
  readonly wrapped: Uint8Array | null;
}

interface SessionKeyTable {
  readonly session_id: Uint8Array;
  readonly tenant: string | null;
  readonly parent: string | null;
  readonly wrapped: Uint8Array | null;
  readonly created_at: Date | null;
  readonly lease_not_after: Date | null;
  readonly not_after: Date;
  readonly destroyed_at: Date | null;
}

interface DataKeyTable {
  readonly data_key_id: string;
  readonly tenant: string;
  readonly name: string;
  readonly parent: string;
  readonly wrapped: Uint8Array | null;
  readonly created_at: Date;
  readonly destroyed_at: Date | null;
}

interface OutboxTable {
  readonly position: Generated<bigint>;
  readonly id: string;
  /** Written by this service only. */
  readonly event: KeyEvent;
  readonly number: bigint | null;
}

interface FeedTable {
  readonly last_number: bigint;
}

export interface KeySchema {
  readonly key_version: KeyVersionTable;
  readonly session_key: SessionKeyTable;
  readonly data_key: DataKeyTable;
  readonly outbox: OutboxTable;
  readonly feed: FeedTable;
}

export function keyVersionRow(key: KeyVersion): KeyVersionTable {
  return {
    key_id: key.keyId,
    tenant: key.tenant,
    kind: key.kind,
    name: key.name,
    version: key.version,
    state: key.state,
    created_at: new Date(key.createdAt),
    deactivated_at: key.deactivatedAt === undefined ? null : new Date(key.deactivatedAt),
    uses_reserved: key.usesReserved,
    wrapped: key.wrapped ?? null,
  };
}

export function keyVersionOf(row: Selectable<KeyVersionTable>): KeyVersion {
  return {
    ...refOf(row),
    version: row.version,
    keyId: keyIdOf(row.key_id),
    state: stateOf(row.state),
    createdAt: row.created_at.getTime(),
    deactivatedAt: row.deactivated_at?.getTime(),
    usesReserved: row.uses_reserved,
    wrapped: row.wrapped ?? undefined,
  };
}

export function sessionKeyOf(row: Selectable<SessionKeyTable>): SessionKey {
  const { session_id: sessionId, tenant, parent, wrapped } = row;
  const notAfter = row.not_after.getTime();
  if (row.destroyed_at !== null) {
    return { kind: 'destroyed', sessionId, destroyedAt: row.destroyed_at.getTime(), notAfter };
  }
  return {
    kind: 'live',
    sessionId,
    tenant: tenantOf(present(tenant, 'session_key.tenant')),
    parent: keyIdOf(present(parent, 'session_key.parent')),
    wrapped: present(wrapped, 'session_key.wrapped'),
    createdAt: present(row.created_at, 'session_key.created_at').getTime(),
    leaseNotAfter: present(row.lease_not_after, 'session_key.lease_not_after').getTime(),
    notAfter,
  };
}

export function dataKeyOf(row: Selectable<DataKeyTable>): DataKey {
  const tenant = tenantOf(row.tenant);
  return {
    dataKeyId: row.data_key_id,
    tenant,
    name: nameOf(domainKey(tenant, row.name), row.name),
    parent: keyIdOf(row.parent),
    wrapped: row.wrapped ?? undefined,
    createdAt: row.created_at.getTime(),
    destroyedAt: row.destroyed_at?.getTime(),
  };
}

export function tenantOf(text: string): TenantId {
  return present(parseTenantId(text), `tenant "${text}"`);
}

function refOf(row: Pick<KeyVersionTable, 'tenant' | 'kind' | 'name'>): KeyRef {
  const ref = row.kind === 'signing' ? signingKey(row.name) : domainKey(tenantOf(row.tenant), row.name);
  if (ref === undefined || ref.tenant !== row.tenant || ref.kind !== row.kind) {
    throw new Error(`the database holds a key that cannot be: ${row.tenant} ${row.kind} ${row.name}`);
  }
  return ref;
}

function nameOf(ref: KeyRef | undefined, text: string): KeyName {
  return present(ref, `key name "${text}"`).name;
}

function keyIdOf(text: string): KeyId {
  return present(parseKeyId(text), `key id "${text}"`);
}

function stateOf(text: string): KeyState {
  return present(
    KEY_STATES.find((state) => state === text),
    `state "${text}"`,
  );
}

function present<T>(value: T | null | undefined, what: string): T {
  if (value === null || value === undefined)
    throw new Error(`the database holds an impossible value: ${what}`);
  return value;
}
