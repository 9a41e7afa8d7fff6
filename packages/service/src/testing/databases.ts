import { openPglite, type DatabaseHost } from '../database/index.ts';
import type { ContractTable } from './contract-table.ts';
import { testPostgres } from './postgres.ts';
import { serverSuite } from './servers.ts';

/** A back-end of the database port, for a suite that runs on each. */
export interface TestDatabase {
  readonly label: 'PGlite' | 'Postgres';
  /** For `describe.skipIf`: there is no server here, and there need not be. */
  readonly skip: boolean;
  /** For the `describe` around the suite; says why when it is skipped. */
  readonly title: string;
  /** A new one, gone when it is closed. `maxConnections` counts for a server only. */
  open(options?: { readonly maxConnections?: number }): Promise<DatabaseHost>;
}

/** Both back-ends; in `table`, if given, the one that is skipped says so. */
export async function testDatabases(table?: ContractTable): Promise<readonly TestDatabase[]> {
  const suite = await serverSuite('postgres');
  if (suite.skip) table?.skipped('Postgres', 'no server installed here');
  return [
    { label: 'PGlite', skip: false, title: 'on PGlite', open: () => openPglite({ memory: true }) },
    { label: 'Postgres', skip: suite.skip, title: suite.title('on Postgres'), open: openServer },
  ];
}

async function openServer(options: { readonly maxConnections?: number } = {}): Promise<DatabaseHost> {
  const postgres = await testPostgres();
  const host = postgres.host(options);
  const close = async (): Promise<void> => {
    await host.close();
    await postgres[Symbol.asyncDispose]();
  };
  return { ...host, close, [Symbol.asyncDispose]: close };
}
