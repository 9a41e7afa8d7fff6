/** Which type Postgres gives each parameter of a statement; asked only where a value alone does not tell. */
import type { PostgresClient } from './client.ts';

const MOST_STATEMENTS = 256;

export interface ParameterTypes {
  /** Type ids in the order of the parameters. Rejects as the statement itself would. */
  of(client: PostgresClient, sql: string): Promise<readonly number[]>;
}

/** Remembers by the text of the statement: of a service's schema these do not change while it runs. */
export function createParameterTypes(): ParameterTypes {
  const known = new Map<string, readonly number[]>();
  let last = 0;
  return {
    async of(client, sql) {
      const remembered = known.get(sql);
      if (remembered !== undefined) return remembered;
      last += 1;
      const name = `sallyport_types_${last}`;
      await client.query(`prepare ${name} as ${sql}`);
      const { rows } = await client.query<{ types: number[] }>({
        text: 'select parameter_types::oid[]::int4[] as types from pg_prepared_statements where name = $1',
        values: [name],
      });
      await client.query(`deallocate ${name}`);
      const types = rows[0]?.types ?? [];
      if (known.size >= MOST_STATEMENTS) known.delete(known.keys().next().value ?? '');
      known.set(sql, types);
      return types;
    },
  };
}
