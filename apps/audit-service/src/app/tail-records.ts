/** Records as they are committed, from the moment of the call. The next are read when the last were taken. */
import { DEFAULT_PAGE_SIZE } from '../domain/limits.ts';
import type { Position, RecordFilter } from '../domain/leaf.ts';
import type { Committed } from './committed.ts';
import type { LeafReader, RecordReader } from './ports.ts';
import { withEvents, type RecordWithEvent } from './query-records.ts';

export type TailPorts = {
  readonly leaves: Pick<LeafReader, 'size'>;
  readonly records: RecordReader;
  readonly committed: Committed;
};

/** Commits of this process are heard of at once; those of another replica are looked for this often. */
const POLL_MS = 1_000;

/** Ends when `signal` is aborted. */
export async function* tailRecords(
  { leaves, records, committed }: TailPorts,
  filter: RecordFilter,
  includeEvent: boolean,
  signal: AbortSignal,
): AsyncGenerator<readonly RecordWithEvent[], void, undefined> {
  let after: Position = { leafIndex: await leaves.size(), item: -1 };
  while (!signal.aborted) {
    const news = committed.next(POLL_MS, signal); // before reading: a commit in between is heard
    const found = await records.query(filter, after, DEFAULT_PAGE_SIZE, signal);
    const shown = includeEvent && found.length > 0 ? await withEvents(records, found) : found;
    const last = shown.at(-1);
    if (last !== undefined) {
      after = last;
      yield shown;
    }
    if (last === undefined) await news;
  }
}
