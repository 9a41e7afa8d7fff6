/** Servers that say what a test has them say, hostile ones above all. */
import {
  isRequest,
  resultResponse,
  type JsonObject,
  type Message,
  type Request,
  type Response,
} from '@sallyport/model-context';
import type {
  Exchange,
  ListenCall,
  MessageCall,
  ModelContextServer,
  ServerEvent,
} from '../../../src/door/ports.ts';
import { callerOf } from './stock.ts';

export const json = (message: Message, status = 200, sessionId?: string): Exchange => ({
  status,
  kind: 'json',
  messages: (async function* (): AsyncGenerator<ServerEvent> {
    yield { message };
  })(),
  ...(sessionId === undefined ? {} : { sessionId }),
});
export const nothing = (status = 202): Exchange => ({
  status,
  kind: 'none',
  messages: (async function* (): AsyncGenerator<ServerEvent> {})(),
});
export const events = (messages: AsyncIterable<Message> | Iterable<Message>): Exchange => ({
  status: 200,
  kind: 'events',
  messages: (async function* (): AsyncGenerator<ServerEvent> {
    for await (const message of messages) yield { message };
  })(),
});

export type Script = {
  /** What a request other than `initialize` gets. */
  readonly answer: (request: Request, call: MessageCall) => Exchange | Promise<Exchange>;
  readonly capabilities?: JsonObject;
  readonly listen?: (call: ListenCall) => Exchange | Promise<Exchange>;
};
export type Scripted = ModelContextServer & {
  readonly received: MessageCall[];
  readonly ended: (string | undefined)[];
  opened: number;
};

/** Of the session era: opens sessions and keeps what it got. */
export function scripted(script: Script): Scripted {
  const server: Scripted = {
    received: [],
    ended: [],
    opened: 0,
    async send(call) {
      server.received.push(call);
      const { message } = call;
      if (!isRequest(message)) return nothing();
      if (message.method !== 'initialize') return script.answer(message, call);
      server.opened += 1;
      const result = {
        protocolVersion: '2025-11-25',
        capabilities: script.capabilities ?? { tools: {} },
        serverInfo: { name: 'scripted', version: '1' },
      };
      return json(resultResponse(message.id, result), 200, `session-${server.opened}`);
    },
    listen: async (call) => script.listen?.(call) ?? nothing(405),
    async end(call) {
      server.ended.push(call.sessionId);
      return nothing(200);
    },
  };
  return server;
}

export const statelessCall = (
  request: Pick<Request, 'method' | 'params'>,
  options: {
    readonly principal?: string;
    readonly capabilities?: JsonObject;
    readonly signal?: AbortSignal;
    readonly clientId?: string;
  } = {},
): MessageCall & { readonly message: Request } => ({
  caller: { ...callerOf(options.principal ?? 'user:alice'), clientId: options.clientId ?? 'client' },
  revision: '2026-07-28',
  signal: options.signal ?? AbortSignal.timeout(5_000),
  message: {
    jsonrpc: '2.0',
    id: 'r1',
    method: request.method,
    params: {
      ...request.params,
      _meta: {
        'io.modelcontextprotocol/protocolVersion': '2026-07-28',
        'io.modelcontextprotocol/clientCapabilities': options.capabilities ?? { elicitation: {} },
      },
    },
  },
});

export async function all(exchange: Exchange): Promise<Message[]> {
  const messages: Message[] = [];
  for await (const { message } of exchange.messages) if (message !== undefined) messages.push(message);
  return messages;
}
export const last = async (exchange: Exchange): Promise<Response> => (await all(exchange)).at(-1) as Response;
