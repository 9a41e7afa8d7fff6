/** A server in memory that does what a test tells it, lies included. Speaks both eras; hears everything that it was sent. */
import {
  isRequest,
  type JsonObject,
  type Message,
  type Request,
  type RequestId,
} from '@sallyport/model-context';
import {
  UpstreamFailure,
  type Call,
  type Exchange,
  type ListenCall,
  type MessageCall,
  type ModelContextServer,
  type ServerEvent,
} from '../../../src/door/ports.ts';

/** How a method is answered: events in order, of which functions are made when their turn comes. */
export type Script = (call: MessageCall & { readonly message: Request }) => Partial<
  Omit<Exchange, 'messages'>
> & {
  readonly events?: Iterable<ServerEvent> | AsyncIterable<ServerEvent>;
};

export type FakeUpstream = ModelContextServer & {
  /** What reached it, in order. */
  readonly heard: (MessageCall | ListenCall | Call)[];
  /** Requests, notifications and responses among it. */
  messages(): Message[];
  on(method: string, script: Script): void;
  onListen(events: () => Iterable<ServerEvent> | AsyncIterable<ServerEvent>, status?: number): void;
  /** Of the next `send`: it does not get there. */
  failNext(failure: UpstreamFailure): void;
  /** Streams that were let go of before their end. */
  readonly left: { count: number };
};

export const result = (id: RequestId, value: JsonObject): ServerEvent => ({
  message: { jsonrpc: '2.0', id, result: value },
});
export const failure = (id: RequestId, code: number, message = 'no', data?: JsonObject): ServerEvent => ({
  message: { jsonrpc: '2.0', id, error: { code, message, ...(data === undefined ? {} : { data }) } },
});
export const notification = (method: string, params?: JsonObject): ServerEvent => ({
  message: { jsonrpc: '2.0', method, ...(params === undefined ? {} : { params }) },
});
export const ask = (id: RequestId, method: string, params: JsonObject = {}): ServerEvent => ({
  message: { jsonrpc: '2.0', id, method, params },
});

export const tool = (name: string, more: JsonObject = {}): JsonObject => ({
  name,
  description: `does ${name}`,
  inputSchema: { type: 'object' },
  ...more,
});

/** Tools `echo` and `delete`, one page; everything else is answered `{}`. */
export function fakeUpstream(): FakeUpstream {
  const scripts = new Map<string, Script>([
    [
      'tools/list',
      ({ message }) => ({ events: [result(message.id, { tools: [tool('echo'), tool('delete')] })] }),
    ],
    [
      'tools/call',
      ({ message }) => ({ events: [result(message.id, { content: [{ type: 'text', text: 'done' }] })] }),
    ],
    [
      'initialize',
      ({ message }) => ({
        sessionId: 'upstream-session',
        events: [result(message.id, { capabilities: { tools: {} } })],
      }),
    ],
  ]);
  const heard: (MessageCall | ListenCall | Call)[] = [];
  const left = { count: 0 };
  let next: UpstreamFailure | undefined;
  let listening: { events: () => Iterable<ServerEvent> | AsyncIterable<ServerEvent>; status: number } = {
    events: () => [],
    status: 405,
  };

  async function* playing(
    events: Iterable<ServerEvent> | AsyncIterable<ServerEvent>,
    signal: AbortSignal,
  ): AsyncIterable<ServerEvent> {
    let isOver = false;
    try {
      for await (const event of events) {
        if (signal.aborted) throw new UpstreamFailure('cancelled', 'told to stop');
        yield event;
      }
      isOver = true;
    } finally {
      if (!isOver) left.count += 1;
    }
  }

  return {
    heard,
    left,
    messages: () => heard.flatMap((call) => ('message' in call ? [call.message] : [])),
    on: (method, script) => void scripts.set(method, script),
    onListen: (events, status = 200) => void (listening = { events, status }),
    failNext: (problem) => void (next = problem),

    async send(call) {
      heard.push(call);
      const { message } = call;
      if (next !== undefined) {
        const problem = next;
        next = undefined;
        throw problem;
      }
      if (!isRequest(message)) return { status: 202, kind: 'none', messages: playing([], call.signal) };
      const script = scripts.get(message.method);
      const { events, ...answer } = script?.({ ...call, message }) ?? { events: [result(message.id, {})] };
      return { status: 200, kind: 'json', ...answer, messages: playing(events ?? [], call.signal) };
    },
    async listen(call) {
      heard.push(call);
      const { status } = listening;
      const kind = status === 200 ? 'events' : 'none';
      return { status, kind, messages: playing(status === 200 ? listening.events() : [], call.signal) };
    },
    async end(call) {
      heard.push(call);
      return { status: 200, kind: 'none', messages: playing([], call.signal) };
    },
  };
}

/** Never says anything until the call is cancelled. */
export async function* hanging(signal: AbortSignal): AsyncIterable<ServerEvent> {
  yield* [];
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
  throw new UpstreamFailure('cancelled', 'told to stop');
}

/** Says some and breaks off. */
export async function* breakingOff(
  events: Iterable<ServerEvent>,
  problem: UpstreamFailure['problem'] = 'broke_off',
): AsyncIterable<ServerEvent> {
  yield* events;
  throw new UpstreamFailure(problem, 'gone');
}
