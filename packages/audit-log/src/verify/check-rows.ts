/** Stored query rows against the rows that the signed body gives. */
import { RECORD_COLUMNS } from '../event/record.ts';
import type { AuditRecord } from '../event/record.ts';
import { shown } from './findings.ts';
import type { Findings } from './findings.ts';
import type { LogLeaf } from './types.ts';

const CHANGED =
  'The row was changed, added or removed in the database; the event in the log is the truth. Rebuild the rows from the bodies.';

export function checkRows(leaf: LogLeaf, derived: readonly AuditRecord[], findings: Findings): void {
  if (leaf.records === undefined) return;
  const stored = new Map<number, AuditRecord>();
  const report = (item: number, what: string, column?: string): void => {
    const { index: leafIndex, producer, seq } = leaf;
    findings.add({
      kind: 'row',
      where: `${leafName(leaf)}, item ${item}${column === undefined ? '' : `, column ${column}`}`,
      what,
      next: CHANGED,
      leafIndex,
      producer,
      seq,
      item,
      ...(column === undefined ? {} : { column }),
    });
  };
  for (const record of leaf.records) {
    if (stored.has(record.item)) report(record.item, 'there are two rows with this item');
    else stored.set(record.item, record);
  }
  for (const expected of derived) {
    const row = stored.get(expected.item);
    stored.delete(expected.item);
    if (row === undefined) {
      report(expected.item, `the row is missing; the event says ${summary(expected)}`, 'item');
      continue;
    }
    for (const column of RECORD_COLUMNS) {
      if (row[column] === expected[column]) continue;
      report(
        expected.item,
        `the row says ${shown(row[column])}, the event ${shown(expected[column])}`,
        column,
      );
    }
  }
  for (const item of stored.keys()) report(item, 'there is a row that the event does not have', 'item');
}

export function leafName(leaf: {
  readonly index: number;
  readonly producer: string;
  readonly seq: bigint;
}): string {
  return `leaf ${leaf.index} (${leaf.producer}, seq ${leaf.seq})`;
}

function summary({ principal, action, destination, decision, outcome }: AuditRecord): string {
  const parts = [principal, action, destination, decision, outcome].filter((part) => part !== '');
  return parts.map(shown).join(' ');
}
