/**
 * Sends the lines of a stream, so many at a time, each at most once: a line that left is never sent again, a line that
 * had not left when the connection was lost goes out on the next. Memory is bounded by the lines in flight.
 */
import { ChannelError } from '@sallyport/client';
import { isJsonType, jsonProblem } from './body.ts';
import { readLines, type Line } from './lines.ts';
import { SessionUnavailable, type SessionKeeper } from './session-keeper.ts';
import type { Outcome } from './tally.ts';

export type StreamOptions = {
  readonly source: AsyncIterable<Uint8Array>;
  readonly sessions: Pick<SessionKeeper, 'use'>;
  readonly destination: string;
  readonly contentType: string;
  readonly timeoutMs: number;
  /** Lines under way at once. */
  readonly inFlight: number;
  readonly isStoppingOnError: boolean;
  /** Aborts: no further line is read, what is under way has `graceMs` left. */
  readonly signal: AbortSignal;
  readonly graceMs: number;
  /** Once for each line with content, in the order of completion. Its promise holds back the reading. */
  readonly onOutcome: (outcome: Outcome) => Promise<void> | void;
};

export type StreamEnd =
  | { readonly kind: 'done' | 'interrupted' | 'stopped' }
  /** Nothing more could be sent, or an outcome could not be kept. */
  | { readonly kind: 'broken'; readonly error: unknown };

export const MAX_MESSAGE_BYTES = 1024 * 1024 - 4096;
const MAX_ATTEMPTS = 5;

/** Resolves when every line that was begun has its outcome. */
export async function sendStream(options: StreamOptions): Promise<StreamEnd> {
  const { inFlight, signal } = options;
  const stopReading = new AbortController();
  const giveUp = new AbortController();
  let end: StreamEnd = { kind: 'done' };
  let underWay = 0;
  let wake: (() => void) | undefined;
  let graceTimer: NodeJS.Timeout | undefined;

  function stop(reason: StreamEnd): void {
    if (end.kind === 'done') end = reason;
    stopReading.abort();
  }
  function onInterrupt(): void {
    stop({ kind: 'interrupted' });
    graceTimer = setTimeout(() => giveUp.abort(), options.graceMs);
  }
  async function begin(line: Line): Promise<void> {
    try {
      const outcome = await sendLine(options, line, giveUp.signal, stopReading.signal).catch(
        withoutSession(line),
      );
      await options.onOutcome(outcome);
      if (options.isStoppingOnError && outcome.kind !== 'succeeded') stop({ kind: 'stopped' });
    } catch (error) {
      stop({ kind: 'broken', error });
    } finally {
      underWay -= 1;
      wake?.();
    }
  }
  /** The line did not leave, and no other will. */
  const withoutSession =
    ({ number }: Line) =>
    (thrown: unknown): Outcome => {
      const error = thrown instanceof SessionUnavailable ? thrown.reason : thrown;
      if (!(error instanceof ChannelError)) throw error;
      stop({ kind: 'broken', error });
      return { kind: 'failed', line: number, error };
    };
  const untilBelow = async (limit: number): Promise<void> => {
    while (underWay >= limit) await new Promise<void>((resolve) => (wake = resolve));
  };

  signal.addEventListener('abort', onInterrupt, { once: true });
  if (signal.aborted) onInterrupt();
  try {
    for await (const line of readLines(untilAborted(options.source, stopReading.signal), MAX_MESSAGE_BYTES)) {
      await untilBelow(inFlight);
      if (stopReading.signal.aborted) break;
      underWay += 1;
      void begin(line);
    }
  } catch (error) {
    stop({ kind: 'broken', error });
  } finally {
    await untilBelow(1);
    clearTimeout(graceTimer);
    signal.removeEventListener('abort', onInterrupt);
  }
  return end;
}

async function sendLine(
  options: StreamOptions,
  line: Line,
  giveUp: AbortSignal,
  stopping: AbortSignal,
): Promise<Outcome> {
  const { number } = line;
  if (line.kind === 'too_long') {
    return { kind: 'invalid', line: number, problem: `longer than ${MAX_MESSAGE_BYTES} bytes` };
  }
  const problem = isJsonType(options.contentType) ? jsonProblem(line.bytes) : undefined;
  if (problem !== undefined) return { kind: 'invalid', line: number, problem: `not JSON: ${problem}` };
  const { destination, contentType, timeoutMs } = options;
  for (let attempt = 1; ; attempt += 1) {
    try {
      const response = await options.sessions.use((channel) =>
        channel.request(destination, line.bytes, { contentType, timeoutMs, signal: giveUp }),
      );
      return { kind: 'succeeded', line: number, response };
    } catch (error) {
      if (!(error instanceof ChannelError)) throw error;
      if (error.kind === 'refusal') return { kind: 'refused', line: number, error };
      const isUnsent = !error.mayHaveTakenEffect && (error.kind === 'connection' || error.kind === 'closed');
      if (!isUnsent || attempt >= MAX_ATTEMPTS || stopping.aborted)
        return { kind: 'failed', line: number, error };
    }
  }
}

/** The chunks of `source` until `signal` aborts, even while it has nothing to give. */
async function* untilAborted(
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const chunks = source[Symbol.asyncIterator]();
  try {
    while (!signal.aborted) {
      const next = chunks.next();
      next.catch(() => undefined); // one that comes after the abort concerns nobody
      const aborted = Promise.withResolvers<undefined>();
      const onAbort = (): void => aborted.resolve(undefined);
      signal.addEventListener('abort', onAbort, { once: true });
      const result = await Promise.race([next, aborted.promise]);
      signal.removeEventListener('abort', onAbort);
      if (result === undefined || result.done === true) return;
      yield result.value;
    }
  } finally {
    // Not awaited: a terminal gives up a pending read only at the next line.
    void chunks.return?.().catch(() => undefined);
  }
}
