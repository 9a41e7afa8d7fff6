/** From an HTTP answer to an exchange: what each status and content type may mean, and nothing else. */
import { isRequest, isResponse, parseMessage, type Message, type Revision } from '@sallyport/model-context';
import { UpstreamFailure, type Exchange, type ServerEvent } from '../../ports.ts';
import { nothing, one, SERVER_BOUNDS } from '../exchanges.ts';
import type { Attempt } from './attempts.ts';
import { discard, readWhole, type ResponseBody } from './body.ts';
import type { Answer } from './link.ts';
import { malformed } from './stream.ts';

const JSON_TYPE = 'application/json';
const EVENTS_TYPE = 'text/event-stream';

export type Asked = {
  /** Undefined: a wait for what the server says by itself. */
  readonly message: Message | undefined;
  readonly revision: Revision;
  readonly maxMessageBytes: number;
  /** For the whole of a message, once its headers are there. */
  readonly bodyMs: number;
  readonly attempt: Attempt;
  /** Takes the body over. */
  readonly stream: (body: ResponseBody) => AsyncIterable<ServerEvent>;
  /** Of what is not a stream. */
  readonly onMessage: (message: Message) => void;
};

/** Throws `UpstreamFailure` and what the connection throws; the attempt is over then only where a stream was not begun. */
export async function exchangeOf(answer: Answer, asked: Asked): Promise<Exchange> {
  const { status, contentType, body, sessionId } = answer;
  const { attempt, message } = asked;
  if (status === 401 || status === 407) {
    discard(body);
    // Not the caller's: its client would ask for another token, again and again.
    throw new UpstreamFailure('unreachable', "the server refused the gateway's credential");
  }
  if (status >= 400) {
    const refusal = await refusalOf(answer, asked);
    attempt.answered(status);
    return refusal;
  }
  if (status >= 300 || status < 200) {
    discard(body);
    // Where it leads was never looked at (SSRF).
    throw malformed(`HTTP status ${status}: redirects are not followed`);
  }
  const isAnswered = message === undefined || isRequest(message);
  if (!isAnswered) {
    discard(body);
    attempt.answered(status);
    return nothing(202);
  }
  if (status === 200 && contentType === EVENTS_TYPE) {
    attempt.answering();
    return {
      ...{ status, kind: 'events', messages: ended(asked.stream(body), attempt) },
      ...(sessionId === undefined ? {} : { sessionId }),
    };
  }
  if (message === undefined || status !== 200 || contentType !== JSON_TYPE) {
    discard(body);
    throw malformed(`neither JSON nor events (HTTP status ${status}, ${shown(contentType)})`);
  }
  const found = await readMessage(answer, asked);
  if (!isResponse(found) || found.id !== message.id) throw malformed('an answer to what it was not asked');
  asked.onMessage(found);
  attempt.answered(status);
  return one(status, found, sessionId);
}

/** The attempt ends with its stream, however that ends. */
async function* ended(events: AsyncIterable<ServerEvent>, attempt: Attempt): AsyncGenerator<ServerEvent> {
  try {
    yield* events;
    attempt.answered(200);
  } catch (error) {
    throw attempt.fail(error);
  } finally {
    attempt.left();
  }
}

/** With the error that it says, where that is one and the caller's. */
async function refusalOf(answer: Answer, asked: Asked): Promise<Exchange> {
  const { status, contentType, body } = answer;
  const { message } = asked;
  if (contentType !== JSON_TYPE) {
    discard(body);
    return nothing(status);
  }
  let found: Message;
  try {
    found = await readMessage(answer, asked);
  } catch (error) {
    // A proxy's or a framework's own: the status says enough.
    if (error instanceof UpstreamFailure && error.problem === 'malformed') return nothing(status);
    throw error;
  }
  if (!isResponse(found)) return nothing(status);
  const id = message !== undefined && isRequest(message) ? message.id : undefined;
  if (found.id !== undefined && found.id !== null && found.id !== id)
    throw malformed('an answer to what it was not asked');
  asked.onMessage(found);
  return one(status, found);
}

async function readMessage({ body }: Answer, { maxMessageBytes, bodyMs }: Asked): Promise<Message> {
  const parsed = parseMessage(await readWhole(body, maxMessageBytes, bodyMs), SERVER_BOUNDS);
  if (!parsed.ok) throw malformed(`something else than a message: ${parsed.detail}`);
  return parsed.message;
}

const shown = (contentType: string): string =>
  contentType === '' ? 'no content type' : contentType.slice(0, 80).replaceAll(/[^\x20-\x7e]/gu, '?');
