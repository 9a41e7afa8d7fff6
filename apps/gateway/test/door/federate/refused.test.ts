/** What the federated door refuses by itself is in the record, as a refusal at a server is. */
import { describe, expect, it } from 'vitest';
import { SallyportError } from '@sallyport/service/errors';
import { sealedHandles } from '../../../src/door/handles.ts';
import { memoryPins } from '../../../src/door/guarded/index.ts';
import type { ModelContextServer, Upstream } from '../../../src/door/ports.ts';
import { guardServers } from '../../../src/door/servers.ts';
import {
  ask,
  caller,
  callOf,
  decisionOf,
  errorOf,
  eventsOf,
  fakeKeys,
  request,
  SESSION,
  type Recorded,
} from '../support/guarded.ts';
import { translatePorts } from '../support/stock.ts';
import { fakeUpstream } from '../support/upstream.ts';

const GUEST = caller('user:guest');

/** One server; `user:guest` may nothing, everybody else everything but the tool `delete`. */
function stage() {
  const upstream: Upstream = Object.assign(fakeUpstream(), {
    route: 'files',
    eras: () => Promise.resolve(new Set(['stateless', 'session'] as const)),
    trouble: () => undefined,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
  const records: Recorded[] = [];
  const state = { isSpoolFull: false, isKeyServiceAway: false };
  let seq = 0n;
  const { now, schedule, randomBytes, implementation } = translatePorts();
  const nothing = (): void => undefined;
  const away = (): SallyportError => new SallyportError('unavailable', 'key-service is away');
  const handles = sealedHandles({ keys: fakeKeys().keys, now: () => 1_000_000, monotonic: now });
  const servers = guardServers([upstream], {
    decide: ({ principal, resource }) =>
      decisionOf(principal.id !== 'user:guest' && resource.name !== 'files.delete'),
    policyRevision: () => '7',
    records: {
      decision: async (call, decision) => {
        if (state.isSpoolFull) throw new SallyportError('spool_full', 'full');
        records.push({ phase: 'decision', ...call, ...decision });
      },
      outcome: async (call, outcome) => void records.push({ phase: 'outcome', ...call, ...outcome }),
      nextSeq: () => (seq += 1n),
    },
    pins: memoryPins('first-use'),
    handles: {
      seal: (handle) => (state.isKeyServiceAway ? Promise.reject(away()) : handles.seal(handle)),
      open: (handle) => (state.isKeyServiceAway ? Promise.reject(away()) : handles.open(handle)),
    },
    metricsOf: () => ({
      decided: nothing,
      concluded: nothing,
      hidden: nothing,
      refused: nothing,
      violation: nothing,
    }),
    monotonic: now,
    log: { warn: nothing, debug: nothing },
    translate: translatePorts(),
    federate: { schedule, randomBytes, implementation },
  });
  const door = servers.federated;
  if (door === undefined) throw new Error('there is no federated door');
  const denials = () =>
    records
      .filter((record) => record.phase === 'decision' && record.decision === 'deny')
      .map((record) => ({
        who: record.caller.principal.id,
        route: record.route,
        action: record.action,
        target: record.target,
        reason: record.phase === 'decision' ? record.reason : '',
      }));
  return { door, denials, state };
}

async function opened(door: ModelContextServer): Promise<string> {
  const clientInfo = { name: 'test', version: '1' };
  const params = { protocolVersion: SESSION, capabilities: {}, clientInfo };
  const { sessionId } = await ask(door, callOf(request('initialize', params), { revision: SESSION }));
  if (sessionId === undefined) throw new Error('no session was opened');
  return sessionId;
}

describe('refused before any server', () => {
  it.each([
    ['tools/call', { name: 'echo', arguments: {} }, 'context.tools.call', 'echo', 'tool_unknown'],
    ['tools/call', { name: 'files__echo' }, 'context.tools.call', 'files__echo', 'tool_unknown'],
    ['prompts/get', { name: 'greet' }, 'context.prompts.get', 'greet', 'prompt_unknown'],
    ['resources/read', { uri: 'file:///a' }, 'context.resources.read', 'file:///a', 'resource_unknown'],
    ['tools/list', { cursor: 'x' }, 'context.tools.list', undefined, 'cursor_invalid'],
    ['tasks/get', { taskId: 'x' }, 'context.tasks.get', undefined, 'method_unknown'],
    [
      'resources/subscribe',
      { uri: 'file:///a' },
      'context.resources.subscribe',
      'file:///a',
      'method_unknown',
    ],
  ])('%s of who may nothing', async (method, params, action, target, reason) => {
    const { door, denials } = stage();
    const answer = await ask(door, callOf(request(method, params), { caller: GUEST }));
    expect(errorOf(answer)).toBeDefined();
    expect(denials()).toStrictEqual([{ who: 'user:guest', route: '*', action, target, reason }]);
  });

  it.each(['resources/subscribe', 'resources/unsubscribe'])(
    '%s, which 2026-07-28 does not have',
    async (method) => {
      const { door } = stage();
      const answer = await ask(door, callOf(request(method, { uri: 'test://a' })));
      expect({ status: answer.status, code: errorOf(answer)?.code }).toStrictEqual({
        status: 404,
        code: -32601,
      });
    },
  );

  it('a tool that is hidden from who may use others', async () => {
    const { door, denials } = stage();
    const answer = await ask(door, callOf(request('tools/call', { name: 'delete' })));
    expect(errorOf(answer)?.message).toBe('Unknown tool');
    expect(denials()).toMatchObject([{ who: 'user:alice', action: 'context.tools.call', target: 'delete' }]);
  });

  it.each(['send', 'listen', 'end'] as const)('a session of somebody else: %s', async (what) => {
    const { door, denials } = stage();
    const sessionId = await opened(door);
    const stolen = { ...callOf(request('tools/list')), caller: GUEST, revision: SESSION, sessionId };
    const exchange = await door[what](stolen);
    expect(exchange.status).toBe(404);
    await eventsOf(exchange);
    expect(denials()).toMatchObject([{ who: 'user:guest', route: '*', reason: 'session_unknown' }]);
  });

  it('an answer to what was not asked', async () => {
    const { door, denials } = stage();
    const sessionId = await opened(door);
    const message = { jsonrpc: '2.0', id: 'sallyport-x', result: {} } as const;
    await eventsOf(await door.send({ ...callOf(message), revision: SESSION, sessionId }));
    expect(denials()).toMatchObject([
      { who: 'user:alice', action: 'context.response', reason: 'request_unknown' },
    ]);
  });

  it.each(['send', 'listen', 'end'] as const)('a session that nobody can judge is kept: %s', async (what) => {
    const { door, denials, state } = stage();
    const sessionId = await opened(door);
    const call = { ...callOf(request('tools/list')), revision: SESSION, sessionId };
    state.isKeyServiceAway = true;
    const exchange = await door[what](call);
    expect(exchange.status).toBe(503);
    expect(await eventsOf(exchange)).toMatchObject([
      { message: { error: { code: -32001, data: { reason: 'unavailable', retryAfterMs: 1_000 } } } },
    ]);
    expect(denials()).toMatchObject([{ who: 'user:alice', route: '*', reason: 'unavailable' }]);
    state.isKeyServiceAway = false;
    expect((await door.send(call)).status).toBe(200);
  });

  it('no session is begun that nobody can seal: the client is told to come again', async () => {
    const { door, state } = stage();
    state.isKeyServiceAway = true;
    const clientInfo = { name: 'test', version: '1' };
    const params = { protocolVersion: SESSION, capabilities: {}, clientInfo };
    const call = callOf(request('initialize', params), { revision: SESSION });
    await expect(door.send(call)).rejects.toMatchObject({ isWithoutEffect: true });
  });

  it('is not told to anybody who cannot be recorded', async () => {
    const { door, state } = stage();
    state.isSpoolFull = true;
    const call = callOf(request('tools/call', { name: 'echo' }), { caller: GUEST });
    await expect(door.send(call)).rejects.toMatchObject({ problem: 'busy', isWithoutEffect: true });
  });
});
