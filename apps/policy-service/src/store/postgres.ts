/**
 * The store in Postgres (PGlite in the embedded profile). Writers queue on the lock of the one `policy_state` row:
 * each plan sees what the one before it stored, and revisions increase by one without gaps.
 */
import type { Database } from '@sallyport/service/database';
import type { Kysely, Transaction } from 'kysely';
import type { Actor, LoggedChange } from '../app/ports.ts';
import { parseInstanceName } from '../domain/names.ts';
import { applied, type Change } from '../domain/policy-state.ts';
import type { Role } from '../domain/role.ts';
import { storeFoundTools, storeToolChange, toolRecords } from './postgres-tools.ts';
import { actorName, changeOf, changeRow, definitionOf, stateOf, type Schema } from './rows.ts';
import type { PolicyStore } from './store.ts';

export function postgresStore(database: Database<Schema>, builtInRoles: readonly Role[]): PolicyStore {
  const { kysely } = database;

  async function load(tx: Kysely<Schema>, lock: boolean) {
    const one = tx.selectFrom('policy_state').select(['revision', 'content_digest']);
    const row = await (lock ? one.forUpdate() : one).executeTakeFirstOrThrow();
    const roles = await tx.selectFrom('role').select(['name', 'definition', 'revision']).execute();
    const bindings = await tx.selectFrom('binding').select(['principal', 'role']).execute();
    const tools = await tx
      .selectFrom('tool')
      .select(['route', 'tool', 'pinned', 'candidate', 'candidate_rejected'])
      .execute();
    return stateOf(row, roles, bindings, tools, builtInRoles);
  }

  return {
    policy: {
      // Several statements, one snapshot: roles, bindings and pins must belong to the revision.
      read: () => database.transaction((tx) => load(tx, false), { isolation: 'repeatable read' }),
      update: (planner, { actor, atMs }) =>
        database.transaction(async (tx) => {
          const before = await load(tx, true);
          const plan = planner(before);
          if (plan.kind === 'refused') return plan;
          if (plan.kind === 'unchanged') return { kind: 'unchanged', revision: before.revision };
          const state = applied(before, plan.changes);
          const found = plan.changes.filter((change) => change.kind === 'tool-found');
          await storeFoundTools(tx, found, { actor: actorName(actor), atMs });
          for (const change of plan.changes) await store(tx, change, state.revision, { actor, atMs });
          await tx
            .updateTable('policy_state')
            .set({ revision: state.revision, content_digest: state.contentDigest })
            .execute();
          const rows = plan.changes.map((change, position) => ({
            revision: state.revision,
            position,
            at: new Date(atMs),
            actor,
            change: changeRow(change),
          }));
          await tx.insertInto('policy_change').values(rows).execute();
          return { kind: 'written', state };
        }),
    },
    changes: {
      async unrecorded(limit) {
        const rows = await kysely
          .selectFrom('policy_change')
          .select(['revision', 'position', 'at', 'actor', 'change'])
          .where('recorded', '=', false)
          .orderBy('revision')
          .orderBy('position')
          .limit(limit)
          .execute();
        return rows.map(({ revision, position, at, actor, change }): LoggedChange => ({
          revision,
          position,
          atMs: at.getTime(),
          actor,
          change: changeOf(change),
        }));
      },
      async markRecorded({ revision, position }) {
        await kysely
          .updateTable('policy_change')
          .set({ recorded: true })
          .where('revision', '=', revision)
          .where('position', '=', position)
          .execute();
      },
    },
    publications: {
      async latest() {
        const row = await kysely.selectFrom('bundle').selectAll().executeTakeFirst();
        if (row === undefined) return undefined;
        return {
          revision: row.revision,
          bundle: row.bundle,
          keyId: row.key_id,
          publicKey: row.public_key,
          builtAtMs: row.built_at.getTime(),
        };
      },
      async latestRevision() {
        const row = await kysely.selectFrom('bundle').select('revision').executeTakeFirst();
        return row?.revision ?? 0n;
      },
      async save({ revision, bundle, keyId, publicKey, builtAtMs }) {
        const row = { revision, bundle, key_id: keyId, public_key: publicKey, built_at: new Date(builtAtMs) };
        await kysely
          .insertInto('bundle')
          .values(row)
          .onConflict((on) => on.column('only_row').doUpdateSet(row).where('bundle.revision', '<=', revision))
          .execute();
      },
      async announcedRevision() {
        const row = await kysely.selectFrom('policy_state').select('announced').executeTakeFirstOrThrow();
        return row.announced;
      },
      async markAnnounced(revision) {
        await kysely
          .updateTable('policy_state')
          .set({ announced: revision })
          .where('announced', '<', revision)
          .execute();
      },
    },
    tools: toolRecords(database),
    reports: {
      async put({ instance, revision, reportedAtMs }) {
        const row = { revision, reported_at: new Date(reportedAtMs) };
        await kysely
          .insertInto('instance_report')
          .values({ instance, ...row })
          .onConflict((on) => on.column('instance').doUpdateSet(row))
          .execute();
      },
      async list() {
        const rows = await kysely.selectFrom('instance_report').selectAll().execute();
        return rows.flatMap((row) => {
          const instance = parseInstanceName(row.instance, 'instance');
          if (!instance.ok) return [];
          return [
            { instance: instance.value, revision: row.revision, reportedAtMs: row.reported_at.getTime() },
          ];
        });
      },
      async prune(beforeMs) {
        await kysely.deleteFrom('instance_report').where('reported_at', '<', new Date(beforeMs)).execute();
      },
    },
  };
}

async function store(
  tx: Transaction<Schema>,
  change: Change,
  revision: bigint,
  by: { readonly actor: Actor; readonly atMs: number },
): Promise<void> {
  switch (change.kind) {
    case 'role-put': {
      const definition = definitionOf(change.after);
      await tx
        .insertInto('role')
        .values({ name: change.after.name, definition, revision })
        .onConflict((on) => on.column('name').doUpdateSet({ definition, revision }))
        .execute();
      return;
    }
    case 'role-deleted':
      await tx.deleteFrom('role').where('name', '=', change.before.name).execute();
      return;
    case 'binding-put':
      await tx.insertInto('binding').values(change.after).execute();
      return;
    case 'binding-deleted':
      await tx
        .deleteFrom('binding')
        .where('principal', '=', change.before.principal)
        .where('role', '=', change.before.role)
        .execute();
      return;
    case 'tool-approved':
    case 'tool-rejected':
      await storeToolChange(tx, change, { actor: actorName(by.actor), atMs: by.atMs });
      return;
    // Stored with the others of its kind.
    case 'tool-found':
    case 'content-replaced':
    case 'bundle-key-replaced':
      return;
  }
}
