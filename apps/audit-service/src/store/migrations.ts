/** Forward only: an applied migration never changes. */
import type { Migration } from '@sallyport/service/database';

export const migrations: readonly Migration[] = [
  {
    id: '0001-log',
    up: `
-- One row per leaf of the log. What follows from other columns is not stored: the entry follows from producer, sequence
-- and body; the size of the log and the position of a producer follow from the rows.
create table leaf (
  leaf_index int8 primary key check (leaf_index >= 0),
  producer text collate "C" not null,
  producer_seq int8 not null check (producer_seq > 0),
  leaf_hash bytea not null,
  body bytea not null,
  unique (producer, producer_seq)
);

-- What leaves are found by; derived from the body alone. Absent values are '' and 0, never null.
create table record (
  leaf_index int8 not null,
  item int4 not null,
  time_ms int8 not null,
  phase text collate "C" not null,
  class_uid int4 not null,
  activity text collate "C" not null,
  tenant text collate "C" not null,
  principal text collate "C" not null,
  action text collate "C" not null,
  -- Escaped: names of destinations may hold U+0000, which text may not (store/rows.ts).
  destination text collate "C" not null,
  decision text collate "C" not null,
  reason text collate "C" not null,
  policy_revision text collate "C" not null,
  outcome text collate "C" not null,
  session_id bytea not null,
  correlation bytea not null,
  -- Unsigned 64 bits in two's complement.
  seq int8 not null,
  primary key (leaf_index, item)
);
-- Each ends in the order of the log, so that a page is read from the index in order.
create index record_time on record (time_ms, leaf_index, item);
create index record_principal on record (principal, leaf_index, item);
create index record_action on record (action, leaf_index, item);
create index record_destination on record (destination, leaf_index, item);
create index record_decision on record (decision, leaf_index, item);
create index record_outcome on record (outcome, leaf_index, item);
create index record_session on record (session_id, leaf_index, item);
-- Also finds the outcome of a decision: the three name one message.
create index record_message on record (correlation, session_id, seq, leaf_index, item);

create table checkpoint (
  only_row boolean primary key default true check (only_row),
  size int8 not null check (size >= 0),
  note bytea not null,
  verifier_key text not null
);
`,
  },
  {
    id: '0002-replicas',
    up: `
-- Whoever commits leaves holds this row until its transaction ends. A lock on the table of leaves would also wait for,
-- and be waited for by, the vacuum of that table.
create table commit_turn (only_row boolean primary key default true check (only_row));
insert into commit_turn default values;

-- Which replica writes checkpoints, and the tree that it signs or may have signed (docs/adr/0045).
create table fence (
  only_row boolean primary key default true check (only_row),
  term int8 not null check (term > 0),
  holder text collate "C" not null,
  beat int8 not null,
  promised_size int8 check (promised_size >= 0),
  promised_root bytea,
  check ((promised_size is null) = (promised_root is null))
);

-- How far the log folder of each replica is, as of its last checkpoint file.
create table folder (
  replica text collate "C" primary key,
  size int8 not null check (size >= 0)
);
`,
  },
  {
    id: '0003-operations',
    up: `
-- What a message asked for inside its destination: tool, prompt or resource, and the digest of its arguments. Rows that
-- are there already have none: no event before this release named one.
alter table record
  add column target text collate "C" not null default '',
  add column arguments_digest bytea not null default '';
-- Most records have none.
create index record_target on record (target, leaf_index, item) where target <> '';
`,
  },
];
