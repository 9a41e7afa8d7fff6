/**
 * Reads Wycheproof files from `../shared/vectors/wycheproof` beside the repository, or `$SALLYPORT_VECTORS/wycheproof`.
 * Where they are absent a suite is skipped under its own name; with `SALLYPORT_REQUIRE_ALL=1` it fails.
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { fromHex } from '../src/bytes.ts';

const root =
  process.env['SALLYPORT_VECTORS'] ?? fileURLToPath(new URL('../../../../shared/vectors', import.meta.url));
const mustRun = process.env['SALLYPORT_REQUIRE_ALL'] === '1';

export type Row = Readonly<Record<string, unknown>>;

export interface Case {
  readonly id: number;
  readonly title: string;
  readonly result: 'valid' | 'invalid' | 'acceptable';
  readonly flags: readonly string[];
  readonly row: Row;
  readonly group: Row;
}

/** One suite over one file: `check` gets every case of it. */
export function wycheproofSuite(file: string, minimumCases: number, check: (testCase: Case) => void): void {
  const path = `${root}/wycheproof/${file}`;
  const isPresent = existsSync(path);
  describe.skipIf(!isPresent && !mustRun)(`Wycheproof ${file}${isPresent ? '' : ' (vectors absent)'}`, () => {
    const cases = isPresent ? readCases(path) : [];
    it(`has at least ${minimumCases} cases`, () => {
      expect(cases.length).toBeGreaterThanOrEqual(minimumCases);
    });
    it.each(cases.map((testCase) => [testCase.title, testCase] as const))('%s', (_title, testCase) => {
      check(testCase);
    });
  });
}

/** A hexadecimal field. */
export function bytesAt(row: Row, field: string): Uint8Array {
  const bytes = fromHex(textAt(row, field));
  if (bytes === undefined) throw new Error(`${field} is not hexadecimal`);
  return bytes;
}

export function numberAt(row: Row, field: string): number {
  const value = row[field];
  if (typeof value !== 'number') throw new Error(`${field} is not a number`);
  return value;
}

function textAt(row: Row, field: string): string {
  const value = row[field];
  if (typeof value !== 'string') throw new Error(`${field} is not text`);
  return value;
}

function readCases(path: string): Case[] {
  const parsed: unknown = JSON.parse(readFileSync(path, 'utf8'));
  return rowsAt(asRow(parsed), 'testGroups').flatMap((group) =>
    rowsAt(group, 'tests').map((row) => {
      const result = textAt(row, 'result');
      if (result !== 'valid' && result !== 'invalid' && result !== 'acceptable')
        throw new Error(`result ${result}`);
      const flags = Array.isArray(row['flags']) ? row['flags'].map(String) : [];
      const id = numberAt(row, 'tcId');
      return { id, result, flags, row, group, title: `${id} ${result} ${flags.join(' ')}` };
    }),
  );
}

function asRow(value: unknown): Row {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('not an object');
  return { ...value };
}

function rowsAt(row: Row, field: string): Row[] {
  const value = row[field];
  if (!Array.isArray(value)) throw new Error(`${field} is not a list`);
  return value.map(asRow);
}
