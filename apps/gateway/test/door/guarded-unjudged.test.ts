/** Handles while key-service is away: nobody can say whether one is good, so none is said to be bad. */
import { META, RETRY_LATER, type JsonObject } from '@sallyport/model-context';
import { SallyportError } from '@sallyport/service/errors';
import { describe, expect, test } from 'vitest';
import { sealedHandles } from '../../src/door/handles.ts';
import type { Exchange, Handles, MessageCall } from '../../src/door/ports.ts';
import {
  callOf,
  eventsOf,
  fakeKeys,
  openSession,
  request,
  rig,
  SESSION,
  STATELESS,
  type Rig,
} from './support/guarded.ts';

/** A route whose handles nobody can open from `state.isAway` on, until somebody can. */
function stage(): Rig & { readonly state: { isAway: boolean } } {
  const state = { isAway: false };
  const own = sealedHandles({ keys: fakeKeys().keys, now: () => 0, monotonic: () => 0 });
  const handles: Handles = {
    seal: (handle) => own.seal(handle),
    open: (handle) =>
      state.isAway
        ? Promise.reject(new SallyportError('unavailable', 'key-service is away'))
        : own.open(handle),
  };
  return Object.assign(rig({ handles }), { state });
}

const RETRYABLE = { code: RETRY_LATER, data: { reason: 'unavailable', retryAfterMs: 1_000 } };

async function seen(exchange: Exchange): Promise<JsonObject> {
  const [event] = await eventsOf(exchange);
  return { status: exchange.status, ...(JSON.parse(JSON.stringify(event?.message ?? {})) as JsonObject) };
}

const relatedTask = { _meta: { 'io.modelcontextprotocol/related-task': { taskId: 'x' } } };
const listening = { notifications: { taskIds: ['x'] } };

describe('a request with a handle that cannot be judged is refused with 503, to be sent again', () => {
  test.each<[string, MessageCall]>([
    ['cursor', callOf(request('tools/list', { cursor: 'x' }))],
    ['requestState', callOf(request('tools/call', { name: 'echo', requestState: 'x' }))],
    ['taskId', callOf(request('tasks/get', { taskId: 'x' }))],
    ['taskIds', callOf(request('subscriptions/listen', listening))],
    ['related task', callOf(request('tools/call', { name: 'echo', ...relatedTask }))],
    ['session', callOf(request('tools/list'), { revision: SESSION, sessionId: 'x' })],
  ])('%s', async (_, call) => {
    const { server, state, records, upstream, counted } = stage();
    state.isAway = true;
    expect(await seen(await server.send(call))).toMatchObject({ status: 503, id: 1, error: RETRYABLE });
    expect(upstream.heard).toEqual([]);
    expect(records).toMatchObject([{ decision: 'deny', reason: 'unavailable' }]);
    expect(counted.get('refused unavailable')).toBe(1);
  });
});

describe('what gets no response is refused with 503', () => {
  const call = callOf(request('ping'), { revision: SESSION, sessionId: 'x' });
  test.each<[string, (rig: Rig) => Promise<Exchange>]>([
    ['GET', ({ server }) => server.listen(call)],
    ['DELETE', ({ server }) => server.end(call)],
    [
      'a notification',
      ({ server }) =>
        server.send({ ...call, message: { jsonrpc: '2.0', method: 'notifications/initialized' } }),
    ],
    [
      'a response',
      ({ server }) => server.send({ ...call, message: { jsonrpc: '2.0', id: 'x', result: {} } }),
    ],
  ])('%s', async (_, send) => {
    const made = stage();
    made.state.isAway = true;
    expect(await seen(await send(made))).toMatchObject({ status: 503, error: RETRYABLE });
    expect(made.records).toMatchObject([{ decision: 'deny', reason: 'unavailable' }]);
  });
});

test('a session goes on when somebody can judge it again', async () => {
  const { server, state } = stage();
  const sessionId = await openSession(server);
  const call = callOf(request('tools/list'), { revision: SESSION, sessionId });
  state.isAway = true;
  expect(await seen(await server.send(call))).toMatchObject({ status: 503 });
  expect(await seen(await server.listen({ ...call, lastEventId: 'x' }))).toMatchObject({ status: 503 });
  state.isAway = false;
  expect(await seen(await server.send(call))).toMatchObject({ status: 200, result: {} });
});

test('a request without a handle needs nobody', async () => {
  const { server, state } = stage();
  state.isAway = true;
  const params = { name: 'echo', arguments: {}, _meta: { [META.protocolVersion]: STATELESS } };
  expect(await seen(await server.send(callOf(request('tools/call', params))))).toMatchObject({
    ...{ status: 200, id: 1, result: {} },
  });
});

test('an answer to a server that could not be judged may come again', async () => {
  const { server, state, upstream } = stage();
  const sessionId = await openSession(server);
  upstream.onListen(() => [{ message: { jsonrpc: '2.0', id: 3, method: 'roots/list' } }]);
  const call = callOf(request('ping'), { revision: SESSION, sessionId });
  const [asked] = await eventsOf(await server.listen(call));
  const message = asked?.message;
  const id = message !== undefined && 'id' in message ? message.id : undefined;
  if (typeof id !== 'string') throw new Error('nothing was asked');
  const answer = { ...call, message: { jsonrpc: '2.0', id, result: { roots: [] } } } as const;
  state.isAway = true;
  expect((await server.send(answer)).status).toBe(503);
  state.isAway = false;
  expect((await server.send(answer)).status).toBe(202);
  expect(upstream.messages().at(-1)).toMatchObject({ id: 3, result: { roots: [] } });
});
