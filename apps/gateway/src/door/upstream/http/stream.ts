/**
 * The events of one exchange, over as many connections as it takes: a stream that breaks is taken up where it was left
 * (2025-11-25 "Resumability and Redelivery": GET with `Last-Event-ID`), as long as its events had ids.
 */
import {
  isRequest,
  isResponse,
  parseMessage,
  type IncomingEvent,
  type Message,
  type RequestId,
} from '@sallyport/model-context';
import { pause } from '../../../routes/deadline.ts';
import { UpstreamFailure, type ServerEvent } from '../../ports.ts';
import { SERVER_BOUNDS } from '../exchanges.ts';
import { discard, incomingEvents, type EventBounds, type ResponseBody } from './body.ts';

/** HTML Living Standard: "a few seconds" where the server says nothing. */
const RETRY_MS = 1_000;
const MIN_RETRY_MS = 50;
const MAX_RETRY_MS = 30_000;
/** In a row that could not connect. */
const MAX_FAILURES = 5;
/** Visible ASCII: what a header can carry back. */
export const EVENT_ID = /^[\x21-\x7e]{1,4096}$/u;

export type StreamOptions = EventBounds & {
  /** Answered by the stream, which then ends; undefined for one that waits for the server. */
  readonly request: RequestId | undefined;
  /** Requests of the server are part of the era. */
  readonly takesRequests: boolean;
  /** A response may belong to an earlier request: the client takes up its stream (`Last-Event-ID`). */
  readonly takesResponses: boolean;
  /** A stream that is closed in order ends here too: its client comes back. */
  readonly endsInOrder: boolean;
  /** Without a new event, over all attempts. */
  readonly giveUpMs: number;
  /** Absent: a stream that cannot be taken up. */
  readonly resume?: (lastEventId: string) => Promise<ResponseBody>;
  readonly failureOf: (error: unknown) => UpstreamFailure;
  readonly onMessage: (message: Message) => void;
  readonly onResumed: () => void;
  readonly monotonic: () => number;
  readonly signal: AbortSignal;
};

/** Where the stream was left. */
type Place = { lastEventId: string | undefined; retryMs: number; sinceMs: number };

/** Throws `UpstreamFailure`. */
export async function* serverEvents(
  first: ResponseBody,
  options: StreamOptions,
): AsyncGenerator<ServerEvent> {
  const { request, endsInOrder, resume, monotonic } = options;
  const place: Place = { lastEventId: undefined, retryMs: RETRY_MS, sinceMs: monotonic() };
  let body = first;
  for (;;) {
    let failure: UpstreamFailure | undefined;
    let isAnswered = false;
    try {
      for await (const event of incomingEvents(body, options)) {
        const given = read(event, options);
        note(place, event, monotonic());
        const { message } = given;
        if (message !== undefined) options.onMessage(message);
        isAnswered = message !== undefined && request !== undefined && isResponse(message);
        // Before the last one is handed on: the connection is free again while it is worked on.
        if (isAnswered) discard(body);
        yield given;
        if (isAnswered) return;
      }
    } catch (error) {
      failure = options.failureOf(error);
    } finally {
      if (!isAnswered) body.destroy();
    }
    const isPolled = request === undefined || place.lastEventId !== undefined;
    if (failure === undefined && endsInOrder && isPolled) return;
    failure ??= new UpstreamFailure('broke_off', 'the server ended the stream before its answer');
    // What it sent was wrong, or nobody waits: another try would bring the same.
    if (failure.problem !== 'broke_off' || resume === undefined || place.lastEventId === undefined)
      throw failure;
    body = await takeUp(place, resume, options, failure);
    options.onResumed();
  }
}

async function takeUp(
  place: Place,
  resume: (lastEventId: string) => Promise<ResponseBody>,
  { signal, monotonic, giveUpMs }: StreamOptions,
  broken: UpstreamFailure,
): Promise<ResponseBody> {
  for (let failures = 0; failures < MAX_FAILURES; failures += 1) {
    // "The client MUST respect the `retry` field" (2025-11-25 "Sending Messages", 6).
    await pause(Math.min(MAX_RETRY_MS, Math.max(MIN_RETRY_MS, place.retryMs) * 2 ** failures), signal);
    if (signal.aborted || place.lastEventId === undefined) break;
    if (monotonic() - place.sinceMs > giveUpMs)
      throw new UpstreamFailure('timeout', `the server said nothing for ${giveUpMs} ms`);
    try {
      return await resume(place.lastEventId);
    } catch (error) {
      // Refused for good (404, 405): not a matter of time.
      if (!(error instanceof UpstreamFailure) || error.problem !== 'unreachable') break;
    }
  }
  if (signal.aborted) throw new UpstreamFailure('cancelled', 'nobody waits for the server any more');
  throw broken;
}

function note(place: Place, event: IncomingEvent, nowMs: number): void {
  if (event.retryMs !== undefined) place.retryMs = event.retryMs;
  if (event.id !== undefined) place.lastEventId = event.id === '' ? undefined : event.id;
  place.sinceMs = nowMs;
}

function read(event: IncomingEvent, { request, takesRequests, takesResponses }: StreamOptions): ServerEvent {
  const { data, id, retryMs } = event;
  if (id !== undefined && id !== '' && !EVENT_ID.test(id))
    throw malformed('an event id that no header can carry');
  const rest = {
    ...(id === undefined || id === '' ? {} : { id }),
    ...(retryMs === undefined ? {} : { retryMs }),
  };
  if (data === '') return rest;
  const parsed = parseMessage(data, SERVER_BOUNDS);
  if (!parsed.ok) throw malformed(`something else than a message: ${parsed.detail}`);
  const { message } = parsed;
  if (isResponse(message) && !takesResponses && (request === undefined || message.id !== request))
    throw malformed('an answer to what it was not asked');
  if (isRequest(message) && !takesRequests)
    throw malformed('a request, which this revision of the protocol does not have');
  return { message, ...rest };
}

/** `what`: a phrase that goes on "the server sent …". */
export function malformed(what: string): UpstreamFailure {
  return new UpstreamFailure('malformed', `the server sent ${what}`);
}
