/** Tables of the authorization server. */
import type { Migration } from '@sallyport/service/database';
import type { Generated } from 'kysely';

interface OAuthRecordTable {
  readonly model: string;
  readonly id: Uint8Array;
  readonly grant_hash: Uint8Array | null;
  readonly uid_hash: Uint8Array | null;
  readonly sealed: Uint8Array;
  readonly expires_at: Date;
  readonly consumed_at: Generated<Date | null>;
}

interface OAuthSecretTable {
  readonly only_row: Generated<boolean>;
  readonly sealed: Uint8Array;
}

export interface OAuthSchema {
  readonly oauth_record: OAuthRecordTable;
  readonly oauth_secret: OAuthSecretTable;
}

export const oauthMigration: Migration = {
  id: '0004-authorization-server',
  up: `
    -- Codes, refresh tokens, grants, sign-in sessions, registered clients, proofs seen. Names are keyed hashes, payloads
    -- are sealed; grant_hash: of the grant that a row goes with, uid_hash: of the other name that it is found by.
    create table oauth_record (
      model text not null,
      id bytea not null check (octet_length(id) = 32),
      grant_hash bytea check (octet_length(grant_hash) = 32),
      uid_hash bytea check (octet_length(uid_hash) = 32),
      sealed bytea not null,
      expires_at timestamptz not null,
      consumed_at timestamptz,
      primary key (model, id)
    );
    create index oauth_record_grant on oauth_record (grant_hash) where grant_hash is not null;
    create unique index oauth_record_uid on oauth_record (model, uid_hash) where uid_hash is not null;
    create index oauth_record_end on oauth_record (expires_at);

    -- One row: the sealed secret that the hashes and seals are made with.
    create table oauth_secret (
      only_row boolean primary key default true check (only_row),
      sealed bytea not null
    );
  `,
};
