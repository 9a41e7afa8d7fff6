/** The store in Postgres (PGlite in the embedded profile). */
import type { Database } from '@sallyport/service/database';
import { sql, type Transaction } from 'kysely';
import { LogShrunk, type LeafReader, type LeafWriter, type SealReader } from '../app/ports.ts';
import type { NewLeaf } from '../domain/leaf.ts';
import type { Head } from '../domain/plan-commit.ts';
import { checkpointFence, checkpointReader, folderStore } from './postgres-checkpoints.ts';
import { recordReader } from './postgres-records.ts';
import { insertParameters, leafOf, type Schema } from './rows.ts';
import type { AuditStore } from './store.ts';

/** Expects the migrations to be applied. */
export function postgresStore(database: Database<Schema>): AuditStore {
  return {
    writer: leafWriter(database),
    leaves: leafReader(database),
    seals: sealReader(database),
    records: recordReader(database),
    checkpoints: checkpointReader(database),
    fence: checkpointFence(database),
    folders: folderStore(database),
  };
}

const MAX_IDLE_MS = 2_000;

function leafWriter(database: Database<Schema>): LeafWriter {
  return {
    commit: (producers, planner) =>
      database.transaction(async (tx) => {
        // Writers queue here, also those of other replicas; readers do not wait. A statement of its own: the next one
        // sees what was committed while this one waited (read committed).
        // A process that is paused while it has the turn loses it: the others are not to wait until it wakes up.
        await sql`
          select set_config('idle_in_transaction_session_timeout', ${String(MAX_IDLE_MS)}, true)
          from commit_turn for update`.execute(tx);
        const plan = planner(await readHead(tx, producers));
        if (plan.leaves.length > 0) await insert(tx, plan.leaves);
        return plan;
      }),
  };
}

/** One statement, so one moment, after the turn was taken: nobody else commits until this transaction ends. */
async function readHead(tx: Transaction<Schema>, producers: readonly string[]): Promise<Head> {
  // The largest of each by one look into the index of (producer, producer_seq).
  const { rows } = await sql<{
    size: bigint;
    checkpoint: bigint | null;
    producer: string | null;
    seq: bigint | null;
  }>`
    select head.size, (select size from checkpoint) as checkpoint, p.producer,
      (select l.producer_seq from leaf l where l.producer = p.producer
       order by l.producer_seq desc limit 1) as seq
    from (select coalesce(max(leaf_index) + 1, 0) as size from leaf) as head
      left join json_array_elements_text(${JSON.stringify(producers)}::text::json) as p(producer) on true
  `.execute(tx);
  const [first] = rows;
  const size = Number(first?.size ?? 0n);
  if (first !== undefined && first.checkpoint !== null && Number(first.checkpoint) > size)
    throw new LogShrunk(`the table of leaves ends at ${size}, the checkpoint at ${first.checkpoint}`);
  const positions = rows.flatMap(({ producer, seq }) =>
    producer === null || seq === null ? [] : [[producer, seq] as const],
  );
  return { size, positions: new Map(positions) };
}

async function insert(tx: Transaction<Schema>, leaves: readonly NewLeaf[]): Promise<void> {
  const parameters = insertParameters(leaves);
  await sql`
    insert into leaf (leaf_index, producer, producer_seq, leaf_hash, body)
    select i, p, s, decode(h, 'hex'), substring(${parameters.bytes}::bytea from o for l)
    from json_to_recordset(${parameters.leaves}::text::json)
      as x(i int8, p text, s int8, h text, o int4, l int4)`.execute(tx);
  await sql`
    insert into record (leaf_index, item, time_ms, phase, class_uid, activity, tenant, principal, action, destination,
      target, arguments_digest, decision, reason, policy_revision, outcome, session_id, correlation, seq)
    select "leafIndex", item, "timeMs", phase, "classUid", activity, tenant, principal, action, destination,
      target, decode("argumentsDigest", 'hex'), decision, reason, "policyRevision", outcome, decode("sessionId", 'hex'), decode(correlation, 'hex'), seq
    from json_to_recordset(${parameters.records}::text::json)
      as x("leafIndex" int8, item int4, "timeMs" int8, phase text, "classUid" int4, activity text, tenant text,
        principal text, action text, destination text, target text, "argumentsDigest" text, decision text,
        reason text, "policyRevision" text, outcome text, "sessionId" text, correlation text, seq int8)`.execute(
    tx,
  );
}

function leafReader({ kysely }: Database<Schema>): LeafReader {
  return {
    async size() {
      const row = await kysely
        .selectFrom('leaf')
        .select('leaf_index')
        .orderBy('leaf_index', 'desc')
        .limit(1)
        .executeTakeFirst();
      return row === undefined ? 0 : Number(row.leaf_index) + 1;
    },
    async leaves({ from, to, limit, maxBytes }) {
      const sizes = await kysely
        .selectFrom('leaf')
        .select(['leaf_index', sql<number>`octet_length(body)`.as('bytes')])
        .where('leaf_index', '>=', BigInt(from))
        .where('leaf_index', '<', BigInt(to))
        .orderBy('leaf_index')
        .limit(limit)
        .execute();
      let total = 0;
      const fitting = sizes.filter(({ bytes }, i) => (total += bytes) <= maxBytes || i === 0);
      const [first, last] = [fitting[0], fitting.at(-1)];
      if (first === undefined || last === undefined) return [];
      const rows = await kysely
        .selectFrom('leaf')
        .selectAll()
        .where('leaf_index', '>=', first.leaf_index)
        .where('leaf_index', '<=', last.leaf_index)
        .orderBy('leaf_index')
        .execute();
      return rows.map(leafOf);
    },
    async hashes(from, limit) {
      const rows = await kysely
        .selectFrom('leaf')
        .select(['leaf_index', 'leaf_hash'])
        .where('leaf_index', '>=', BigInt(from))
        .orderBy('leaf_index')
        .limit(limit)
        .execute();
      return rows.map((row) => ({ index: Number(row.leaf_index), leafHash: row.leaf_hash }));
    },
    async progress(fromLeaf, toLeaf) {
      // A producer's sequence grows with its leaves, so the last leaf in the range has the last sequence below its end.
      const rows = await kysely
        .selectFrom('leaf')
        .select(({ fn }) => ['producer', fn.max('producer_seq').as('seq')])
        .where('leaf_index', '>=', BigInt(fromLeaf))
        .where('leaf_index', '<', BigInt(toLeaf))
        .groupBy('producer')
        .execute();
      return new Map(rows.map(({ producer, seq }) => [producer, seq]));
    },
    async position(producer, belowLeaf) {
      const row = await kysely
        .selectFrom('leaf')
        .select('producer_seq')
        .where('producer', '=', producer)
        .where('leaf_index', '<', BigInt(belowLeaf))
        .orderBy('producer_seq', 'desc')
        .limit(1)
        .executeTakeFirst();
      return row?.producer_seq ?? 0n;
    },
    async hashesOf(producer, fromSeq, toSeq) {
      const rows = await kysely
        .selectFrom('leaf')
        .select(['producer_seq', 'leaf_hash'])
        .where('producer', '=', producer)
        .where('producer_seq', '>=', fromSeq)
        .where('producer_seq', '<=', toSeq)
        .execute();
      return new Map(rows.map(({ producer_seq, leaf_hash }) => [producer_seq, leaf_hash]));
    },
  };
}

function sealReader({ kysely }: Database<Schema>): SealReader {
  return {
    async sealed(from, limit) {
      const rows = await kysely
        .selectFrom('leaf')
        .select([
          'leaf_index',
          'producer',
          'producer_seq',
          'leaf_hash',
          sql<Uint8Array>`sha256(body)`.as('body_digest'),
        ])
        .where('leaf_index', '>=', BigInt(from))
        .orderBy('leaf_index')
        .limit(limit)
        .execute();
      return rows.map((row) => ({
        index: Number(row.leaf_index),
        producer: row.producer,
        seq: row.producer_seq,
        leafHash: row.leaf_hash,
        bodyDigest: row.body_digest,
      }));
    },
  };
}
