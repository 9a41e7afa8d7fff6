/** Rows as Kysely sees them, and their conversion. A row that does not fit its type is an inconsistency, never guessed at. */
import type { ColumnType, Generated, Selectable } from 'kysely';
import type { AuthEvent } from '../domain/events.ts';
import type { Psk } from '../domain/psk.ts';
import type { OAuthSchema } from './oauth-schema.ts';
import type { Ended, Ending, Method, Session, SessionKind } from '../domain/session.ts';

interface PskTable {
  readonly psk_id: Uint8Array;
  readonly principal: string;
  readonly trust_domain: string;
  readonly label: string;
  readonly sealed: Uint8Array;
  readonly created_at: Date;
  readonly not_after: Date;
  readonly revoked_at: Date | null;
}

interface DecoyTable {
  readonly only_row: Generated<boolean>;
  readonly sealed: Uint8Array;
}

interface SessionTable {
  readonly session_id: Uint8Array;
  readonly tenant: string;
  readonly principal: string;
  readonly method: string;
  readonly gateway: string;
  readonly source_address: string;
  readonly opened_at: Date;
  readonly not_after: Date;
  readonly credential_digest: Uint8Array;
  readonly ended: string | null;
  readonly ended_at: Date | null;
  readonly end_cause: string | null;
  readonly kind: string;
  readonly client_id: string;
  readonly parent_session_id: Uint8Array | null;
}

interface PasswordTable {
  readonly principal: string;
  readonly sealed: Uint8Array;
  readonly set_at: Date;
}

interface FeedTable {
  readonly only_row: Generated<boolean>;
  readonly last_number: bigint;
}

interface RevocationTable {
  readonly number: bigint;
  readonly session_id: Uint8Array;
  readonly cause: string;
  readonly made_at: Date;
  readonly announced: Generated<boolean>;
  readonly key_destroyed: Generated<boolean>;
}

interface OutboxTable {
  readonly position: Generated<bigint>;
  readonly id: string;
  /** Written by this service only. */
  readonly event: ColumnType<AuthEvent, AuthEvent, never>;
}

export interface AuthSchema extends OAuthSchema {
  readonly psk: PskTable;
  readonly decoy: DecoyTable;
  readonly session: SessionTable;
  readonly password: PasswordTable;
  readonly feed: FeedTable;
  readonly revocation: RevocationTable;
  readonly outbox: OutboxTable;
}

export function pskRow(psk: Psk): PskTable {
  return {
    psk_id: psk.pskId,
    principal: psk.principal,
    trust_domain: psk.trustDomain,
    label: psk.label,
    sealed: psk.sealed,
    created_at: new Date(psk.createdAt),
    not_after: new Date(psk.notAfter),
    revoked_at: psk.revokedAt === undefined ? null : new Date(psk.revokedAt),
  };
}

export function pskOf(row: Selectable<PskTable>): Psk {
  return {
    pskId: row.psk_id,
    principal: row.principal,
    trustDomain: row.trust_domain,
    label: row.label,
    sealed: row.sealed,
    createdAt: row.created_at.getTime(),
    notAfter: row.not_after.getTime(),
    revokedAt: row.revoked_at?.getTime(),
  };
}

export function sessionRow(session: Session): SessionTable {
  return {
    session_id: session.sessionId,
    tenant: session.tenant,
    principal: session.principal,
    method: session.method,
    gateway: session.gateway,
    source_address: session.sourceAddress,
    opened_at: new Date(session.openedAt),
    not_after: new Date(session.notAfter),
    credential_digest: session.credentialDigest,
    ended: session.ended?.how ?? null,
    ended_at: session.ended === undefined ? null : new Date(session.ended.at),
    end_cause: session.ended?.cause ?? null,
    kind: session.kind,
    client_id: session.clientId,
    parent_session_id: session.parentSessionId ?? null,
  };
}

export function sessionOf(row: Selectable<SessionTable>): Session {
  return {
    sessionId: row.session_id,
    tenant: row.tenant,
    principal: row.principal,
    method: methodOf(row.method),
    gateway: row.gateway,
    sourceAddress: row.source_address,
    openedAt: row.opened_at.getTime(),
    notAfter: row.not_after.getTime(),
    credentialDigest: row.credential_digest,
    ended: endedOf(row),
    kind: kindOf(row.kind),
    clientId: row.client_id,
    parentSessionId: row.parent_session_id ?? undefined,
  };
}

/** The columns that say how a session ended. */
export function endedColumns(ended: Ended) {
  return { ended: ended.how, ended_at: new Date(ended.at), end_cause: ended.cause };
}

function endedOf(row: Pick<Selectable<SessionTable>, 'ended' | 'ended_at' | 'end_cause'>): Ended | undefined {
  const { ended, ended_at: at, end_cause: cause } = row;
  if (ended === null && at === null && cause === null) return undefined;
  const how = ENDINGS.find((known) => known === ended);
  if (how === undefined || at === null || cause === null) throw impossible('session.ended');
  return { how, at: at.getTime(), cause };
}

const ENDINGS: readonly Ending[] = ['closed', 'revoked', 'expired'];
const METHODS: readonly Method[] = ['certificate', 'psk', 'oauth'];
const KINDS: readonly SessionKind[] = ['channel', 'token'];

function methodOf(text: string): Method {
  const method = METHODS.find((known) => known === text);
  if (method === undefined) throw impossible('session.method');
  return method;
}

function kindOf(text: string): SessionKind {
  const kind = KINDS.find((known) => known === text);
  if (kind === undefined) throw impossible('session.kind');
  return kind;
}

function impossible(what: string): Error {
  return new Error(`the database holds an impossible value: ${what}`);
}
