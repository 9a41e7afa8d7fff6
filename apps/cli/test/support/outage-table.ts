/** What DESIGN.md section 12 promises of each outage, and what was seen of it: a row for each, printed at the end. */
import { test } from 'vitest';

export type Outage = {
  /** What is down, as the table of DESIGN.md section 12 names it. */
  readonly down: string;
  /** How. */
  readonly fault: string;
  readonly promise: string;
};

export type OutageTable = {
  /** A test, and its row: `see` adds to what was seen. */
  outage(of: Outage, body: (see: (text: string) => void) => Promise<void>, timeoutMs: number): void;
  /** For `afterAll`. */
  print(): void;
};

export function outageTable(): OutageTable {
  const rows: (Outage & { readonly isKept: boolean; readonly seen: string })[] = [];
  return {
    outage(of, body, timeoutMs) {
      test(
        `${of.down} ${of.fault}: ${of.promise}`,
        async () => {
          const seen: string[] = [];
          try {
            await body((text) => void seen.push(text));
            rows.push({ ...of, isKept: true, seen: seen.join('; ') });
          } catch (error) {
            const why = (error instanceof Error ? error.message : String(error)).split('\n', 1)[0] ?? '';
            rows.push({ ...of, isKept: false, seen: [...seen, why].join('; ') });
            throw error;
          }
        },
        timeoutMs,
      );
    },
    print() {
      const lines = rows.map(
        ({ down, fault, promise, isKept, seen }) =>
          `| ${down} | ${fault} | ${promise} | ${isKept ? 'kept' : 'NOT KEPT'} | ${seen} |`,
      );
      const head = ['| down | fault | promise | | seen |', '| --- | --- | --- | --- | --- |'];
      process.stdout.write(`${[...head, ...lines].join('\n')}\n`);
    },
  };
}
