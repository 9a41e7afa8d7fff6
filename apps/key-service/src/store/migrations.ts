/** The schema. Forward only: a migration that was released never changes. */
import type { Migration } from '@sallyport/service/database';

export const migrations: readonly Migration[] = [
  {
    id: '0001-keys',
    up: `
      create table key_version (
        key_id text primary key,
        tenant text not null,
        kind text not null check (kind in ('domain', 'signing')),
        name text not null,
        version integer not null check (version > 0),
        state text not null check (state in
          ('pre-active', 'active', 'suspended', 'deactivated', 'compromised', 'destroyed')),
        created_at timestamptz not null,
        deactivated_at timestamptz,
        uses_reserved bigint not null default 0 check (uses_reserved >= 0),
        wrapped bytea,
        unique (tenant, kind, name, version),
        check ((state = 'destroyed') = (wrapped is null))
      );
      -- At most one version of a key is active: what makes concurrent rotations agree on one.
      create unique index key_version_active on key_version (tenant, kind, name) where state = 'active';

      create table session_key (
        session_id bytea primary key check (octet_length(session_id) = 16),
        tenant text,
        parent text references key_version (key_id),
        wrapped bytea,
        created_at timestamptz,
        lease_not_after timestamptz,
        not_after timestamptz not null,
        destroyed_at timestamptz,
        -- Live rows have everything, destroyed ones have nothing that opens.
        check ((destroyed_at is null) = (wrapped is not null)),
        check (destroyed_at is not null or
          (tenant is not null and parent is not null and created_at is not null and lease_not_after is not null))
      );
      create index session_key_lease on session_key (lease_not_after) where destroyed_at is null;
      create index session_key_destroyed on session_key (not_after) where destroyed_at is not null;

      create table data_key (
        data_key_id text primary key,
        tenant text not null,
        name text not null,
        parent text not null references key_version (key_id),
        wrapped bytea,
        created_at timestamptz not null,
        destroyed_at timestamptz,
        check ((destroyed_at is null) = (wrapped is not null))
      );

      -- Events of committed changes until the audit spool has them: no change without its trace, crash or not.
      create table outbox (
        position bigint generated always as identity primary key,
        id text not null unique,
        event jsonb not null
      );
    `,
  },
  {
    id: '0002-feed',
    up: `
      -- One row, locked by whoever numbers: numbers are visible in order and without gaps, as a sequence's are not.
      create table feed (
        only_row boolean primary key default true check (only_row),
        last_number bigint not null
      );
      insert into feed (last_number) values (0);

      -- Null: not of the feed, or from before there was one.
      alter table outbox add column number bigint unique;
    `,
  },
];
