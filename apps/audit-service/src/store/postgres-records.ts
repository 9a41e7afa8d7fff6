/**
 * Reading records: keyset pages in the order of the log.
 *
 * The embedded profile has one connection for all services, no way to cancel a statement, and a planner that nobody
 * gives statistics. So no statement may walk the log, whatever the filter and the plan: a query goes through the log in
 * slices of leaves, and others have their turn between two. How wide the next slice is follows from how long the last
 * one took.
 */
import type { Database } from '@sallyport/service/database';
import { sql, type Kysely, type RawBuilder } from 'kysely';
import type { RecordReader } from '../app/ports.ts';
import type { FoundRecord, Position, RecordFilter } from '../domain/leaf.ts';
import { bytesOfHex, escapeText, foundOf, recordOf, type FoundRow, type Schema } from './rows.ts';

/** Leaves of a slice, at first and at most; a frame of 256 messages is one leaf with 256 records. */
const FIRST_SLICE = 256;
const MAX_SLICE = 16_384;
/** A slice that took less is followed by a wider one, and one that took more by a narrower one. */
const QUICK_MS = 20;
const SLOW_MS = 100;
/** Rows of a time window that are looked through to find where in the log it lies. */
const WINDOW_ROWS = 65_536;

export function recordReader({ kysely }: Database<Schema>): RecordReader {
  return {
    async query(filter, after, limit, signal) {
      const span = await spanOf(kysely, filter);
      const found: FoundRecord[] = [];
      let from = after.leafIndex < span.from ? { leafIndex: span.from, item: -1 } : after;
      for (let width = FIRST_SLICE; found.length < limit && from.leafIndex < span.to;) {
        signal?.throwIfAborted();
        const to = Math.min(from.leafIndex + width, span.to);
        const startedMs = performance.now();
        const { rows } = await sql<FoundRow>`
          select r.*, l.producer, l.producer_seq, ${joined(filter)}
          from record r join leaf l on l.leaf_index = r.leaf_index ${outcomes(filter)}
          where ${sql.join(conditions(filter, from, to), sql` and `)}
          order by r.leaf_index, r.item
          limit ${limit - found.length}`.execute(kysely);
        for (const row of rows) found.push(foundOf(row));
        const tookMs = performance.now() - startedMs;
        if (tookMs < QUICK_MS) width = Math.min(width * 4, MAX_SLICE);
        else if (tookMs > SLOW_MS) width = Math.max(Math.floor(width / 4), FIRST_SLICE);
        from = { leafIndex: to, item: -1 };
      }
      return found;
    },
    async ofLeaves(indices) {
      const rows = await kysely
        .selectFrom('record')
        .selectAll()
        .where('leaf_index', 'in', indices.length === 0 ? [-1n] : indices.map(BigInt))
        .orderBy('leaf_index')
        .orderBy('item')
        .execute();
      return Map.groupBy(
        rows.map((row) => ({ leaf: Number(row.leaf_index), ...recordOf(row) })),
        ({ leaf }) => leaf,
      );
    },
    async bodySizes(indices) {
      if (indices.length === 0) return new Map();
      const rows = await kysely
        .selectFrom('leaf')
        .select(['leaf_index', sql<number>`octet_length(body)`.as('bytes')])
        .where('leaf_index', 'in', indices.map(BigInt))
        .execute();
      return new Map(rows.map((row) => [Number(row.leaf_index), row.bytes]));
    },
    async bodies(indices) {
      if (indices.length === 0) return new Map();
      const rows = await kysely
        .selectFrom('leaf')
        .select(['leaf_index', 'body'])
        .where('leaf_index', 'in', indices.map(BigInt))
        .execute();
      return new Map(rows.map((row) => [Number(row.leaf_index), row.body]));
    },
  };
}

type Part = RawBuilder<unknown>;

/** The leaves, `to` exclusive, outside of which the filter's time finds nothing. */
async function spanOf(kysely: Kysely<Schema>, filter: RecordFilter): Promise<{ from: number; to: number }> {
  const { rows: ends } = await sql<{ last: bigint | null }>`
    select (select leaf_index from leaf order by leaf_index desc limit 1) as last`.execute(kysely);
  const last = ends[0]?.last ?? null;
  const all = { from: 0, to: last === null ? 0 : Number(last) + 1 };
  if (filter.sinceMs === undefined) return all;
  // Producers' clocks and spools differ, so time is only roughly in the order of the log: every row of the window
  // counts. Columns and order of the index, so that it is read from there, and no further than the limit.
  const { rows } = await sql<{ count: bigint; first: bigint | null; last: bigint | null }>`
    select count(*) as count, min(leaf_index) as first, max(leaf_index) as last from (
      select leaf_index from record where ${sql.join(timeConditions(filter, sql`time_ms`), sql` and `)}
      order by time_ms, leaf_index, item limit ${WINDOW_ROWS}) w`.execute(kysely);
  const [window] = rows;
  if (window === undefined || window.count >= WINDOW_ROWS) return all;
  if (window.first === null || window.last === null) return { from: 0, to: 0 };
  return { from: Number(window.first), to: Math.min(Number(window.last) + 1, all.to) };
}

function timeConditions({ sinceMs, untilMs }: RecordFilter, column: Part): Part[] {
  const parts: Part[] = [];
  if (sinceMs !== undefined) parts.push(sql`${column} >= ${BigInt(sinceMs)}::int8`);
  if (untilMs !== undefined) parts.push(sql`${column} < ${BigInt(untilMs)}::int8`);
  return parts;
}

function joined(filter: RecordFilter): Part {
  return filter.joinOutcomes
    ? sql`o.outcome as joined_outcome, o.leaf_index as joined_leaf`
    : sql`null::text as joined_outcome, null::int8 as joined_leaf`;
}

/**
 * The first outcome of the same message: same session, sequence and correlation. A denial has none of its own, and must
 * not borrow that of the message it repeats. Ordered by all of the index's columns:
 * by the last two alone, a planner without statistics walks the whole log for each row.
 */
function outcomes(filter: RecordFilter): Part {
  if (!filter.joinOutcomes) return sql``;
  return sql`left join lateral (
    select f.outcome, f.leaf_index from record f
    where r.phase = 'decision' and r.decision = 'allow' and f.phase = 'outcome'
      and f.correlation = r.correlation and f.session_id = r.session_id and f.seq = r.seq
    order by f.correlation, f.session_id, f.seq, f.leaf_index, f.item limit 1) o on true`;
}

function conditions(filter: RecordFilter, after: Position, to: number): Part[] {
  const parts: Part[] = [
    sql`(r.leaf_index, r.item) > (${BigInt(after.leafIndex)}::int8, ${after.item}::int4)`,
    sql`r.leaf_index < ${BigInt(to)}::int8`,
    ...timeConditions(filter, sql`r.time_ms`),
  ];
  const { principal, action, outcome, destination, target, decision, sessionId, correlation } = filter;
  if (principal !== undefined) parts.push(sql`r.principal = ${principal}`);
  if (action !== undefined) parts.push(sql`r.action = ${action}`);
  if (destination !== undefined) parts.push(sql`r.destination = ${escapeText(destination)}`);
  // The second half says nothing new: it names the rows that the index has.
  if (target !== undefined) parts.push(sql`r.target = ${escapeText(target)} and r.target <> ''`);
  if (decision !== undefined) parts.push(sql`r.decision = ${decision}`);
  if (sessionId !== undefined) parts.push(sql`r.session_id = ${bytesOfHex(sessionId)}`);
  if (correlation !== undefined) parts.push(sql`r.correlation = ${bytesOfHex(correlation)}`);
  if (filter.joinOutcomes) {
    parts.push(sql`r.phase <> 'outcome'`);
    if (outcome !== undefined) parts.push(joinedOutcome(outcome, filter.overdueBeforeMs));
  } else if (outcome !== undefined) {
    parts.push(sql`r.outcome = ${outcome}`);
  }
  return parts;
}

/** An outcome is a row that never comes once its gateway was killed: of a decision of long ago it counts as unknown. */
function joinedOutcome(outcome: string, overdueBeforeMs: number | undefined): Part {
  const says = sql`coalesce(o.outcome, r.outcome) = ${outcome}`;
  if (outcome !== 'unknown' || overdueBeforeMs === undefined) return says;
  return sql`(${says} or (r.phase = 'decision' and r.decision = 'allow' and o.leaf_index is null
    and r.time_ms < ${BigInt(overdueBeforeMs)}::int8))`;
}
