/** Servers that lie, and what a server may say of its own accord. */
import { REFUSED, type JsonObject, type Message } from '@sallyport/model-context';
import { describe, expect, test } from 'vitest';
import type { ServerEvent } from '../../src/door/ports.ts';
import {
  ask,
  callOf,
  caller,
  errorOf,
  eventsOf,
  openSession,
  request,
  resultOf,
  rig,
  textOf,
  SESSION,
  STATELESS,
} from './support/guarded.ts';
import {
  ask as asks,
  breakingOff,
  failure,
  fakeUpstream,
  notification,
  result,
  tool,
} from './support/upstream.ts';

const saying = (events: readonly ServerEvent[], method = 'ping') => {
  const upstream = fakeUpstream();
  upstream.on(method, () => ({ kind: 'events', events }));
  return upstream;
};
const methodsOf = (events: readonly ServerEvent[]) =>
  events.map(({ message }) =>
    message === undefined ? '-' : 'method' in message ? message.method : 'response',
  );

test.each([true, false])('a flood of requests ends the stream, allowed: %s', async (isAllowed) => {
  const upstream = fakeUpstream();
  async function* flood() {
    for (let id = 1; id <= 5_000; id += 1) {
      yield asks(id, 'elicitation/create', { message: 'password?' });
      await Promise.resolve();
    }
  }
  upstream.on('tools/call', () => ({ kind: 'events', events: flood() }));
  const { server, records, counted } = rig({
    upstream,
    allows: ({ action }) => isAllowed || action !== 'context.elicitation.create',
  });
  const sessionId = await openSession(server);
  const from = records.length;
  const answer = await ask(
    server,
    callOf(request('tools/call', { name: 'echo' }), { revision: SESSION, sessionId }),
  );
  expect(answer.events.length).toBeLessThan(200);
  expect(records.length - from).toBeLessThan(400);
  expect(counted.get('violation too_many_requests')).toBe(1);
  expect(records.at(-1)).toMatchObject({ outcome: 'unknown', status: 'too_large' });
  expect(errorOf(answer)).toMatchObject({ data: { mayHaveRun: true } });
});

describe('responses', () => {
  test.each<[string, ServerEvent[], string]>([
    ['an id never asked', [result(99, { stolen: true })], 'unasked_response'],
    ['the same id as text', [result('1', { stolen: true })], 'unasked_response'],
    ["another request's error", [failure(2, -32000)], 'unasked_response'],
    ['no id', [{ message: { jsonrpc: '2.0', error: { code: -32000, message: 'x' } } }], 'unasked_response'],
    ['two answers', [result(1, { a: 1 }), result(1, { a: 2 })], 'second_response'],
    ['an answer and then an error', [result(1, { a: 1 }), failure(1, -32000)], 'second_response'],
  ])('%s: the one that was asked for gets through', async (_, lies, violation) => {
    const events = violation === 'second_response' ? lies : [...lies, result(1, { a: 1 })];
    const { server, counted, records } = rig({ upstream: saying(events) });
    const answer = await ask(server, callOf(request('ping')));
    expect(answer.events).toHaveLength(1);
    expect(resultOf(answer)).toEqual({ a: 1 });
    expect(counted.get(`violation ${violation}`)).toBe(1);
    expect(records.filter(({ phase }) => phase === 'outcome')).toHaveLength(1);
  });

  test('only to others: there is none', async () => {
    const { server } = rig({ upstream: saying([result(99, {})]) });
    expect(errorOf(await ask(server, callOf(request('ping'))))).toMatchObject({
      data: { reason: 'broke_off' },
    });
  });

  test('a body that is a notification is none', async () => {
    const upstream = fakeUpstream();
    upstream.on('ping', () => ({ kind: 'json', events: [notification('notifications/message', {})] }));
    const { events } = await ask(rig({ upstream }).server, callOf(request('ping')));
    expect(events).toMatchObject([{ message: { id: 1, error: { data: { reason: 'broke_off' } } } }]);
  });

  test('what comes after the response is dropped', async () => {
    const { server } = rig({ upstream: saying([result(1, {}), notification('notifications/message', {})]) });
    expect(methodsOf((await ask(server, callOf(request('ping')))).events)).toEqual(['response']);
  });

  test.each([
    ['taken as if it were a notification', 202, 'none' as const],
    ['empty', 200, 'none' as const],
  ])('%s', async (_, status, kind) => {
    const upstream = fakeUpstream();
    upstream.on('ping', () => ({ status, kind }));
    const { server, records } = rig({ upstream });
    expect(errorOf(await ask(server, callOf(request('ping'))))).toMatchObject({
      data: { reason: 'malformed' },
    });
    expect(records.at(-1)).toMatchObject({ status: 'malformed' });
  });

  test('with a status of HTTP keep it', async () => {
    const upstream = fakeUpstream();
    upstream.on('ping', ({ message }) => ({ status: 404, events: [failure(message.id, -32601)] }));
    upstream.on('tools/list', () => ({ status: 404, kind: 'none' }));
    upstream.on('prompts/list', () => ({
      status: 400,
      events: [{ message: { jsonrpc: '2.0', id: null, error: { code: -32600, message: 'x' } } }],
    }));
    const { server, records } = rig({ upstream });
    expect(await ask(server, callOf(request('ping')))).toMatchObject({
      status: 404,
      response: { error: { code: -32601 } },
    });
    expect(await ask(server, callOf(request('tools/list')))).toMatchObject({ status: 404, events: [] });
    expect(await ask(server, callOf(request('prompts/list')))).toMatchObject({
      status: 400,
      response: { id: null },
    });
    expect(records.filter(({ phase }) => phase === 'outcome')).toMatchObject([
      { status: '-32601' },
      { status: 'http_404' },
      { status: '-32600' },
    ]);
  });

  test('with a session that nobody asked for open none', async () => {
    const upstream = fakeUpstream();
    upstream.on('ping', ({ message }) => ({ sessionId: 'mine', events: [result(message.id, {})] }));
    expect(
      (await ask(rig({ upstream }).server, callOf(request('ping'), { revision: SESSION }))).sessionId,
    ).toBeUndefined();
  });

  test('a flood before the response passes one by one and does not gather', async () => {
    const upstream = fakeUpstream();
    let made = 0;
    upstream.on('ping', ({ message }) => ({
      kind: 'events',
      events: (function* () {
        for (; made < 100_000; made += 1) yield notification('notifications/message', { made });
        yield result(message.id, {});
      })(),
    }));
    const exchange = await rig({ upstream }).server.send(callOf(request('ping')));
    let read = 0;
    for await (const _ of exchange.messages) if ((read += 1) === 10) break;
    expect(made).toBeLessThan(20);
  });
});

describe('requests of a server', () => {
  const listening = async (events: () => readonly ServerEvent[], options: Parameters<typeof rig>[0] = {}) => {
    const upstream = fakeUpstream();
    upstream.onListen(events);
    const made = rig({ upstream, ...options });
    const sessionId = await openSession(made.server);
    made.records.length = 0;
    upstream.heard.length = 0;
    const exchange = await made.server.listen({ ...callOf(request('ping')), revision: SESSION, sessionId });
    return { ...made, sessionId, heard: await eventsOf(exchange) };
  };

  test.each([
    ['sampling/createMessage', 'context.sampling.createMessage'],
    ['elicitation/create', 'context.elicitation.create'],
    ['roots/list', 'context.roots.list'],
    ['ping', 'context.ping'],
  ])('%s is decided for the caller, recorded, and asked under a sealed id', async (method, action) => {
    const { heard, records } = await listening(() => [asks(3, method)]);
    expect(methodsOf(heard)).toEqual([method]);
    expect(heard[0]?.message).not.toMatchObject({ id: 3 });
    expect(records).toMatchObject([
      { action: 'context.listen', decision: 'allow' },
      { action, decision: 'allow', caller: caller() },
      { action, outcome: 'success', status: 'delivered' },
      { action: 'context.listen', outcome: 'success', status: 'ended' },
    ]);
  });

  test('denied ones are answered with an error and not seen', async () => {
    const { heard, upstream, records } = await listening(
      () => [
        asks(3, 'sampling/createMessage', { secret: 'prompt' }),
        notification('notifications/message', {}),
      ],
      { allows: ({ action }) => action !== 'context.sampling.createMessage' },
    );
    expect(methodsOf(heard)).toEqual(['notifications/message']);
    const told = upstream.heard.at(-1);
    expect(told).toMatchObject({
      sessionId: 'upstream-session',
      message: { id: 3, error: { code: REFUSED } },
    });
    expect(records).toMatchObject([{}, { action: 'context.sampling.createMessage', decision: 'deny' }, {}]);
  });

  test('what cannot be recorded is not asked', async () => {
    const upstream = fakeUpstream();
    const { server, failing } = rig({ upstream });
    const sessionId = await openSession(server);
    upstream.onListen(() => {
      failing.decision = new Error('full');
      return [asks(3, 'roots/list')];
    });
    const exchange = await server.listen({ ...callOf(request('ping')), revision: SESSION, sessionId });
    expect(await eventsOf(exchange)).toEqual([]);
    expect(upstream.messages().at(-1)).toMatchObject({ id: 3, error: {} });
  });

  test('are none in 2026-07-28', async () => {
    const { server, counted } = rig({ upstream: saying([asks(3, 'roots/list'), result(1, {})]) });
    expect(methodsOf((await ask(server, callOf(request('ping')))).events)).toEqual(['response']);
    expect(counted.get('violation unexpected_request')).toBe(1);
  });

  test('are taken back under the id that the client knows', async () => {
    const { heard } = await listening(() => [
      asks(3, 'roots/list'),
      notification('notifications/cancelled', { requestId: 3 }),
      notification('notifications/cancelled', { requestId: 4 }),
    ]);
    expect(methodsOf(heard)).toEqual(['roots/list', 'notifications/cancelled']);
    const [asked, cancelled] = heard.map(
      ({ message }) => message as Message & { id: string; params: JsonObject },
    );
    expect(cancelled?.params['requestId']).toBe(asked?.id);
  });

  test('by way of an error are decided as well', async () => {
    const upstream = fakeUpstream();
    upstream.on('tools/call', ({ message }) => ({
      events: [
        failure(message.id, -32042, 'open this', { elicitations: [{ url: 'https://phish.example' }] }),
      ],
    }));
    const denied = rig({ upstream, allows: ({ action }) => action !== 'context.elicitation.create' });
    const call = callOf(request('tools/call', { name: 'echo' }), { revision: SESSION });
    expect(JSON.stringify(await ask(denied.server, call))).not.toContain('phish');
    expect(errorOf(await ask(rig({ upstream }).server, call))).toMatchObject({ code: -32042 });
  });

  test('responses on a stream where nothing was asked are dropped', async () => {
    const { heard, counted } = await listening(() => [result(1, {}), failure(2, -1)]);
    expect(heard).toEqual([]);
    expect(counted.get('violation unasked_response')).toBe(2);
  });
});

describe('notifications', () => {
  test('of a resource that the caller may not subscribe to are dropped', async () => {
    const updated = (uri: string) => notification('notifications/resources/updated', { uri });
    const { server } = rig({
      upstream: saying([
        updated('file:///secret'),
        updated('file:///a'),
        notification('notifications/resources/updated', {}),
        result(1, {}),
      ]),
      allows: ({ resource }) => resource.name !== 'everything.file:///secret',
    });
    const { events } = await ask(server, callOf(request('ping')));
    expect(events.slice(0, -1)).toEqual([updated('file:///a')]);
  });

  test('of a task name it as the client knows it', async () => {
    const upstream = fakeUpstream();
    upstream.on('tools/call', ({ message }) => ({
      events: [result(message.id, { task: { taskId: 't-1', status: 'working' } })],
    }));
    upstream.on('tasks/get', ({ message }) => ({
      kind: 'events',
      events: [
        notification('notifications/tasks/status', { taskId: 't-1', status: 'working' }),
        result(message.id, { taskId: 't-1', status: 'working' }),
      ],
    }));
    upstream.on('tasks/list', ({ message }) => ({
      events: [result(message.id, { tasks: [{ taskId: 't-1' }, { taskId: 't-2' }] })],
    }));
    const { server } = rig({ upstream });
    const created = resultOf(await ask(server, callOf(request('tools/call', { name: 'echo', task: {} }))));
    const taskId = textOf((created['task'] as JsonObject)['taskId']);
    expect(taskId).not.toContain('t-1');
    const { events } = await ask(server, callOf(request('tasks/get', { taskId })));
    expect(events.map(({ message }) => JSON.stringify(message).split(taskId).length - 1)).toEqual([1, 1]);
    const listed = resultOf(await ask(server, callOf(request('tasks/list'))))['tasks'] as JsonObject[];
    expect(listed[0]).toEqual({ taskId });
    expect(listed[1]?.['taskId']).not.toBe('t-2');
    const related = { 'io.modelcontextprotocol/related-task': { taskId } };
    await ask(server, callOf(request('ping', { _meta: related })));
    expect(upstream.messages().at(-1)).toMatchObject({
      params: { _meta: { 'io.modelcontextprotocol/related-task': { taskId: 't-1' } } },
    });
  });
});

describe('resumption', () => {
  const resumable = (
    events: readonly ServerEvent[],
    then: readonly ServerEvent[],
    options: Parameters<typeof rig>[0] = {},
  ) => {
    const upstream = fakeUpstream();
    upstream.on('tools/list', () => ({ kind: 'events', events }));
    upstream.onListen(() => then);
    return rig({ upstream, ...options });
  };
  const begin = async (made: ReturnType<typeof rig>) => {
    const sessionId = await openSession(made.server);
    const exchange = await made.server.send(callOf(request('tools/list'), { revision: SESSION, sessionId }));
    const events: ServerEvent[] = [];
    try {
      for await (const event of exchange.messages) events.push(event);
    } catch {
      // Broken off: what came before counts.
    }
    return { sessionId, events, lastEventId: events.at(-1)?.id ?? '' };
  };
  const resume = async (made: ReturnType<typeof rig>, begun: Awaited<ReturnType<typeof begin>>) => {
    const { sessionId, lastEventId } = begun;
    const exchange = await made.server.listen({
      ...callOf(request('ping')),
      revision: SESSION,
      sessionId,
      lastEventId,
    });
    return { status: exchange.status, events: await eventsOf(exchange) };
  };
  const list = result(1, { tools: [tool('echo'), tool('delete')] });

  test('a priming event passes, and the server may end the connection then', async () => {
    const made = resumable([{ id: 'e0', retryMs: 100 }], [{ ...list, id: 'e1' }]);
    const begun = await begin(made);
    expect(begun.events).toEqual([{ id: expect.any(String) as string, retryMs: 100 }]);
    expect(made.records.at(-1)).toMatchObject({
      action: 'context.tools.list',
      outcome: 'failure',
      status: 'interrupted',
    });
    const { events } = await resume(made, begun);
    expect(methodsOf(events)).toEqual(['response']);
  });

  test('what is resumed is filtered as what it resumes', async () => {
    const made = resumable([{ id: 'e0' }], [list], {
      allows: ({ resource }) => resource.name !== 'everything.delete',
    });
    const { events } = await resume(made, await begin(made));
    expect(events[0]?.message).toMatchObject({ result: { tools: [tool('echo')] } });
    expect(made.records.slice(-2)).toMatchObject([
      { action: 'context.listen', decision: 'allow' },
      { action: 'context.listen', outcome: 'success', status: 'ok' },
    ]);
  });

  test('another response than the one resumed is dropped', async () => {
    const made = resumable([{ id: 'e0' }], [result(2, { secret: 1 })]);
    await expect(resume(made, await begin(made))).resolves.toEqual({ status: 200, events: [] });
    expect(made.counted.get('violation unasked_response')).toBe(1);
  });

  test('what the caller may not have any more is not resumed', async () => {
    let isAllowed = true;
    const made = resumable([{ id: 'e0' }], [list], {
      allows: ({ action }) => isAllowed || action !== 'context.tools.list',
    });
    const begun = await begin(made);
    isAllowed = false;
    expect((await resume(made, begun)).status).toBe(403);
  });

  test('broken off after an event with an id: the client hears of it by the connection', async () => {
    const upstream = fakeUpstream();
    upstream.on('tools/list', () => ({ kind: 'events', events: breakingOff([{ id: 'e0' }]) }));
    const { server } = rig({ upstream });
    const sessionId = await openSession(server);
    const exchange = await server.send(callOf(request('tools/list'), { revision: SESSION, sessionId }));
    await expect(eventsOf(exchange)).rejects.toMatchObject({ problem: 'broke_off' });
  });

  test('is nothing in 2026-07-28: ids of events stay here', async () => {
    const { server } = rig({
      upstream: saying([
        { id: 'e0', ...notification('notifications/message', {}) },
        { ...result(1, {}), id: 'e1' },
      ]),
    });
    const { events } = await ask(server, callOf(request('ping'), { revision: STATELESS }));
    expect(events.map(({ id }) => id)).toEqual([undefined, undefined]);
  });
});
