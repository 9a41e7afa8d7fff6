/** RFC5280.md: every step of the algorithm is there, once and in order, and the code has what it says. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const folder = join(import.meta.dirname, '..');

/** The last lettered step of each section of the RFC. */
const LAST_STEPS: Readonly<Record<string, string>> = {
  '6.1.1': 'i',
  '6.1.2': 'k',
  '6.1.3': 'f',
  '6.1.4': 'o',
  '6.1.5': 'g',
  '6.3.1': 'b',
  '6.3.2': 'c',
  '6.3.3': 'l',
};

interface Row {
  readonly section: string;
  /** `(a)`, or empty where a row belongs to the step above it. */
  readonly step: string;
  readonly file: string;
  readonly symbol: string;
}

function readRows(): readonly Row[] {
  const rows: Row[] = [];
  let section = '';
  for (const line of readFileSync(join(folder, 'RFC5280.md'), 'utf8').split('\n')) {
    section = /^## (\d\.\d\.\d) /u.exec(line)?.[1] ?? section;
    const cells = /^\| +(\([a-z]\))? +\|.*\| `([^`]+)` +\| `([^`]+)` +\|$/u.exec(line);
    if (cells !== null)
      rows.push({ section, step: cells[1] ?? '', file: cells[2] ?? '', symbol: cells[3] ?? '' });
  }
  return rows;
}

const rows = readRows();

function stepsUpTo(last: string): string[] {
  const count = last.charCodeAt(0) - 'a'.charCodeAt(0) + 1;
  return Array.from({ length: count }, (_, index) => `(${String.fromCharCode('a'.charCodeAt(0) + index)})`);
}

describe('the map of RFC 5280 section 6', () => {
  it.each(Object.entries(LAST_STEPS))('has each step of %s', (section, last) => {
    const steps = rows.filter((row) => row.section === section && row.step !== '').map(({ step }) => step);
    expect(steps).toEqual(stepsUpTo(last));
  });

  it.each(rows)('$section $step is in $file: $symbol', ({ step, file, symbol }) => {
    const code = readFileSync(join(folder, 'src', file), 'utf8');
    expect(code).toMatch(
      new RegExp(String.raw`^(?:export )?(?:function|interface|type|const|class) ${symbol}\b`, 'mu'),
    );
    expect(code).toContain(step);
  });
});
