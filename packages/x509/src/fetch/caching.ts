/**
 * A fetcher in front of another: one request in flight per question, answers kept for as long as what they hold is valid
 * and HTTP allows, failures for a moment, so that one certificate shown a thousand times asks once. Bounded in octets.
 */
import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { FetchAnswer, Fetcher, FetchRequest } from './port.ts';
import { validUntilMs } from './validity.ts';

export interface CachingFetcherOptions {
  /** Milliseconds since 1970, as `Date.now`. */
  readonly now: () => number;
  /** Octets kept. Default: 64 MiB. */
  readonly maxBytes?: number;
  /** The longest that anything is kept, in milliseconds. Default: 24 hours. */
  readonly maxAgeMs?: number;
  /** How long a failure stands, in milliseconds. Default: 30 seconds. */
  readonly failureMs?: number;
  /** Questions waiting for an answer at once; beyond, `busy`. Default: 64. */
  readonly maxInFlight?: number;
  /** Callers waiting for those; beyond, `busy`. Default: 1,024. */
  readonly maxWaiting?: number;
}

const MAX_BYTES = 67_108_864;
const MAX_AGE_MS = 86_400_000;
const FAILURE_MS = 30_000;
const MAX_IN_FLIGHT = 64;
const MAX_WAITING = 1_024;
/** What an entry costs besides its octets. */
const ENTRY_BYTES = 512;

const BUSY: FetchAnswer = {
  ok: false,
  problem: 'busy',
  detail: 'too many requests wait for an answer',
};

interface Kept {
  readonly answer: FetchAnswer;
  readonly untilMs: number;
}

export function cachingFetcher(inner: Fetcher, options: CachingFetcherOptions): Fetcher {
  const maxBytes = options.maxBytes ?? MAX_BYTES;
  const kept = new LRUCache<string, Kept>({
    maxSize: maxBytes,
    sizeCalculation: ({ answer }, key) => ENTRY_BYTES + key.length + (answer.ok ? answer.body.length : 0),
  });
  const inFlight = new Map<string, Promise<FetchAnswer>>();
  const { maxInFlight = MAX_IN_FLIGHT, maxWaiting = MAX_WAITING, failureMs = FAILURE_MS } = options;
  let waiting = 0;

  async function ask(key: string, request: FetchRequest): Promise<FetchAnswer> {
    const answer = await inner.fetch(request);
    const untilMs = keepUntilMs(request, answer, options);
    if (request.fresh !== true && untilMs > options.now()) kept.set(key, { answer, untilMs });
    return answer;
  }

  function begin(key: string, request: FetchRequest): Promise<FetchAnswer> {
    const asked = ask(key, request).finally(() => inFlight.delete(key));
    inFlight.set(key, asked);
    return asked;
  }

  return {
    async fetch(request) {
      const key = keyOf(request);
      const entry = kept.get(key);
      if (request.fresh !== true && entry !== undefined && entry.untilMs > options.now()) return entry.answer;
      const known = inFlight.get(key);
      if (waiting >= maxWaiting || (known === undefined && inFlight.size >= maxInFlight)) return BUSY;
      waiting += 1;
      try {
        return await (known ?? begin(key, request));
      } finally {
        waiting -= 1;
      }
    },

    discredit(request) {
      const key = keyOf(request);
      const entry = kept.peek(key);
      const untilMs = options.now() + failureMs;
      if (entry !== undefined && entry.untilMs > untilMs) kept.set(key, { ...entry, untilMs });
    },
  };
}

function keyOf({ kind, url, body }: FetchRequest): string {
  return body === undefined ? `${kind} ${url}` : `${kind} ${url} ${hash('sha256', body, 'base64url')}`;
}

function keepUntilMs(request: FetchRequest, answer: FetchAnswer, options: CachingFetcherOptions): number {
  const now = options.now();
  if (!answer.ok) return now + (options.failureMs ?? FAILURE_MS);
  const until = validUntilMs(request.kind, answer.body);
  // What does not parse is a failure that looks like an answer.
  if (until === undefined) return now + (options.failureMs ?? FAILURE_MS);
  return Math.min(until, now + (answer.maxAgeMs ?? Infinity), now + (options.maxAgeMs ?? MAX_AGE_MS));
}
