/** Keys in Postgres, which PGlite is too. Every change and its event share a transaction. */
import { sql, type Transaction } from 'kysely';
import type { Database } from '@sallyport/service/database';
import type { DataKeyStore, KeyReader, KeyWriter, Outbox, SessionKeyStore } from '../app/ports.ts';
import { isFeedEvent, type KeyEvent } from '../domain/key-event.ts';
import type { KeyStore } from './store.ts';
import { dataKeyOf, keyVersionOf, keyVersionRow, sessionKeyOf, tenantOf, type KeySchema } from './rows.ts';

type Tx = Transaction<KeySchema>;

/** Expects the migrations to be applied. */
export function postgresStore(database: Database<KeySchema>): KeyStore {
  return {
    keys: { ...keyReader(database), ...keyWriter(database) },
    sessionKeys: sessionKeys(database),
    dataKeys: dataKeys(database),
    outbox: outbox(database),
  };
}

function keyReader({ kysely }: Database<KeySchema>): KeyReader {
  const versions = kysely.selectFrom('key_version').selectAll();
  const of = (ref: Parameters<KeyReader['active']>[0]) =>
    versions.where('tenant', '=', ref.tenant).where('kind', '=', ref.kind).where('name', '=', ref.name);
  return {
    active: async (ref) => {
      const row = await of(ref).where('state', '=', 'active').executeTakeFirst();
      return row && keyVersionOf(row);
    },
    version: async (ref, version) => {
      // The column is a signed 32-bit integer; a ciphertext can name more.
      if (version > 0x7fffffff) return undefined;
      const row = await of(ref).where('version', '=', version).executeTakeFirst();
      return row && keyVersionOf(row);
    },
    byId: async (keyId) => {
      const row = await versions.where('key_id', '=', keyId).executeTakeFirst();
      return row && keyVersionOf(row);
    },
    list: async () => {
      const rows = await versions
        .orderBy('tenant')
        .orderBy('kind')
        .orderBy('name')
        .orderBy('version')
        .execute();
      return rows.map(keyVersionOf);
    },
    lastNumber: async () => {
      const row = await kysely.selectFrom('feed').select('last_number').executeTakeFirstOrThrow();
      return row.last_number;
    },
  };
}

/** Leaves a transaction that lost a race: rolls it back and is not an error. */
class Lost extends Error {}

function keyWriter(database: Database<KeySchema>): KeyWriter {
  const { kysely } = database;
  return {
    activate: async (next, replaces, events) => {
      try {
        await database.transaction(async (tx) => {
          if (replaces !== undefined) {
            const { numUpdatedRows } = await tx
              .updateTable('key_version')
              .set({ state: 'deactivated', deactivated_at: new Date(next.createdAt) })
              .where('key_id', '=', replaces.keyId)
              .where('state', '=', 'active')
              .executeTakeFirst();
            if (numUpdatedRows !== 1n) throw new Lost();
          }
          const { numInsertedOrUpdatedRows } = await tx
            .insertInto('key_version')
            .values(keyVersionRow(next))
            .onConflict((conflict) => conflict.doNothing())
            .executeTakeFirst();
          if (numInsertedOrUpdatedRows !== 1n) throw new Lost();
          await enqueue(tx, await numbered(tx, events));
        });
        return 'activated';
      } catch (error) {
        if (error instanceof Lost) return 'lost';
        throw error;
      }
    },
    reserveUses: async (keyId, count, limit) => {
      const reserved = await kysely
        .updateTable('key_version')
        .set({ uses_reserved: sql<bigint>`uses_reserved + ${count}` })
        .where('key_id', '=', keyId)
        .where('state', '=', 'active')
        .where('uses_reserved', '<=', limit - count)
        .executeTakeFirst();
      if (reserved.numUpdatedRows === 1n) return 'reserved';
      const row = await kysely
        .selectFrom('key_version')
        .select('state')
        .where('key_id', '=', keyId)
        .executeTakeFirst();
      return row?.state === 'active' ? 'exhausted' : 'inactive';
    },
    returnUses: async (keyId, count) => {
      await kysely
        .updateTable('key_version')
        .set({ uses_reserved: sql<bigint>`uses_reserved - ${count}` })
        .where('key_id', '=', keyId)
        .execute();
    },
  };
}

function sessionKeys(database: Database<KeySchema>): SessionKeyStore {
  const { kysely } = database;
  return {
    find: async (sessionId) => {
      const row = await kysely
        .selectFrom('session_key')
        .selectAll()
        .where('session_id', '=', sessionId)
        .executeTakeFirst();
      return row && sessionKeyOf(row);
    },
    insert: (key, event) =>
      database.transaction(async (tx) => {
        const { numInsertedOrUpdatedRows } = await tx
          .insertInto('session_key')
          .values({
            session_id: key.sessionId,
            tenant: key.tenant,
            parent: key.parent,
            wrapped: key.wrapped,
            created_at: new Date(key.createdAt),
            lease_not_after: new Date(key.leaseNotAfter),
            not_after: new Date(key.notAfter),
            destroyed_at: null,
          })
          .onConflict((conflict) => conflict.doNothing())
          .executeTakeFirst();
        if (numInsertedOrUpdatedRows !== 1n) return false;
        await enqueue(tx, [event]);
        return true;
      }),
    renew: async (sessionIds, now, leaseMs) => {
      if (sessionIds.length === 0) return [];
      const rows = await kysely
        .updateTable('session_key')
        .set({ lease_not_after: sql<Date>`least(not_after, ${new Date(now + leaseMs)}::timestamptz)` })
        .where('session_id', 'in', sessionIds)
        .where('destroyed_at', 'is', null)
        .where('lease_not_after', '>=', new Date(now))
        .returning(['session_id', 'lease_not_after'])
        .execute();
      return rows.flatMap(({ session_id: sessionId, lease_not_after: notAfter }) =>
        notAfter === null ? [] : [{ sessionId, notAfter: notAfter.getTime() }],
      );
    },
    destroy: (sessionIds, now, tombstoneNotAfter, event) =>
      database.transaction(async (tx) => {
        if (sessionIds.length === 0) return 0;
        const destroyed = await erase(tx, sessionIds, now);
        await enqueue(
          tx,
          destroyed.map((row) => event(row.session_id, row.tenant)),
        );
        if (tombstoneNotAfter === undefined) return destroyed.length;
        await tx
          .insertInto('session_key')
          .values(
            sessionIds.map((sessionId) => ({
              session_id: sessionId,
              tenant: null,
              parent: null,
              wrapped: null,
              created_at: null,
              lease_not_after: null,
              not_after: new Date(tombstoneNotAfter),
              destroyed_at: new Date(now),
            })),
          )
          .onConflict((conflict) => conflict.doNothing())
          .execute();
        return destroyed.length;
      }),
    expire: (now, limit, event) =>
      database.transaction(async (tx) => {
        const ended = await tx
          .selectFrom('session_key')
          .select('session_id')
          .where('destroyed_at', 'is', null)
          .where('lease_not_after', '<', new Date(now))
          .orderBy('lease_not_after')
          .limit(limit)
          .forUpdate()
          .skipLocked()
          .execute();
        if (ended.length === 0) return 0;
        const destroyed = await erase(
          tx,
          ended.map((row) => row.session_id),
          now,
        );
        await enqueue(
          tx,
          destroyed.map((row) => event(row.session_id, row.tenant)),
        );
        return destroyed.length;
      }),
    forget: async (notAfter) => {
      await kysely
        .deleteFrom('session_key')
        .where('destroyed_at', 'is not', null)
        .where('not_after', '<', new Date(notAfter))
        .execute();
    },
  };
}

async function erase(tx: Tx, sessionIds: readonly Uint8Array[], now: number) {
  const rows = await tx
    .updateTable('session_key')
    .set({ wrapped: null, destroyed_at: new Date(now) })
    .where('session_id', 'in', sessionIds)
    .where('destroyed_at', 'is', null)
    .returning(['session_id', 'tenant'])
    .execute();
  return rows.map(({ session_id, tenant }) => ({ session_id, tenant: tenantOf(tenant ?? '') }));
}

function dataKeys(database: Database<KeySchema>): DataKeyStore {
  const { kysely } = database;
  return {
    find: async (dataKeyId) => {
      const row = await kysely
        .selectFrom('data_key')
        .selectAll()
        .where('data_key_id', '=', dataKeyId)
        .executeTakeFirst();
      return row && dataKeyOf(row);
    },
    insert: (key, event) =>
      database.transaction(async (tx) => {
        await tx
          .insertInto('data_key')
          .values({
            data_key_id: key.dataKeyId,
            tenant: key.tenant,
            name: key.name,
            parent: key.parent,
            wrapped: key.wrapped ?? null,
            created_at: new Date(key.createdAt),
            destroyed_at: null,
          })
          .execute();
        await enqueue(tx, [event]);
      }),
    destroy: (dataKeyId, now, event) =>
      database.transaction(async (tx) => {
        const { numUpdatedRows } = await tx
          .updateTable('data_key')
          .set({ wrapped: null, destroyed_at: new Date(now) })
          .where('data_key_id', '=', dataKeyId)
          .where('destroyed_at', 'is', null)
          .executeTakeFirst();
        if (numUpdatedRows !== 1n) return false;
        await enqueue(tx, [event]);
        return true;
      }),
  };
}

async function enqueue(tx: Tx, events: readonly KeyEvent[]): Promise<void> {
  if (events.length === 0) return;
  await tx
    .insertInto('outbox')
    .values(events.map(({ number = null, ...event }) => ({ id: event.id, event, number })))
    .execute();
}

/** The last thing of a transaction but for the outbox: who numbers holds up everybody else who does. */
async function numbered(tx: Tx, events: readonly KeyEvent[]): Promise<readonly KeyEvent[]> {
  const count = BigInt(events.filter(isFeedEvent).length);
  if (count === 0n) return events;
  const feed = await tx
    .updateTable('feed')
    .set({ last_number: sql<bigint>`last_number + ${count}` })
    .returning('last_number')
    .executeTakeFirstOrThrow();
  let number = feed.last_number - count;
  return events.map((event) => (isFeedEvent(event) ? { ...event, number: (number += 1n) } : event));
}

function outbox({ kysely }: Database<KeySchema>): Outbox {
  return {
    pending: async (limit) => {
      const rows = await kysely
        .selectFrom('outbox')
        .select(['event', 'number'])
        .orderBy('position')
        .limit(limit)
        .execute();
      return rows.map(({ event, number }) => (number === null ? event : { ...event, number }));
    },
    remove: async (ids) => {
      if (ids.length === 0) return;
      await kysely.deleteFrom('outbox').where('id', 'in', ids).execute();
    },
  };
}
