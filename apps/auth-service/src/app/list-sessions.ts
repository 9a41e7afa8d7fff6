/** Live and recent sessions, a page at a time. */
import { invalidArgument } from '@sallyport/service/errors';
import { DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE } from '../domain/limits.ts';
import { formatPageToken, parsePageToken } from '../domain/page-token.ts';
import { endedAt, type Session } from '../domain/session.ts';
import type { Now, SessionReader } from './ports.ts';
import { principalFilter } from './principal-filter.ts';

export interface SessionsWanted {
  /** Empty: everybody's. */
  readonly principal: string;
  readonly includeEnded: boolean;
  /** 0 = 100. */
  readonly pageSize: number;
  readonly pageToken: string;
}

export interface SessionPage {
  readonly sessions: readonly Session[];
  /** Empty at the end. */
  readonly nextPageToken: string;
}

/** Throws `invalid_argument`. */
export async function listSessions(
  ports: { readonly sessions: Pick<SessionReader, 'list'>; readonly now: Now },
  wanted: SessionsWanted,
): Promise<SessionPage> {
  const { includeEnded, pageToken, pageSize } = wanted;
  const question = { principal: principalFilter(wanted.principal), includeEnded };
  if (pageSize > MAX_PAGE_SIZE) throw invalidArgument(`at most ${MAX_PAGE_SIZE}`, { field: 'page_size' });
  const after = pageToken === '' ? undefined : parsePageToken(question, pageToken);
  if (pageToken !== '' && after === undefined)
    throw invalidArgument('not a token of this list', { field: 'page_token' });
  const size = pageSize === 0 ? DEFAULT_PAGE_SIZE : pageSize;
  const now = ports.now();
  // One more than asked for says whether there is a next page.
  const found = await ports.sessions.list({ ...question, now, after, limit: size + 1 });
  const sessions = found.slice(0, size);
  const last = sessions.at(-1);
  return {
    sessions: sessions.map((session) => ({ ...session, ended: endedAt(session, now) })),
    nextPageToken: found.length > size && last !== undefined ? formatPageToken(question, last) : '',
  };
}
