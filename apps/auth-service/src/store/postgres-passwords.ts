import type { Database } from '@sallyport/service/database';
import type { PasswordStore } from '../app/ports.ts';
import type { AuthSchema } from './rows.ts';
import { enqueue, revokeOpen } from './transaction.ts';

export function postgresPasswords(database: Database<AuthSchema>): PasswordStore {
  return {
    find: async (principal) => {
      const row = await database.kysely
        .selectFrom('password')
        .selectAll()
        .where('principal', '=', principal)
        .executeTakeFirst();
      return row && { principal, sealed: row.sealed, setAt: row.set_at.getTime() };
    },
    set: ({ principal, sealed, setAt }, { credentialDigest, ended, event, sessionEvent }) =>
      database.transaction(async (tx) => {
        const row = { sealed, set_at: new Date(setAt) };
        await tx
          .insertInto('password')
          .values({ principal, ...row })
          .onConflict((conflict) => conflict.column('principal').doUpdateSet(row))
          .execute();
        await enqueue(tx, [event]);
        return revokeOpen(tx, (e) => e('credential_digest', '=', credentialDigest), ended, sessionEvent);
      }),
    remove: (principal, { credentialDigest, ended, event, sessionEvent }) =>
      database.transaction(async (tx) => {
        const { numDeletedRows } = await tx
          .deleteFrom('password')
          .where('principal', '=', principal)
          .executeTakeFirst();
        if (numDeletedRows === 0n) return undefined;
        await enqueue(tx, [event]);
        return revokeOpen(tx, (e) => e('credential_digest', '=', credentialDigest), ended, sessionEvent);
      }),
  };
}
