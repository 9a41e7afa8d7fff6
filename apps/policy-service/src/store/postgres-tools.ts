/** Tools in Postgres. What of them is policy is written under the lock of `policy_state` alone. */
import type { Database } from '@sallyport/service/database';
import { sql, type Kysely, type Transaction } from 'kysely';
import type { ToolRecords } from '../app/ports.ts';
import type { ToolChange } from '../domain/policy-state.ts';
import { isDrift, toolKey, type ToolRef } from '../domain/tool.ts';
import { storedAfter, storedAfterSighting, type StoredTool } from '../domain/tool-record.ts';
import { storedToolOf, toolRecordOf, toolRow, type Schema } from './rows.ts';

/** All but the definitions. */
const columns = [
  'route',
  'tool',
  'pinned',
  'candidate',
  'candidate_rejected',
  'first_seen',
  'last_seen',
  'seen_by',
  'candidate_seen',
  'approved_by',
  'approved_at',
] as const;

export function toolRecords(database: Database<Schema>): ToolRecords {
  const { kysely } = database;
  return {
    get: (ref) => read(kysely, ref),
    async find(refs) {
      const rows = await kysely.selectFrom('tool').select(columns).where(among(refs)).execute();
      return rows.map(toolRecordOf);
    },
    async list({ route, changedOnly, after, limit }) {
      let query = kysely.selectFrom('tool').select(columns);
      if (route !== undefined) query = query.where('route', '=', route);
      if (changedOnly) query = query.where(waits);
      if (after !== undefined)
        query = query.where(sql<boolean>`(route, tool) > (${after.route}, ${after.tool})`);
      const rows = await query.orderBy('route').orderBy('tool').limit(limit).execute();
      return rows.map(toolRecordOf);
    },
    async sight(sightings, { instance, atMs }) {
      const rows = await kysely.selectFrom('tool').select(columns).where(among(sightings)).execute();
      const known = new Map(rows.map(toolRecordOf).map((record) => [toolKey(record), record]));
      const drifted = sightings.filter((sighting) => {
        const record = known.get(toolKey(sighting));
        return record !== undefined && isDrift(record, sighting.digest);
      });
      await kysely
        .updateTable('tool')
        .set({ last_seen: new Date(atMs), seen_by: instance })
        .where(among(sightings))
        .execute();
      if (drifted.length === 0) return;
      await database.transaction(async (tx) => {
        // As a plan does: what waits for approval must not change between its reading and its approval.
        await tx.selectFrom('policy_state').select('revision').forUpdate().execute();
        for (const sighting of drifted) {
          const before = await read(tx, sighting);
          if (before !== undefined)
            await write(tx, storedAfterSighting(before, sighting, { instance, atMs }));
        }
      });
    },
    async waiting() {
      const row = await kysely
        .selectFrom('tool')
        .select(({ fn }) => fn.countAll<bigint>().as('count'))
        .where(waits)
        .executeTakeFirstOrThrow();
      return Number(row.count);
    },
  };
}

/** `tx` holds the lock of `policy_state`. */
export async function storeToolChange(
  tx: Transaction<Schema>,
  change: ToolChange,
  by: { readonly actor: string; readonly atMs: number },
): Promise<void> {
  await write(tx, storedAfter(await read(tx, change), change, by));
}

/** New ones, together: a list of a server is a hundred at a time. `tx` holds the lock of `policy_state`. */
export async function storeFoundTools(
  tx: Transaction<Schema>,
  changes: readonly Extract<ToolChange, { readonly kind: 'tool-found' }>[],
  by: { readonly actor: string; readonly atMs: number },
): Promise<void> {
  if (changes.length === 0) return;
  await tx
    .insertInto('tool')
    .values(changes.map((change) => toolRow(storedAfter(undefined, change, by))))
    .execute();
}

// Status "changed" and "waiting" (domain/tool.ts): the predicate of the index.
const waits = sql<boolean>`candidate <> '' and not candidate_rejected`;

function among(refs: readonly ToolRef[]) {
  const pairs = JSON.stringify(refs.map(({ route, tool }) => ({ route, tool })));
  return sql<boolean>`(route, tool) in
    (select route, tool from json_to_recordset(${pairs}::text::json) as x(route text, tool text))`;
}

async function read(from: Kysely<Schema>, { route, tool }: ToolRef): Promise<StoredTool | undefined> {
  const row = await from
    .selectFrom('tool')
    .selectAll()
    .where('route', '=', route)
    .where('tool', '=', tool)
    .executeTakeFirst();
  return row === undefined ? undefined : storedToolOf(row);
}

async function write(tx: Transaction<Schema>, stored: StoredTool): Promise<void> {
  const row = toolRow(stored);
  const { route: _route, tool: _tool, ...rest } = row;
  await tx
    .insertInto('tool')
    .values(row)
    .onConflict((on) => on.columns(['route', 'tool']).doUpdateSet(rest))
    .execute();
}
