/** Forward only: an applied migration never changes. */
import type { Migration } from '@sallyport/service/database';

export const migrations: readonly Migration[] = [
  {
    id: '0001-policy',
    up: `
create table policy_state (
  -- One row: whoever locks it is the only writer.
  only_row boolean primary key default true check (only_row),
  revision int8 not null check (revision >= 0),
  -- The outbox of announcements. A number suffices: announcing a revision announces all before it.
  announced int8 not null check (announced >= 0),
  content_digest text not null
);
insert into policy_state (revision, announced, content_digest) values (0, 0, '');

create table role (
  name text primary key,
  -- {inherits, permissions, description}
  definition jsonb not null
);

create table binding (
  principal text not null,
  role text not null,
  primary key (principal, role)
);

-- The history of the policy, and the outbox of its audit events: stored with the change, recorded after.
create table policy_change (
  revision int8 not null,
  position int4 not null,
  at timestamptz not null,
  actor jsonb not null,
  change jsonb not null,
  recorded boolean not null default false,
  primary key (revision, position)
);
create index policy_change_unrecorded on policy_change (revision, position) where not recorded;

create table bundle (
  only_row boolean primary key default true check (only_row),
  revision int8 not null,
  bundle bytea not null,
  key_id text not null,
  public_key bytea not null,
  built_at timestamptz not null
);

create table instance_report (
  instance text primary key,
  revision int8 not null,
  reported_at timestamptz not null
);
`,
  },
  {
    id: '0002-tools',
    up: `
-- In which revision the role was last stored. That of the roles which are there is not known: 1, and not 0, which means
-- that there is none.
alter table role add column revision int8 not null default 1;

-- Tools behind the Model Context Protocol door. The two digests and the rejection are part of the policy and written
-- under the lock of policy_state; the rest is what people want to know before they approve.
create table tool (
  route text collate "C" not null,
  tool text collate "C" not null,
  -- Hex; empty = none.
  pinned text not null,
  candidate text not null,
  candidate_rejected boolean not null,
  -- JSON; empty = none, or too long to be kept.
  pinned_definition text not null,
  candidate_definition text not null,
  first_seen timestamptz not null,
  last_seen timestamptz not null,
  seen_by text not null,
  candidate_seen timestamptz,
  approved_by text not null,
  approved_at timestamptz,
  primary key (route, tool)
);
create index tool_waiting on tool (route, tool) where candidate <> '' and not candidate_rejected;
`,
  },
];
