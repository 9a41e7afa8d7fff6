/** The schema. Forward only: a migration that was released never changes. */
import type { Migration } from '@sallyport/service/database';
import { oauthMigration } from './oauth-schema.ts';

export const migrations: readonly Migration[] = [
  {
    id: '0001-sessions-and-keys',
    up: `
      create table psk (
        psk_id bytea primary key check (octet_length(psk_id) = 16),
        principal text not null,
        trust_domain text not null,
        label text not null,
        -- What key-service made of the 32 bytes, bound to the three columns above.
        sealed bytea not null,
        created_at timestamptz not null,
        not_after timestamptz not null,
        revoked_at timestamptz
      );
      create index psk_principal on psk (principal, created_at desc);

      -- One row: the sealed secret that keys of unknown ids are made from.
      create table decoy (
        only_row boolean primary key default true check (only_row),
        sealed bytea not null
      );

      create table session (
        session_id bytea primary key check (octet_length(session_id) = 16),
        tenant text not null,
        principal text not null,
        method text not null check (method in ('certificate', 'psk')),
        gateway text not null,
        source_address text not null,
        opened_at timestamptz not null,
        not_after timestamptz not null,
        credential_digest bytea not null check (octet_length(credential_digest) = 32),
        ended text check (ended in ('closed', 'revoked', 'expired')),
        ended_at timestamptz,
        end_cause text,
        check ((ended is null) = (ended_at is null) and (ended is null) = (end_cause is null))
      );
      create index session_newest on session (opened_at desc, session_id);
      create index session_principal on session (principal, opened_at desc, session_id);
      create index session_open_until on session (not_after) where ended is null;
      create index session_open_credential on session (credential_digest) where ended is null;
      create index session_ended on session (ended_at) where ended is not null;

      -- One row, locked by whoever numbers: numbers are visible in order and without gaps, as a sequence's are not.
      create table feed (
        only_row boolean primary key default true check (only_row),
        last_number bigint not null
      );
      insert into feed (last_number) values (0);

      -- The feed that gateways follow, and what each row still owes.
      create table revocation (
        number bigint primary key check (number > 0),
        session_id bytea not null unique,
        cause text not null,
        made_at timestamptz not null,
        announced boolean not null default false,
        key_destroyed boolean not null default false
      );
      create index revocation_owed on revocation (number) where not (announced and key_destroyed);

      -- Events of committed changes until the audit spool has them: no change without its trace, crash or not.
      create table outbox (
        position bigint generated always as identity primary key,
        id text not null unique,
        event jsonb not null
      );
    `,
  },
  {
    id: '0002-tokens',
    up: `
      alter table session
        drop constraint session_method_check,
        add constraint session_method_check check (method in ('certificate', 'psk', 'oauth')),
        add column kind text not null default 'channel' check (kind in ('channel', 'token')),
        add column client_id text not null default '',
        -- The channel session that asked for the token: revoking it revokes this one.
        add column parent_session_id bytea check (octet_length(parent_session_id) = 16),
        add constraint session_only_tokens_have_parents check (kind = 'token' or parent_session_id is null);
      create index session_open_parent on session (parent_session_id) where ended is null;

      create table password (
        principal text primary key,
        -- The Argon2id hash with its parameters, sealed by key-service and bound to the principal.
        sealed bytea not null,
        set_at timestamptz not null
      );
    `,
  },
  oauthMigration,
];
