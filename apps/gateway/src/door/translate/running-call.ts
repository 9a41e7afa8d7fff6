/**
 * One request under way in an upstream session, which may outlive the exchange that began it: when the server asks for input,
 * the client's request is answered with `input_required` and the call waits, held open, for the retry that carries it.
 */
import {
  errorResponse,
  isRequest,
  isResponse,
  member,
  META,
  METHOD_NOT_FOUND,
  MISSING_CLIENT_CAPABILITY,
  objectMember,
  resultResponse,
  without,
  withMeta,
  type JsonObject,
  type JsonValue,
  type Message,
  type Notification,
  type Request,
  type RequestId,
  type Response,
} from '@sallyport/model-context';
import { UpstreamFailure, type Call, type Exchange, type ServerEvent } from '../ports.ts';
import { ASKING_METHODS, INPUT_METHODS, isChange, missingCapability } from './capabilities.ts';
import { leave } from './exchanges.ts';
import { mailbox } from './mailbox.ts';
import type { TranslateLimits, TranslatePorts } from './ports.ts';
import { severityOf } from './results.ts';
import { pause } from './time.ts';
import type { UpstreamSession } from './upstream-session.ts';

/** What one request of a client asks of a call: its id, its progress token and log level change from retry to retry. */
export type Asker = { readonly call: Call; readonly request: Request };

export type RunningCall = {
  /** Everything for this asker until the response, or until input is needed. Ends by itself with the asker's signal. */
  events(asker: Asker): AsyncGenerator<ServerEvent>;
  /** Gives the server what the client gathered. False: nothing of it was asked for. */
  give(call: Call, inputResponses: JsonObject): Promise<boolean>;
  cancel(reason: string): void;
};

/** Nothing was done: the request may be sent again in a new session. */
export class SessionForgotten extends Error {}

type Item = { readonly message: Notification | Response } | 'asked';
type Asked = { readonly request: Request; isToldOf: boolean };

/** Requests that a server sends at once are gathered, so that a client is asked once. */
const GATHER_MS = 10;
const CAPACITY = 4_096;
const COMFORTABLE = 64;

/** Reads `exchange` at once. `ended` is its signal: aborted here when the call is cancelled, once the server was told. */
export function runningCall(options: {
  readonly session: UpstreamSession;
  readonly capabilities: JsonObject;
  readonly upstreamId: RequestId;
  readonly method: string;
  /** `forgotten`: the server does not know the session, `events` rejects with `SessionForgotten`. */
  readonly exchange: Promise<Exchange | 'forgotten'>;
  readonly ended: AbortController;
  readonly ports: TranslatePorts;
  readonly limits: TranslateLimits;
  /** Input is needed: keeps the call and answers with the handle under which it is found again. */
  readonly hold: () => string;
  readonly translate: (response: Response, id: RequestId) => Response;
}): RunningCall {
  const { session, capabilities, upstreamId, method, exchange, ended, ports, limits } = options;
  const box = mailbox<Item>({
    capacity: CAPACITY,
    comfortable: COMFORTABLE,
    cancelled: () => new UpstreamFailure('cancelled', 'The client left.'),
  });
  const asked = new Map<string, Asked>();
  let counter = 0;
  let isAttached = true;
  let isOver = false;
  let isServerDone = false;
  let latest: Call | undefined;

  /** By whoever asked last; not bound to its signal. */
  const say = async (message: Message): Promise<void> => {
    if (latest === undefined) return;
    const sent = await session.send({ ...latest, signal: ended.signal }, message);
    if (sent !== 'forgotten') await leave(sent);
  };
  const quietly = (message: Message): void => void say(message).catch(() => undefined);

  const ask = (request: Request): void => {
    const missing = missingCapability(request, capabilities);
    if (missing !== undefined) {
      // 2026-07-28 "Base protocol": what needs a capability that was not declared is refused with its name.
      finish(
        errorResponse(
          upstreamId,
          MISSING_CLIENT_CAPABILITY,
          'The server needs a capability that the client did not declare.',
          {
            requiredCapabilities: missing,
          },
        ),
      );
      return cancel('The client has no such capability.');
    }
    if (asked.size >= limits.maxInputRequests) {
      return quietly(errorResponse(request.id, METHOD_NOT_FOUND, 'Too many requests at once.'));
    }
    asked.set(`input-${(counter += 1)}`, { request, isToldOf: false });
    box.put('asked');
  };
  const withdraw = (id: RequestId): void => {
    for (const [key, { request }] of asked) if (request.id === id) asked.delete(key);
  };
  const tell = (notification: Notification): void => {
    // Between two rounds there is no stream for it.
    if (isAttached) box.put({ message: notification });
  };
  const finish = (response: Response): void => {
    if (isOver) return;
    isOver = true;
    box.put({ message: response });
    box.close();
    inSession[Symbol.dispose]();
  };
  const cancel = (reason: string): void => {
    if (!isOver) {
      isOver = true;
      box.fail(new UpstreamFailure('cancelled', reason));
      inSession[Symbol.dispose]();
    }
    if (ended.signal.aborted) return;
    // Told first: leaving a stream is no cancellation in 2025-11-25 ("Transports", "Sending Messages").
    const told = isServerDone
      ? Promise.resolve()
      : say({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: upstreamId, reason } });
    void told.catch(() => undefined).finally(() => ended.abort());
  };

  const hear = (message: Message): void => {
    if (isResponse(message)) {
      // An error without an id is about what was sent.
      const isOurs =
        message.id === upstreamId || ('error' in message && (message.id ?? undefined) === undefined);
      if (!isOurs) return;
      isServerDone = true;
      return finish(message);
    }
    if (!isRequest(message)) {
      const id = message.params?.['requestId'];
      if (message.method !== 'notifications/cancelled') return tell(message);
      return typeof id === 'string' || typeof id === 'number' ? withdraw(id) : undefined;
    }
    if (message.method === 'ping') return quietly(resultResponse(message.id, {}));
    if (INPUT_METHODS.has(message.method) && ASKING_METHODS.has(method)) return ask(message);
    quietly(errorResponse(message.id, METHOD_NOT_FOUND, `A client does not answer ${message.method} here.`));
  };
  const pump = async (): Promise<void> => {
    try {
      const begun = await exchange;
      if (begun === 'forgotten') return box.fail(new SessionForgotten());
      for await (const { message } of begun.messages) {
        if (message !== undefined) hear(message);
        if (isOver) return;
        if (isAttached) await box.room();
      }
      box.fail(new UpstreamFailure('broke_off', 'The server ended without a response.'));
    } catch (error) {
      box.fail(error);
    } finally {
      isServerDone = true;
      isOver = true;
      inSession[Symbol.dispose]();
    }
  };

  const inSession = session.begin({ mayAsk: ASKING_METHODS.has(method), ask, tell, withdraw });

  const forAsker = (notification: Notification, { request }: Asker): Notification | undefined => {
    const meta = objectMember(request.params, '_meta');
    if (isChange(notification.method)) return undefined;
    if (notification.method === 'notifications/progress') {
      const token = member(meta, META.progressToken);
      if (token === undefined || notification.params?.['progressToken'] !== upstreamId) return undefined;
      return { ...notification, params: { ...notification.params, progressToken: token } };
    }
    if (notification.method === 'notifications/elicitation/complete') return undefined;
    if (notification.method !== 'notifications/message') return notification;
    const wanted = severityOf(member(meta, META.logLevel));
    const severity = severityOf(notification.params?.['level']);
    return wanted !== undefined && severity !== undefined && severity >= wanted ? notification : undefined;
  };

  const inputRequired = (id: RequestId): Response => {
    const requests: Record<string, JsonValue> = {};
    for (const [key, entry] of asked) {
      entry.isToldOf = true;
      requests[key] = inputRequest(entry.request);
    }
    return resultResponse(id, {
      resultType: 'input_required',
      inputRequests: requests,
      requestState: options.hold(),
    });
  };

  void pump();

  return {
    async *events(asker) {
      const { call, request } = asker;
      latest = call;
      isAttached = true;
      let isAnswered = false;
      const left = (): void => cancel('The client left.');
      call.signal.addEventListener('abort', left, { once: true });
      try {
        // What was asked and not answered in the round before is asked again.
        if ([...asked.values()].some(({ isToldOf }) => isToldOf)) box.put('asked');
        for (;;) {
          const item = await box.take(call.signal);
          if (item === undefined)
            throw new UpstreamFailure('broke_off', 'The server ended without a response.');
          if (item === 'asked') {
            await pause(ports, GATHER_MS, call.signal);
            if (asked.size === 0 || isOver) continue;
            const response = inputRequired(request.id);
            isAnswered = true;
            isAttached = false;
            call.signal.removeEventListener('abort', left);
            yield { message: response };
            return;
          }
          if (isResponse(item.message)) {
            isAnswered = true;
            yield { message: options.translate(item.message, request.id) };
            return;
          }
          const notification = forAsker(item.message, asker);
          if (notification !== undefined) yield { message: notification };
        }
      } finally {
        call.signal.removeEventListener('abort', left);
        if (!isAnswered) cancel('The client left.');
      }
    },
    async give(call, inputResponses) {
      latest = call;
      let given = false;
      for (const [key, { request }] of [...asked]) {
        const input = objectMember(inputResponses, key);
        if (input === undefined) continue;
        asked.delete(key);
        given = true;
        await say(resultResponse(request.id, input));
      }
      return given;
    },
    cancel,
  };
}

/** 2026-07-28 has no ids of elicitations; tasks are not translated. */
const inputRequest = (request: Request): JsonObject => ({
  method: request.method,
  ...(request.params === undefined ? {} : { params: without(request.params, 'elicitationId', 'task') }),
});

/** The request as a session server takes it. */
export const requestInSession = (request: Request, upstreamId: RequestId): Request => {
  const token = member(objectMember(request.params, '_meta'), META.progressToken);
  const changed = withMeta(request, {
    [META.protocolVersion]: undefined,
    [META.clientInfo]: undefined,
    [META.clientCapabilities]: undefined,
    [META.logLevel]: undefined,
    [META.progressToken]: token === undefined ? undefined : upstreamId,
  });
  const params =
    changed.params === undefined ? undefined : without(changed.params, 'inputResponses', 'requestState');
  return { ...changed, id: upstreamId, ...(params === undefined ? {} : { params }) };
};
