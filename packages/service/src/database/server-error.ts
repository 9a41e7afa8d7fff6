/** What Postgres refused, from either back-end, without the values that its messages may quote. */
import { DatabaseError, kindOfSqlState } from './error.ts';

export interface ServerErrorFields {
  readonly sqlState: string | undefined;
  /** Only where it names identifiers or states, never values. */
  readonly message: string | undefined;
  readonly table: string | undefined;
  readonly column: string | undefined;
  readonly constraint: string | undefined;
}

/** Classes whose messages name identifiers, roles and limits; those of other classes may quote values. */
const speaking = /^(?:28|3D|42|53|57)/;
const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** The fields of an error that carries an SQLSTATE, `undefined` for any other. */
export function serverErrorFields(error: unknown): ServerErrorFields | undefined {
  if (!(error instanceof Error)) return undefined;
  const fields = error as Error & Readonly<Record<string, unknown>>;
  const sqlState = text(fields['code']);
  if (sqlState === undefined || !/^[0-9A-Z]{5}$/.test(sqlState)) return undefined;
  return {
    sqlState,
    message: speaking.test(sqlState) ? error.message : undefined,
    table: text(fields['table']),
    column: text(fields['column']),
    constraint: text(fields['constraint']),
  };
}

export class ServerError extends DatabaseError {
  constructor(fields: ServerErrorFields) {
    const kind = kindOfSqlState(fields.sqlState);
    const place = [fields.table, fields.column, fields.constraint]
      .filter((part) => part !== undefined)
      .join(', ');
    const what = fields.message ?? kind.replaceAll('_', ' ');
    super(kind, `${what}${place === '' ? '' : ` (${place})`} [${fields.sqlState ?? '?'}]`, fields);
  }
}
