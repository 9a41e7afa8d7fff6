/** Values between the port and the driver, the same as PGlite has them. */
import { types } from 'pg';
import { DatabaseError } from '../database/error.ts';

/** Type ids of Postgres' catalogue (src/include/catalog/pg_type.dat). */
const OID = {
  bytea: 17,
  int8: 20,
  json: 114,
  byteaArray: 1001,
  textArray: 1009,
  int8Array: 1016,
  jsonb: 3802,
} as const;

const int8 = (text: string): bigint => BigInt(text);
/** Hex format with its `\x`; a buffer of its own, not a view into the driver's. */
const bytea = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.slice(2), 'hex'));
/** PGlite writes a `bigint` inside JSON as a string of its digits. */
const json = (value: unknown): string =>
  JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'bigint' ? String(inner) : inner));
/** The driver reads `{…}` into strings, NULLs and arrays of them; the entries are ours to read. */
const textArray = types.getTypeParser(OID.textArray as number) as (text: string) => unknown[];
const arrayOf = (parse: (text: string) => unknown) => {
  const entry = (value: unknown): unknown =>
    Array.isArray(value) ? value.map(entry) : typeof value === 'string' ? parse(value) : null;
  return (text: string): unknown[] => textArray(text).map(entry);
};

const parsers: ReadonlyMap<number, (text: string) => unknown> = new Map<number, (text: string) => unknown>([
  [OID.int8, int8],
  [OID.bytea, bytea],
  [OID.int8Array, arrayOf(int8)],
  [OID.byteaArray, arrayOf(bytea)],
]);

/** For the driver's `types`. */
export const valueTypes = {
  getTypeParser: (oid: number, format?: 'text' | 'binary'): unknown =>
    (format === 'binary' ? undefined : parsers.get(oid)) ?? types.getTypeParser(oid, format),
};

/**
 * A parameter in the form that Postgres reads. An array is JSON for a JSON parameter and an array for any other, so its
 * type must be known (`oid`). Throws `DatabaseError` (`invalid_statement`), which does not quote the value.
 */
export function parameterOf(value: unknown, oid?: number): string | Buffer | null {
  try {
    if (Array.isArray(value)) {
      return oid === OID.json || oid === OID.jsonb ? json(value) : arrayLiteral(value);
    }
    return scalarOf(value);
  } catch {
    throw new DatabaseError('invalid_statement', 'a parameter does not fit its column');
  }
}

function scalarOf(value: unknown): string | Buffer | null {
  switch (typeof value) {
    case 'undefined':
      return null;
    case 'string':
      return value;
    case 'number':
    case 'bigint':
    case 'boolean':
      return String(value);
    case 'object':
      if (value === null) return null;
      if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
      if (value instanceof Date) return value.toISOString();
      return json(value);
    case 'function':
    case 'symbol':
      throw new TypeError('not a value');
  }
}

/** PostgreSQL 15, section 8.15.6: everything quoted but NULL. */
function arrayLiteral(values: readonly unknown[]): string {
  const entries = values.map((value) => {
    if (Array.isArray(value)) return arrayLiteral(value);
    const scalar = scalarOf(value);
    if (scalar === null) return 'NULL';
    const text = typeof scalar === 'string' ? scalar : `\\x${scalar.toString('hex')}`;
    return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
  });
  return `{${entries.join(',')}}`;
}
