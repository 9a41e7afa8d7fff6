/**
 * The handles inside messages: cursors, request states, ids of tasks and of what a server asks the client. What leaves is
 * sealed, what comes back is opened; everything else of a message stays the object that it was.
 */
import { randomUUID } from 'node:crypto';
import {
  digestOf,
  eraOf,
  isObject,
  member,
  objectMember,
  stringMember,
  without,
  type JsonArray,
  type JsonObject,
  type JsonValue,
  type Request,
  type RequestId,
} from '@sallyport/model-context';
import type { Call, Handles, HandleKind } from '../ports.ts';

/** Given where a handle does not open: what it was. A class, because anything else could be what a client wrote. */
export class BadHandle {
  readonly kind: HandleKind;
  /** Parameters that mean nothing to any server, where it is the server that says what it makes of such a handle. */
  readonly instead: JsonObject | undefined;
  constructor(kind: HandleKind, instead?: JsonObject) {
    this.kind = kind;
    this.instead = instead;
  }
}

/** A request of a server as its id says when the client answers it. */
export type AskedByServer = { readonly id: RequestId; readonly method: string };

/** Whose stream an event belongs to, so that what is resumed is filtered as what it resumes. */
export type StreamOf = { readonly id: RequestId; readonly method: string; readonly target?: string };

export type Seals = {
  session(call: Call, sessionId: string): Promise<string>;
  /** Undefined: not this caller's, not this route's. */
  openSession(call: Call, sealed: string): Promise<string | undefined>;
  cursor(call: Call, method: string, cursor: string): Promise<string>;
  /** `sessionId`s are the upstream's. */
  event(call: Call, sessionId: string | undefined, id: string, of: StreamOf | undefined): Promise<string>;
  openEvent(
    call: Call,
    sessionId: string | undefined,
    sealed: string,
  ): Promise<{ readonly id: string; readonly of?: StreamOf } | undefined>;
  /** The same for the same id while this process remembers it, so that the server can take it back. */
  serverRequest(call: Call, sessionId: string | undefined, asked: AskedByServer): Promise<string>;
  givenServerRequest(call: Call, sessionId: string | undefined, id: RequestId): string | undefined;
  openServerRequest(
    call: Call,
    sessionId: string | undefined,
    sealed: RequestId | null | undefined,
  ): Promise<AskedByServer | undefined>;
  requestState(call: Call, request: Request, state: string): Promise<string>;
  /** The parameters of a request or notification with every handle in them opened. */
  openParams(
    call: Call,
    message: Pick<Request, 'method' | 'params'>,
  ): Promise<JsonObject | undefined | BadHandle>;
  /** A value with its ids of tasks sealed. */
  tasks(call: Call, method: string, value: JsonObject): Promise<JsonObject>;
  openRelatedTask(call: Call, result: JsonObject): Promise<JsonObject | BadHandle>;
};

/** 2025-11-25 "Tasks": what belongs to a task says so in `_meta`. */
const RELATED_TASK = 'io.modelcontextprotocol/related-task';
const MAX_REMEMBERED = 8_192;
/** A longer one is no target that could be asked about again; the stream cannot be resumed then. */
const MAX_STREAM_TARGET = 2_048;

/** For handles of one route. Sealing rejects with `SallyportError` (`unavailable`) while there is no key. */
export function createSeals(handles: Handles, route: string): Seals {
  /** Sealed text by what it stands for, so that one id has one sealed form where clients compare them. */
  const given = new Map<string, string>();

  const seal = (call: Call, kind: HandleKind, value: string, binding?: string): Promise<string> =>
    handles.seal({ kind, caller: call.caller, route, value, ...(binding === undefined ? {} : { binding }) });
  const open = (
    call: Call,
    kind: HandleKind,
    sealed: string,
    binding?: string,
  ): Promise<string | undefined> =>
    handles.open({ kind, caller: call.caller, route, sealed, ...(binding === undefined ? {} : { binding }) });

  const nameOf = (call: Call, kind: HandleKind, value: string): string => {
    const { tenant, id } = call.caller.principal;
    return JSON.stringify([kind, tenant, id, value]);
  };
  function remember(call: Call, kind: HandleKind, value: string, sealed: string): string {
    const name = nameOf(call, kind, value);
    given.delete(name);
    given.set(name, sealed);
    for (const oldest of given.keys()) {
      if (given.size <= MAX_REMEMBERED) break;
      given.delete(oldest);
    }
    return sealed;
  }

  async function sealTask(call: Call, taskId: string): Promise<string> {
    const known = given.get(nameOf(call, 'task', taskId));
    return known ?? remember(call, 'task', taskId, await seal(call, 'task', taskId));
  }
  async function openTask(call: Call, sealed: JsonValue | undefined): Promise<string | undefined> {
    if (typeof sealed !== 'string') return undefined;
    const taskId = await open(call, 'task', sealed);
    // The client hears of it as it knows it.
    if (taskId !== undefined) remember(call, 'task', taskId, sealed);
    return taskId;
  }

  const spelt = (sessionId: string | undefined, id: RequestId): string =>
    JSON.stringify([sessionId ?? '', id]);

  async function openMetaTask(call: Call, holder: JsonObject): Promise<JsonObject | BadHandle> {
    const related = objectMember(objectMember(holder, '_meta'), RELATED_TASK);
    if (related === undefined) return holder;
    const taskId = await openTask(call, related['taskId']);
    return taskId === undefined ? new BadHandle('task') : withRelatedTask(holder, taskId);
  }

  async function sealMetaTask(call: Call, holder: JsonObject): Promise<JsonObject> {
    const taskId = stringMember(objectMember(objectMember(holder, '_meta'), RELATED_TASK), 'taskId');
    return taskId === undefined ? holder : withRelatedTask(holder, await sealTask(call, taskId));
  }

  return {
    session: (call, sessionId) => seal(call, 'session', sessionId),
    openSession: (call, sealed) => open(call, 'session', sealed),
    cursor: (call, method, cursor) => seal(call, 'cursor', cursor, method),

    event(call, sessionId, id, of) {
      const isNameable = (of?.target?.length ?? 0) <= MAX_STREAM_TARGET;
      const value =
        of === undefined || !isNameable
          ? [id]
          : [id, of.id, of.method, ...(of.target === undefined ? [] : [of.target])];
      return seal(call, 'event', JSON.stringify(value), sessionId ?? '');
    },
    async openEvent(call, sessionId, sealed) {
      const text = await open(call, 'event', sealed, sessionId ?? '');
      if (text === undefined) return undefined;
      const [id, requestId, method, target] = JSON.parse(text) as [string, RequestId?, string?, string?];
      if (requestId === undefined || method === undefined) return { id };
      return { id, of: { id: requestId, method, ...(target === undefined ? {} : { target }) } };
    },

    async serverRequest(call, sessionId, { id, method }) {
      const sealed = await seal(call, 'request', JSON.stringify([id, method]), sessionId ?? '');
      return remember(call, 'request', spelt(sessionId, id), sealed);
    },
    givenServerRequest: (call, sessionId, id) => given.get(nameOf(call, 'request', spelt(sessionId, id))),
    async openServerRequest(call, sessionId, sealed) {
      if (typeof sealed !== 'string') return undefined;
      const text = await open(call, 'request', sealed, sessionId ?? '');
      if (text === undefined) return undefined;
      const [id, method] = JSON.parse(text) as [RequestId, string];
      return { id, method };
    },

    requestState: (call, request, state) => seal(call, 'request_state', state, originOf(request)),

    async openParams(call, message) {
      let { params } = message;
      if (params === undefined) return undefined;
      const { method } = message;
      const cursor = member(params, 'cursor');
      if (cursor !== undefined && method.endsWith('/list')) {
        const opened = typeof cursor === 'string' ? await open(call, 'cursor', cursor, method) : undefined;
        if (opened === undefined) return new BadHandle('cursor');
        params = { ...params, cursor: opened };
      }
      const state = member(params, 'requestState');
      if (state !== undefined && eraOf(call.revision) === 'stateless') {
        const opened =
          typeof state === 'string' ? await open(call, 'request_state', state, originOf(message)) : undefined;
        if (opened === undefined) return new BadHandle('request_state');
        params = { ...params, requestState: opened };
      }
      if (method.startsWith('tasks/') && member(params, 'taskId') !== undefined) {
        const taskId = await openTask(call, params['taskId']);
        // A server without tasks says so, and one with tasks in its own words: it is asked about a task that nobody has.
        if (taskId === undefined) return new BadHandle('task', { ...params, taskId: randomUUID() });
        params = { ...params, taskId };
      }
      const notifications = objectMember(params, 'notifications');
      const taskIds = member(notifications, 'taskIds');
      if (method === 'subscriptions/listen' && Array.isArray(taskIds)) {
        const opened = await Promise.all(taskIds.map((sealed: JsonValue) => openTask(call, sealed)));
        if (opened.includes(undefined)) return new BadHandle('task');
        params = { ...params, notifications: { ...notifications, taskIds: opened as string[] } };
      }
      return openMetaTask(call, params);
    },

    async tasks(call, method, value) {
      let sealed = value;
      const created = objectMember(value, 'task');
      const createdId = stringMember(created, 'taskId');
      if (created !== undefined && createdId !== undefined)
        sealed = { ...sealed, task: { ...created, taskId: await sealTask(call, createdId) } };
      const taskId = stringMember(value, 'taskId');
      const isOfTask = method.startsWith('tasks/') || method.startsWith('notifications/tasks');
      if (taskId !== undefined && (isOfTask || value['resultType'] === 'task'))
        sealed = { ...sealed, taskId: await sealTask(call, taskId) };
      const list = member(value, 'tasks');
      if (method === 'tasks/list' && Array.isArray(list))
        sealed = { ...sealed, tasks: await Promise.all((list as JsonArray).map(listedTask)) };
      return sealMetaTask(call, sealed);

      async function listedTask(task: JsonValue): Promise<JsonValue> {
        const id = stringMember(task, 'taskId');
        return isObject(task) && id !== undefined ? { ...task, taskId: await sealTask(call, id) } : task;
      }
    },

    openRelatedTask: openMetaTask,
  };
}

/**
 * What the request with that state must still ask for: method and parameters, except what a retry brings by itself
 * (2026-07-28 "Multi Round-Trip Requests": the answers, the state, a new id) and `_meta`, which carries progress tokens and
 * traces.
 */
function originOf({ method, params }: Pick<Request, 'method' | 'params'>): string {
  return digestOf([method, without(params ?? {}, 'inputResponses', 'requestState', '_meta')]);
}

function withRelatedTask(holder: JsonObject, taskId: string): JsonObject {
  const meta = objectMember(holder, '_meta');
  const related = objectMember(meta, RELATED_TASK);
  return { ...holder, _meta: { ...meta, [RELATED_TASK]: { ...related, taskId } } };
}
