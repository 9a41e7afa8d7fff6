/** Rows of the authorization server in memory, held to the same contract as the database. */
import { toHex } from '@sallyport/crypto';
import type { OAuthRecord, OAuthStore } from '../oauth/ports.ts';

type Row = OAuthRecord & { consumedAt: number | undefined };

/** Nothing in here awaits between reading and writing, so every method is a transaction. */
export function memoryOAuth(): OAuthStore {
  const rows = new Map<string, Row>();
  let secret: Uint8Array | undefined;
  const keyOf = (model: string, id: Uint8Array) => `${model} ${toHex(id)}`;
  const put = (record: OAuthRecord) => {
    const key = keyOf(record.model, record.id);
    rows.set(key, { ...record, consumedAt: rows.get(key)?.consumedAt });
  };
  return {
    records: {
      find: async (model, by, hash, now) => {
        const wanted = toHex(hash);
        for (const row of rows.values()) {
          const name = by === 'id' ? row.id : row.uid;
          if (row.model !== model || row.expiresAt < now || name === undefined) continue;
          if (toHex(name) === wanted) return { id: row.id, sealed: row.sealed, consumedAt: row.consumedAt };
        }
        return undefined;
      },
      put: async (record) => put(record),
      insert: async (record, now, maxLive = Infinity) => {
        const before = rows.get(keyOf(record.model, record.id));
        if (before !== undefined && before.expiresAt >= now) return 'exists';
        const live = [...rows.values()].filter(
          ({ model, expiresAt }) => model === record.model && expiresAt >= now,
        );
        if (live.length >= maxLive) {
          const unused = live.filter(({ consumedAt }) => consumedAt === undefined);
          const [first] = unused.sort((one, other) => one.expiresAt - other.expiresAt);
          if (first === undefined) return 'full';
          rows.delete(keyOf(first.model, first.id));
        }
        if (before !== undefined) before.consumedAt = undefined;
        put(record);
        return 'inserted';
      },
      consume: async (model, id, now) => {
        const row = rows.get(keyOf(model, id));
        if (row === undefined || row.consumedAt !== undefined) return false;
        row.consumedAt = now;
        return true;
      },
      remove: async (model, by, hash) => {
        if (by === 'id') return void rows.delete(keyOf(model, hash));
        for (const [key, row] of rows) {
          if (row.grant === undefined || toHex(row.grant) !== toHex(hash)) continue;
          if (model === '' || row.model === model) rows.delete(key);
        }
      },
      sweep: async (now, limit) => {
        const over = [...rows].filter(([, { expiresAt }]) => expiresAt < now).slice(0, limit);
        for (const [key] of over) rows.delete(key);
        return over.length;
      },
    },
    secrets: {
      find: async () => secret,
      insert: async (sealed) => (secret ??= sealed),
    },
  };
}
