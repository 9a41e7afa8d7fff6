/** Reading records: keyset pages in the order of the log. */
import type { Database } from '@sallyport/service/database';
import { sql, type RawBuilder } from 'kysely';
import type { RecordReader } from '../app/ports.ts';
import type { Position, RecordFilter } from '../domain/leaf.ts';
import { bytesOfHex, escapeText, foundOf, recordOf, type FoundRow, type Schema } from './rows.ts';

export function recordReader({ kysely }: Database<Schema>): RecordReader {
  return {
    async query(filter, after, limit) {
      const { rows } = await sql<FoundRow>`
        select r.*, l.producer, l.producer_seq, ${joined(filter)}
        from record r left join leaf l on l.leaf_index = r.leaf_index ${outcomes(filter)}
        where ${sql.join(conditions(filter, after), sql` and `)}
        order by r.leaf_index, r.item
        limit ${limit}`.execute(kysely);
      return rows.map(foundOf);
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

function conditions(filter: RecordFilter, after: Position): Part[] {
  const parts: Part[] = [
    sql`(r.leaf_index, r.item) > (${BigInt(after.leafIndex)}::int8, ${after.item}::int4)`,
  ];
  const { sinceMs, untilMs, principal, action, outcome, destination, decision, sessionId, correlation } =
    filter;
  if (sinceMs !== undefined) parts.push(sql`r.time_ms >= ${BigInt(sinceMs)}`);
  if (untilMs !== undefined) parts.push(sql`r.time_ms < ${BigInt(untilMs)}`);
  if (principal !== undefined) parts.push(sql`r.principal = ${principal}`);
  if (action !== undefined) parts.push(sql`r.action = ${action}`);
  if (destination !== undefined) parts.push(sql`r.destination = ${escapeText(destination)}`);
  if (decision !== undefined) parts.push(sql`r.decision = ${decision}`);
  if (sessionId !== undefined) parts.push(sql`r.session_id = ${bytesOfHex(sessionId)}`);
  if (correlation !== undefined) parts.push(sql`r.correlation = ${bytesOfHex(correlation)}`);
  if (filter.joinOutcomes) {
    parts.push(sql`r.phase <> 'outcome'`);
    if (outcome !== undefined) parts.push(sql`coalesce(o.outcome, r.outcome) = ${outcome}`);
  } else if (outcome !== undefined) {
    parts.push(sql`r.outcome = ${outcome}`);
  }
  return parts;
}
