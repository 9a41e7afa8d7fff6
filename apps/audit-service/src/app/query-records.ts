/** One page of records, oldest first in the order of the log. */
import { invalidArgument } from '@sallyport/service/errors';
import {
  DEFAULT_PAGE_SIZE,
  MAX_ANSWER_EVENT_BYTES,
  MAX_PAGE_SIZE,
  OUTCOME_DUE_MS,
} from '../domain/limits.ts';
import { START, type FoundRecord, type RecordFilter } from '../domain/leaf.ts';
import { formatPageToken, parsePageToken } from '../domain/page-token.ts';
import type { RecordReader } from './ports.ts';

export type RecordQuery = {
  readonly filter: RecordFilter;
  readonly includeEvent: boolean;
  /** 0 = 200. */
  readonly pageSize: number;
  /** '' = the first page. */
  readonly pageToken: string;
};

export type RecordWithEvent = FoundRecord & { readonly body?: Uint8Array };

export type RecordPage = {
  readonly records: readonly RecordWithEvent[];
  /** '' when nothing follows at this moment. */
  readonly nextPageToken: string;
};

/**
 * The log only grows at its end, so paging through a query sees every record once, those committed meanwhile included.
 * A page that carries events may be shorter than asked for. An outcome that is overdue at `nowMs` is unknown. Throws `SallyportError` `invalid_argument`.
 */
export async function queryRecords(
  records: RecordReader,
  query: RecordQuery,
  nowMs: number,
  signal?: AbortSignal,
): Promise<RecordPage> {
  const { filter, includeEvent, pageToken } = query;
  if (query.pageSize > MAX_PAGE_SIZE) {
    throw invalidArgument(`page_size is at most ${MAX_PAGE_SIZE}.`, { field: 'page_size' });
  }
  const pageSize = query.pageSize === 0 ? DEFAULT_PAGE_SIZE : query.pageSize;
  const after = pageToken === '' ? START : parsePageToken(pageToken, filter);
  if (after === undefined) {
    throw invalidArgument('page_token is not one of this query: begin again without it.', {
      field: 'page_token',
    });
  }
  // Not in the token: it is another one for each page.
  const asked =
    filter.joinOutcomes && filter.outcome === 'unknown'
      ? { ...filter, overdueBeforeMs: nowMs - OUTCOME_DUE_MS }
      : filter;
  const found = await records.query(asked, after, pageSize + 1, signal);
  const page = found.slice(0, pageSize);
  const shown = includeEvent ? await withEvents(records, page) : page;
  const last = shown.at(-1);
  const isLast = last === undefined || (found.length <= pageSize && shown.length === page.length);
  return { records: shown, nextPageToken: isLast ? '' : formatPageToken(last, filter) };
}

/** As many of the records, with their events, as one answer may carry; at least one. */
export async function withEvents(
  records: Pick<RecordReader, 'bodySizes' | 'bodies'>,
  found: readonly FoundRecord[],
): Promise<readonly RecordWithEvent[]> {
  const sizes = await records.bodySizes([...new Set(found.map(({ leafIndex }) => leafIndex))]);
  let total = 0;
  const fitting = found.filter(
    ({ leafIndex }, i) => (total += sizes.get(leafIndex) ?? 0) <= MAX_ANSWER_EVENT_BYTES || i === 0,
  );
  const bodies = await records.bodies([...new Set(fitting.map(({ leafIndex }) => leafIndex))]);
  return fitting.map((record) => {
    const body = bodies.get(record.leafIndex);
    return body === undefined ? record : { ...record, body };
  });
}
