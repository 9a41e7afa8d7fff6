/**
 * Checkpoints and who writes them, in Postgres. Every step of the fence is one statement and its own transaction: the
 * server finishes it, or not, whatever becomes of the process that sent it, and no lock waits for a process that is
 * paused. In `read committed` an update looks again at a row that it had to wait for, so each condition below holds at
 * the moment of the change.
 */
import type { Database } from '@sallyport/service/database';
import { sql } from 'kysely';
import type { CheckpointFence, CheckpointReader, FolderStore, SavedCheckpoint } from '../app/ports.ts';
import type { Fence, Promised } from '../domain/fence.ts';
import type { FenceRow, Schema } from './rows.ts';

type StateRow = { leaves: bigint; size: bigint | null; note: Uint8Array; verifier_key: string } & (
  FenceRow | { term: null }
);

export function checkpointReader({ kysely }: Database<Schema>): CheckpointReader {
  return {
    async saved() {
      const row = await kysely.selectFrom('checkpoint').selectAll().executeTakeFirst();
      return row && savedOf(row);
    },
    async state() {
      const { rows } = await sql<StateRow>`
        select (select coalesce(max(leaf_index) + 1, 0) from leaf) as leaves, c.size, c.note, c.verifier_key,
          f.term, f.holder, f.beat, f.promised_size, f.promised_root
        from (values (1)) as one left join checkpoint c on true left join fence f on true`.execute(kysely);
      const [row] = rows;
      if (row === undefined) throw new Error('a query without conditions had no row');
      return {
        leaves: Number(row.leaves),
        ...(row.size === null ? {} : { saved: savedOf({ ...row, size: row.size }) }),
        ...(row.term === null ? {} : { fence: fenceOf(row) }),
      };
    },
  };
}

export function checkpointFence({ kysely }: Database<Schema>): CheckpointFence {
  return {
    async take(holder, seen) {
      const { rows } = await (
        seen === undefined
          ? sql<{ term: bigint }>`
              insert into fence (term, holder, beat) values (1, ${holder}, 1)
              on conflict do nothing returning term`
          : sql<{ term: bigint }>`
              update fence set term = term + 1, holder = ${holder}, beat = beat + 1
              where term = ${seen.term} and beat = ${seen.beat} returning term`
      ).execute(kysely);
      return rows[0]?.term;
    },
    async beat({ term, holder }) {
      const { rows } = await sql`
        update fence set beat = beat + 1 where term = ${term} and holder = ${holder}
        returning beat`.execute(kysely);
      return rows.length > 0;
    },
    async promise({ term, holder }, { after, next }) {
      const size = BigInt(next.size);
      const { rows } = await sql`
        update fence set beat = beat + 1, promised_size = ${size}, promised_root = ${next.root}
        where term = ${term} and holder = ${holder} and ${isPromised(after)}
          and (promised_size is null or promised_size < ${size} or ${isPromised(next)})
          and not exists (select from checkpoint c where c.size > ${size})
        returning beat`.execute(kysely);
      return rows.length > 0;
    },
    async save({ term, holder }, promised, { size, note, verifierKey }) {
      const { rows } = await sql`
        with held as (
          update fence set beat = beat + 1 where term = ${term} and holder = ${holder} and ${isPromised(promised)}
          returning term
        )
        insert into checkpoint (size, note, verifier_key)
        select ${BigInt(size)}::int8, ${note}::bytea, ${verifierKey}::text from held
        on conflict (only_row) do update
          set size = excluded.size, note = excluded.note, verifier_key = excluded.verifier_key
          where checkpoint.size <= excluded.size
        returning size`.execute(kysely);
      return rows.length > 0;
    },
    async release({ term, holder }) {
      await sql`
        update fence set beat = beat + 1, holder = ''
        where term = ${term} and holder = ${holder}`.execute(kysely);
    },
  };
}

export function folderStore({ kysely }: Database<Schema>): FolderStore {
  return {
    async folderSize(replica) {
      const row = await kysely
        .selectFrom('folder')
        .select('size')
        .where('replica', '=', replica)
        .executeTakeFirst();
      return row && Number(row.size);
    },
    async noteFolder(replica, size) {
      await kysely
        .insertInto('folder')
        .values({ replica, size: BigInt(size) })
        .onConflict((on) => on.column('replica').doUpdateSet({ size: BigInt(size) }))
        .execute();
    },
  };
}

function isPromised(promised: Promised | undefined) {
  const [size, root] = promised === undefined ? [null, null] : [BigInt(promised.size), promised.root];
  return sql`(promised_size is not distinct from ${size}::int8 and promised_root is not distinct from ${root}::bytea)`;
}

function savedOf(row: { size: bigint; note: Uint8Array; verifier_key: string }): SavedCheckpoint {
  return { size: Number(row.size), note: row.note, verifierKey: row.verifier_key };
}

function fenceOf({ term, holder, beat, promised_size, promised_root }: FenceRow): Fence {
  return {
    term,
    holder,
    beat,
    ...(promised_size === null || promised_root === null
      ? {}
      : { promised: { size: Number(promised_size), root: promised_root } }),
  };
}
