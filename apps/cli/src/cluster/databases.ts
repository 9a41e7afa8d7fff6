/** A schema and a login role for each service, with a password of its own: made once, and made sure of at every start. */
import { CommandFailed } from '../exit.ts';
import type { Backends } from './backends.ts';

export type PostgresAdmin = {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly passwordFile: string;
  readonly caFile: string | undefined;
  /** Where the schemas are; made when missing. */
  readonly database: string;
};

export async function provisionDatabases(
  _admin: PostgresAdmin,
  _secrets: string,
  _isInsecureAllowed: boolean,
): Promise<Backends['database']> {
  throw new CommandFailed('the Postgres adapter is not built yet');
}
