/** Making and reading exchanges; shared by translation and federation. */
import {
  errorResponse,
  isResponse,
  type JsonValue,
  type Message,
  type RequestId,
  type Response,
} from '@sallyport/model-context';
import { UpstreamFailure, type Exchange, type ServerEvent } from '../ports.ts';

async function* messagesOf(...messages: readonly Message[]): AsyncGenerator<ServerEvent> {
  for (const message of messages) yield { message };
}

/** One response, as JSON and not as a stream. */
export const answer = (message: Response, status = 200): Exchange => ({
  status,
  kind: 'json',
  messages: messagesOf(message),
});

/** An error as an exchange of its own. Default status: 200. */
export const refusal = (
  id: RequestId | undefined,
  code: number,
  message: string,
  options: { readonly status?: number; readonly data?: JsonValue } = {},
): Exchange => answer(errorResponse(id, code, message, options.data), options.status ?? 200);

/** Taken, or without anything to say. */
export const silence = (status = 202): Exchange => ({ status, kind: 'none', messages: messagesOf() });

/**
 * Waits for the first event: a response alone is answered as JSON with the status that belongs to it, anything else opens a
 * stream. The generator must end by itself when the client is gone (its signal), as `return` waits for a pending `next`.
 */
export async function exchangeOf(
  events: AsyncGenerator<ServerEvent>,
  statusOf: (response: Response) => number = () => 200,
): Promise<Exchange> {
  const first = await events.next();
  if (first.done === true) return silence();
  const { message } = first.value;
  const isAnswer = message !== undefined && isResponse(message);
  async function* messages(): AsyncGenerator<ServerEvent> {
    try {
      yield first.value as ServerEvent;
      yield* events;
    } finally {
      await events.return(undefined);
    }
  }
  return {
    status: isAnswer ? statusOf(message) : 200,
    kind: isAnswer ? 'json' : 'events',
    messages: messages(),
  };
}

/** Leaves an exchange that nobody reads. */
export const leave = async (exchange: Exchange): Promise<void> => {
  try {
    await exchange.messages[Symbol.asyncIterator]().return?.();
  } catch {
    // It is left anyway.
  }
};

/** The response to a request, whatever comes before it left out. Rejects with `UpstreamFailure` where there is none. */
export async function responseOf(exchange: Exchange): Promise<Response> {
  for await (const { message } of exchange.messages) {
    if (message !== undefined && isResponse(message)) return message;
  }
  throw new UpstreamFailure('broke_off', `The server answered ${exchange.status} and no response.`);
}
