/** Theft of every handle, and of routes (facts on other gateways' breaches: a handle is no proof of who somebody is). */
import { INVALID_PARAMS, META, REFUSED, type JsonObject, type Revision } from '@sallyport/model-context';
import { describe, expect, test } from 'vitest';
import { sealedHandles } from '../../src/door/handles.ts';
import type { Caller, Handles, MessageCall, ModelContextServer } from '../../src/door/ports.ts';
import {
  ask,
  callOf,
  caller,
  errorOf,
  eventsOf,
  fakeKeys,
  openSession,
  request,
  resultOf,
  rig,
  textOf,
  SESSION,
  STATELESS,
  type Answer,
} from './support/guarded.ts';
import {
  ask as asks,
  failure,
  fakeUpstream,
  notification,
  result,
  type FakeUpstream,
} from './support/upstream.ts';

const alice = caller();
/** Who comes with what was given to alice, and where. */
const THIEVES: readonly [string, { caller?: Caller; isOtherRoute?: boolean }][] = [
  ['another principal', { caller: caller('user:bob') }],
  ['one of that name in another tenant', { caller: caller('user:alice', { tenant: 'other' }) }],
  ['the same principal on another route', { isOtherRoute: true }],
];

type Stolen = {
  /** Has alice given one. */
  readonly given: (server: ModelContextServer) => Promise<string>;
  readonly use: (server: ModelContextServer, handle: string, who: Caller) => Promise<Answer>;
  /** `byServer`: it is asked about something that nobody has, and refuses in its own words. */
  readonly refused: {
    readonly status?: number;
    readonly code: number;
    readonly reason: string;
    readonly byServer?: true;
  };
  /** The server's own. */
  readonly raw: string;
};

const heardText =
  (text: string) =>
  (upstream: FakeUpstream): boolean =>
    JSON.stringify(upstream.heard, (name, value: unknown) =>
      name === 'caller' || name === 'signal' ? undefined : value,
    ).includes(text);

const page = (method: string, cursor: string, who = alice, revision: Revision = STATELESS): MessageCall =>
  callOf(request(method, { cursor }), { caller: who, revision });

function scripted(): FakeUpstream {
  const upstream = fakeUpstream();
  upstream.on('prompts/list', ({ message }) => ({
    events: [
      result(message.id, {
        prompts: [],
        ...(message.params?.['cursor'] === undefined ? { nextCursor: 'page-2' } : {}),
      }),
    ],
  }));
  upstream.on('tools/call', ({ message }) => ({
    events: [
      message.params?.['requestState'] === undefined
        ? result(message.id, { resultType: 'input_required', inputRequests: {}, requestState: 'the-state' })
        : result(message.id, { resultType: 'complete', content: [] }),
    ],
  }));
  upstream.on('resources/read', ({ message }) => ({
    events: [result(message.id, { resultType: 'task', taskId: 'task-1', status: 'working' })],
  }));
  upstream.on('tasks/get', ({ message }) => ({
    events:
      message.params?.['taskId'] === 'task-1'
        ? [result(message.id, { taskId: 'task-1', status: 'working' })]
        : [failure(message.id, INVALID_PARAMS, 'no such task', { reason: 'task_unknown' })],
  }));
  upstream.onListen(() => [{ id: 'event-1', ...notification('notifications/message', {}) }]);
  return upstream;
}

const listen = async (
  server: ModelContextServer,
  who: Caller,
  sessionId: string,
  lastEventId?: string,
): Promise<Answer> => {
  const { signal } = new AbortController();
  const exchange = await server.listen({
    ...{ caller: who, revision: SESSION, signal, sessionId },
    ...(lastEventId === undefined ? {} : { lastEventId }),
  });
  const events = await eventsOf(exchange);
  const message = events[0]?.message;
  const response =
    message !== undefined && !('method' in message)
      ? message
      : { jsonrpc: '2.0' as const, id: null, error: { code: 0, message: '' } };
  return { status: exchange.status, events, response };
};

const HANDLES: Readonly<Record<string, Stolen>> = {
  'session id': {
    given: (server) => openSession(server),
    use: (server, sessionId, who) =>
      ask(server, callOf(request('ping'), { revision: SESSION, sessionId, caller: who })),
    refused: { status: 404, code: -32001, reason: 'session_unknown' },
    raw: 'upstream-session',
  },
  cursor: {
    given: async (server) =>
      textOf(resultOf(await ask(server, callOf(request('prompts/list'))))['nextCursor']),
    use: (server, cursor, who) => ask(server, page('prompts/list', cursor, who)),
    refused: { status: 200, code: INVALID_PARAMS, reason: 'cursor_invalid' },
    raw: 'page-2',
  },
  'request state': {
    given: async (server) =>
      textOf(resultOf(await ask(server, callOf(request('tools/call', { name: 'echo' }))))['requestState']),
    use: (server, requestState, who) =>
      ask(
        server,
        callOf(request('tools/call', { name: 'echo', requestState, inputResponses: {} }), { caller: who }),
      ),
    refused: { status: 200, code: INVALID_PARAMS, reason: 'request_state_invalid' },
    raw: 'the-state',
  },
  'task id': {
    given: async (server) =>
      textOf(resultOf(await ask(server, callOf(request('resources/read', { uri: 'a:b' }))))['taskId']),
    use: (server, taskId, who) => ask(server, callOf(request('tasks/get', { taskId }), { caller: who })),
    refused: { status: 200, code: INVALID_PARAMS, reason: 'task_unknown', byServer: true },
    raw: 'task-1',
  },
};

describe.each(Object.entries(HANDLES))('a %s', (_, { given, use, refused, raw }) => {
  const heard = heardText(raw);
  /** Two routes of one gateway; every caller is allowed everything on the second. */
  function routes() {
    const handles = sealedHandles({
      keys: fakeKeys().keys,
      now: Date.now,
      monotonic: () => performance.now(),
    });
    const own = rig({ handles, upstream: scripted() });
    return { own, other: rig({ handles, upstream: scripted(), route: 'permissive' }) };
  }

  test('is good for the one it was given to, and says nothing', async () => {
    const { own } = routes();
    const handle = await given(own.server);
    expect(handle).toMatch(/^[A-Za-z0-9_-]{100,1024}$/u);
    const answer = await use(own.server, handle, alice);
    expect(errorOf(answer)).toBeUndefined();
    expect(heard(own.upstream)).toBe(true);
  });

  test.each(THIEVES)('is nothing to %s', async (_name, { caller: thief = alice, isOtherRoute = false }) => {
    const { own, other } = routes();
    const handle = await given(own.server);
    const { server, upstream, records } = isOtherRoute ? other : own;
    upstream.heard.length = 0;
    records.length = 0;
    const answer = await use(server, handle, thief);
    expect(answer.status).toBe(refused.status);
    expect(errorOf(answer)).toMatchObject({ code: refused.code, data: { reason: refused.reason } });
    expect(heard(upstream)).toBe(false);
    expect(JSON.stringify(upstream.messages())).not.toContain(handle);
    expect(upstream.heard).toHaveLength(refused.byServer === true ? 1 : 0);
    // The attempt is in the record, under the name of who made it.
    expect(records[0]).toMatchObject({
      ...{ phase: 'decision', reason: refused.reason, caller: thief },
      decision: refused.byServer === true ? 'allow' : 'deny',
    });
  });

  test.each([
    ['of the server itself', undefined],
    ['of nobody', 'AAAA'],
    ['empty', ''],
  ])('%s is nothing', async (_name, handle = raw) => {
    const { own } = routes();
    const answer = await use(own.server, handle, alice);
    expect(errorOf(answer)).toMatchObject({ code: refused.code, data: { reason: refused.reason } });
    expect(own.upstream.heard).toHaveLength(refused.byServer === true ? 1 : 0);
    expect(heard(own.upstream)).toBe(false);
  });
});

describe('a session', () => {
  test('opened where everything is denied is not opened at all', async () => {
    const { server, upstream } = rig({ allows: () => false });
    const answer = await ask(server, callOf(request('initialize'), { revision: SESSION }));
    expect(errorOf(answer)?.code).toBe(REFUSED);
    expect(answer.sessionId).toBeUndefined();
    expect(upstream.heard).toEqual([]);
  });

  test('is judged by the policy of each of its messages, not by that of its beginning', async () => {
    let isAllowed = true;
    const { server, upstream } = rig({ allows: () => isAllowed });
    const sessionId = await openSession(server);
    isAllowed = false;
    upstream.heard.length = 0;
    expect(errorOf(await ask(server, callOf(request('ping'), { revision: SESSION, sessionId })))?.code).toBe(
      REFUSED,
    );
    expect((await server.listen({ ...callOf(request('ping')), revision: SESSION, sessionId })).status).toBe(
      403,
    );
    expect((await server.end({ ...callOf(request('ping')), revision: SESSION, sessionId })).status).toBe(403);
    expect(upstream.heard).toEqual([]);
  });

  test('is none in 2026-07-28, whatever the header says', async () => {
    const { server, upstream } = rig();
    await ask(server, callOf(request('ping'), { sessionId: 'anything' }));
    expect(upstream.heard[0]?.sessionId).toBeUndefined();
    expect((await server.listen({ ...callOf(request('ping')), sessionId: 'anything' })).status).toBe(405);
    expect((await server.end({ ...callOf(request('ping')), sessionId: 'anything' })).status).toBe(405);
  });

  test('of another OAuth client of the same user is not opened', async () => {
    const { server } = rig();
    const sessionId = await openSession(server);
    const other = caller('user:alice', { clientId: 'client-2' });
    const answer = await ask(
      server,
      callOf(request('ping'), { revision: SESSION, sessionId, caller: other }),
    );
    expect(answer.status).toBe(404);
  });

  test('id of a thief opens neither stream nor end', async () => {
    const { server, upstream } = rig();
    const sessionId = await openSession(server);
    upstream.heard.length = 0;
    const theft = { ...callOf(request('ping')), revision: SESSION, sessionId, caller: caller('user:bob') };
    expect((await server.listen(theft)).status).toBe(404);
    expect((await server.end(theft)).status).toBe(404);
    expect(upstream.heard).toEqual([]);
  });

  test('ends by its sealed id, on the record', async () => {
    const { server, upstream, records } = rig();
    const sessionId = await openSession(server);
    const exchange = await server.end({ ...callOf(request('ping')), revision: SESSION, sessionId });
    expect(exchange.status).toBe(200);
    expect(upstream.heard.at(-1)?.sessionId).toBe('upstream-session');
    expect(records.slice(-2)).toMatchObject([
      { action: 'context.end', decision: 'allow' },
      { action: 'context.end', outcome: 'success' },
    ]);
  });
});

describe('a cursor', () => {
  test('of one list is none of another', async () => {
    const upstream = scripted();
    upstream.on('resources/list', ({ message }) => ({ events: [result(message.id, { resources: [] })] }));
    const { server } = rig({ upstream });
    const cursor = textOf(resultOf(await ask(server, callOf(request('prompts/list'))))['nextCursor']);
    expect(errorOf(await ask(server, page('resources/list', cursor)))?.code).toBe(INVALID_PARAMS);
    expect(errorOf(await ask(server, page('prompts/list', cursor)))).toBeUndefined();
  });

  test.each([[5], [null], [{}]])('that is %j is none', async (cursor) => {
    const { server, upstream } = rig();
    expect(errorOf(await ask(server, callOf(request('prompts/list', { cursor }))))?.code).toBe(
      INVALID_PARAMS,
    );
    expect(upstream.heard).toEqual([]);
  });
});

describe('a request state', () => {
  const first = { name: 'echo', arguments: { path: '/a' } };
  const given = async (server: ModelContextServer, params: JsonObject = first) =>
    textOf(resultOf(await ask(server, callOf(request('tools/call', params))))['requestState']);

  test.each<[string, JsonObject]>([
    ['with answers and a new id', { inputResponses: { a: { action: 'accept' } } }],
    ['with other metadata', { _meta: { [META.progressToken]: 9 } }],
    ['with its members in another order', { arguments: { path: '/a' }, name: 'echo' }],
  ])('comes back %s', async (_, more) => {
    const { server, upstream } = rig({ upstream: scripted() });
    const requestState = await given(server);
    const answer = await ask(server, callOf(request('tools/call', { ...first, ...more, requestState }, 2)));
    expect(errorOf(answer)).toBeUndefined();
    expect(upstream.messages().at(-1)).toMatchObject({ params: { requestState: 'the-state' } });
  });

  test.each<[string, string, JsonObject]>([
    ['other arguments', 'tools/call', { arguments: { path: '/etc' } }],
    ['another tool', 'tools/call', { name: 'delete' }],
    ['another method', 'prompts/get', {}],
    ['what was not there before', 'tools/call', { task: { ttl: 1 } }],
  ])('does not come back for %s', async (_, method, change) => {
    const { server, upstream } = rig({ upstream: scripted() });
    const requestState = await given(server);
    upstream.heard.length = 0;
    const answer = await ask(server, callOf(request(method, { ...first, ...change, requestState })));
    expect(errorOf(answer)).toMatchObject({
      code: INVALID_PARAMS,
      data: { reason: 'request_state_invalid' },
    });
    expect(upstream.heard).toEqual([]);
  });

  test('outlives an hour of waiting, and no more', async () => {
    const { server, clock } = rig({ upstream: scripted() });
    const requestState = await given(server);
    clock.nowMs += 3_600_000 + 1_001;
    const answer = await ask(server, callOf(request('tools/call', { ...first, requestState })));
    expect(errorOf(answer)?.code).toBe(INVALID_PARAMS);
  });

  test('that asks the client for what the caller may not be asked for is not given', async () => {
    const upstream = fakeUpstream();
    upstream.on('tools/call', ({ message }) => ({
      events: [
        result(message.id, {
          resultType: 'input_required',
          inputRequests: { a: { method: 'elicitation/create', params: { message: 'your password?' } } },
        }),
      ],
    }));
    const { server, records } = rig({
      upstream,
      allows: ({ action }) => action !== 'context.elicitation.create',
    });
    const answer = await ask(server, callOf(request('tools/call', { name: 'echo' })));
    expect(resultOf(answer)).toMatchObject({ isError: true, resultType: 'complete' });
    expect(JSON.stringify(answer)).not.toContain('password');
    expect(records).toMatchObject([
      { action: 'context.tools.call', decision: 'allow' },
      { action: 'context.elicitation.create', decision: 'deny' },
      { action: 'context.tools.call', outcome: 'failure' },
    ]);
  });
});

describe('an event id', () => {
  const resumed = async (who: Caller, session: (own: string, others: string) => string, handles: Handles) => {
    const { server, upstream } = rig({ upstream: scripted(), handles });
    const own = await openSession(server);
    const others = await openSession(server, { caller: caller('user:bob') });
    const id = (await listen(server, alice, own)).events[0]?.id ?? '';
    expect(id).toMatch(/^[A-Za-z0-9_-]+$/u);
    upstream.heard.length = 0;
    return { answer: await listen(server, who, session(own, others), id), upstream };
  };
  const handles = () =>
    sealedHandles({ keys: fakeKeys().keys, now: Date.now, monotonic: () => performance.now() });

  test('resumes the stream it came from', async () => {
    const { answer, upstream } = await resumed(alice, (own) => own, handles());
    expect(answer.status).toBe(200);
    expect(upstream.heard[0]).toMatchObject({ lastEventId: 'event-1', sessionId: 'upstream-session' });
  });

  test("is nothing in another's session", async () => {
    const { answer, upstream } = await resumed(caller('user:bob'), (_, others) => others, handles());
    expect([answer.status, errorOf(answer)?.data]).toEqual([400, { reason: 'event_invalid' }]);
    expect(upstream.heard).toEqual([]);
  });

  test('of the server itself is nothing', async () => {
    const { server, upstream } = rig({ upstream: scripted() });
    const own = await openSession(server);
    upstream.heard.length = 0;
    expect((await listen(server, alice, own, 'event-1')).status).toBe(400);
    expect(upstream.heard).toEqual([]);
  });
});

test('an id of what a server asks is good for one answer, by who was asked', async () => {
  const upstream = fakeUpstream();
  upstream.onListen(() => [asks(7, 'elicitation/create', { message: 'name?' })]);
  const { server } = rig({ upstream });
  const sessions = [
    await openSession(server),
    await openSession(server, { caller: caller('user:bob') }),
  ] as const;
  const { events } = await listen(server, alice, sessions[0]);
  const message = events[0]?.message;
  const id = message !== undefined && 'id' in message ? message.id : undefined;
  expect(typeof id).toBe('string');
  const respond = (who: Caller, sessionId: string, answerId = id) =>
    server.send(
      callOf({ jsonrpc: '2.0', id: answerId ?? null, result: { action: 'accept' } } as never, {
        revision: SESSION,
        sessionId,
        caller: who,
      }),
    );
  upstream.heard.length = 0;
  expect((await respond(caller('user:bob'), sessions[1])).status).toBe(400);
  expect((await respond(alice, sessions[0], 7)).status).toBe(400);
  expect((await respond(alice, sessions[0], 'AAAA')).status).toBe(400);
  expect(upstream.heard).toEqual([]);
  expect((await respond(alice, sessions[0])).status).toBe(202);
  expect(upstream.messages()).toEqual([{ jsonrpc: '2.0', id: 7, result: { action: 'accept' } }]);
  expect((await respond(alice, sessions[0])).status).toBe(400);
  expect(upstream.heard).toHaveLength(1);
});
