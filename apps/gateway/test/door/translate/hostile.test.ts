/** Stolen handles, limits, servers that lie. */
import {
  isRequest,
  resultResponse,
  type Message,
  type Request,
  type Response,
} from '@sallyport/model-context';
import { afterEach, describe, expect, it } from 'vitest';
import type { MessageCall } from '../../../src/door/ports.ts';
import { facing } from '../../../src/door/translate/facing.ts';
import { sessionOver } from '../../../src/door/translate/session-over.ts';
import { statelessOver } from '../../../src/door/translate/stateless-over.ts';
import {
  all,
  events,
  json,
  last,
  nothing,
  scripted,
  statelessCall,
  type Script,
} from '../support/scripted.ts';
import { callerOf, translatePorts, until } from '../support/stock.ts';

const disposals: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const dispose of disposals.splice(0)) await dispose();
});
const stage = (script: Script, limits: Parameters<typeof translatePorts>[0] = {}) => {
  const server = scripted(script);
  const door = statelessOver(server, translatePorts(limits));
  disposals.push(async () => door[Symbol.asyncDispose]());
  return { server, door };
};
const ask = (id: string, method = 'elicitation/create'): Request => ({
  jsonrpc: '2.0',
  id,
  method,
  params: method === 'elicitation/create' ? { message: 'Who?', requestedSchema: {} } : {},
});

/** Asks, waits for the answer, then says what it got. */
const asking = (question: Request = ask('q')) => {
  const answered = new Map<string, (message: Message) => void>();
  const script: Script = {
    answer: (request) =>
      events(
        (async function* (): AsyncGenerator<Message> {
          const id = `${question.id}-${request.id}`;
          const answer = new Promise<Message>((resolve) => answered.set(id, resolve));
          yield { ...question, id };
          yield resultResponse(request.id, {
            content: [{ type: 'text', text: JSON.stringify(await answer) }],
          });
        })(),
      ),
  };
  const { server, door } = stage(script, { heldCallMs: 200, maxHeldCallsPerPrincipal: 2 });
  const send = server.send.bind(server);
  server.send = async (call: MessageCall) => {
    const { message } = call;
    if (!('method' in message) && typeof message.id === 'string') answered.get(message.id)?.(message);
    return send(call);
  };
  return { server, door };
};
const CALL = { method: 'tools/call', params: { name: 'a', arguments: { x: 1 } } };
const stateOf = (response: Response): string => {
  const state = 'result' in response ? response.result['requestState'] : undefined;
  return typeof state === 'string' ? state : '';
};
const retry = (state: string, changes: Partial<Request> = {}): Pick<Request, 'method' | 'params'> => ({
  method: changes.method ?? CALL.method,
  params: {
    ...CALL.params,
    ...changes.params,
    requestState: state,
    inputResponses: { 'input-1': { action: 'decline' } },
  },
});
const START_AGAIN = {
  error: { code: -32602, message: expect.stringContaining('start the request again') as string },
};

describe('the handle of a call that waits', () => {
  it('is good for its caller, its client and its request', async () => {
    const { door } = asking();
    const first = await last(await door.send(statelessCall(CALL)));
    expect(first).toMatchObject({
      result: {
        resultType: 'input_required',
        inputRequests: { 'input-1': { method: 'elicitation/create' } },
      },
    });
    const second = await last(await door.send(statelessCall(retry(stateOf(first)))));
    expect(JSON.stringify(second)).toContain('decline');
  });

  it.each<[string, Parameters<typeof statelessCall>[0] | undefined, Parameters<typeof statelessCall>[1]]>([
    ['another principal', undefined, { principal: 'user:mallory' }],
    ['another client', undefined, { clientId: 'other' }],
    ['another tool', { method: 'tools/call', params: { name: 'b' } }, {}],
    ['other arguments', { method: 'tools/call', params: { arguments: { x: 2 } } }, {}],
    ['another method', { method: 'prompts/get' }, {}],
  ])('is not for %s', async (_, changes, options) => {
    const { door } = asking();
    const state = stateOf(await last(await door.send(statelessCall(CALL))));
    expect(await last(await door.send(statelessCall(retry(state, changes), options)))).toMatchObject(
      START_AGAIN,
    );
    // And it was not used up by the attempt.
    expect(await last(await door.send(statelessCall(retry(state))))).toHaveProperty('result');
  });

  it('is good once', async () => {
    const { door } = asking();
    const state = stateOf(await last(await door.send(statelessCall(CALL))));
    await last(await door.send(statelessCall(retry(state))));
    expect(await last(await door.send(statelessCall(retry(state))))).toMatchObject(START_AGAIN);
  });

  it.each(['', 'x', 'A'.repeat(32), 'null'])('is not %j', async (state) => {
    const { door } = asking();
    await last(await door.send(statelessCall(CALL)));
    expect(await last(await door.send(statelessCall(retry(state))))).toMatchObject(START_AGAIN);
  });

  it('ends by time, and the server is told', async () => {
    const { door, server } = asking();
    const state = stateOf(await last(await door.send(statelessCall(CALL))));
    await until(() =>
      server.received.some(
        ({ message }) => 'method' in message && message.method === 'notifications/cancelled',
      ),
    );
    expect(await last(await door.send(statelessCall(retry(state))))).toMatchObject(START_AGAIN);
  });

  it('is not known on another replica', async () => {
    const { door, server } = asking();
    const other = statelessOver(server, translatePorts());
    disposals.push(async () => other[Symbol.asyncDispose]());
    const state = stateOf(await last(await door.send(statelessCall(CALL))));
    expect(await last(await other.send(statelessCall(retry(state))))).toMatchObject(START_AGAIN);
  });

  it('is not given beyond the limit of a principal', async () => {
    const { door } = asking();
    await last(await door.send(statelessCall(CALL)));
    await last(await door.send(statelessCall(CALL)));
    await expect(door.send(statelessCall(CALL))).rejects.toMatchObject({
      problem: 'busy',
      isWithoutEffect: true,
    });
    expect(stateOf(await last(await door.send(statelessCall(CALL, { principal: 'user:bob' }))))).not.toBe('');
  });

  it('asks again for what is missing', async () => {
    const { door } = asking();
    const state = stateOf(await last(await door.send(statelessCall(CALL))));
    const again = await last(
      await door.send(
        statelessCall({
          ...CALL,
          params: { ...CALL.params, requestState: state, inputResponses: { other: {} } },
        }),
      ),
    );
    expect(again).toMatchObject({
      result: { resultType: 'input_required', inputRequests: { 'input-1': {} } },
    });
    expect(stateOf(again)).not.toBe(state);
  });
});

describe('what the client did not declare', () => {
  it.each<[string, Request, object]>([
    ['elicitation', ask('q'), { elicitation: { form: {} } }],
    ['URLs', { ...ask('q'), params: { mode: 'url', url: 'https://a.test' } }, { elicitation: { url: {} } }],
    ['sampling', ask('q', 'sampling/createMessage'), { sampling: {} }],
    [
      'sampling with tools',
      { ...ask('q', 'sampling/createMessage'), params: { tools: [] } },
      { sampling: { tools: {} } },
    ],
    ['roots', ask('q', 'roots/list'), { roots: {} }],
  ])('%s: -32021, 400, and the server is told to stop', async (_, question, missing) => {
    const { door, server } = asking(question);
    const exchange = await door.send(statelessCall(CALL, { capabilities: {} }));
    expect(exchange.status).toBe(400);
    expect(await last(exchange)).toMatchObject({
      id: 'r1',
      error: { code: -32021, data: { requiredCapabilities: missing } },
    });
    await until(() =>
      server.received.some(
        ({ message }) => 'method' in message && message.method === 'notifications/cancelled',
      ),
    );
  });
});

describe('a server that lies', () => {
  it.each<[string, Script['answer'], object]>([
    ['ends without a response', () => events([]), { problem: 'broke_off' }],
    ['says nothing at all', () => nothing(), { problem: 'broke_off' }],
    ['answers another request', () => json(resultResponse('other', {})), { problem: 'broke_off' }],
    [
      'forgets its session for ever',
      () => json({ jsonrpc: '2.0', error: { code: -1, message: '' } }, 404),
      { problem: 'unreachable' },
    ],
  ])('%s', async (_, answer, problem) => {
    const { door, server } = stage({ answer });
    await expect(door.send(statelessCall(CALL)).then(all)).rejects.toMatchObject(problem);
    expect(
      server.received.filter(({ message }) => isRequest(message) && message.method === 'tools/call').length,
    ).toBeLessThanOrEqual(2);
  });

  it('asks what no client answers: it is told so, and the call goes on', async () => {
    const { door, server } = stage({
      answer: (request) => events([ask('x', 'no/such'), resultResponse(request.id, { content: [] })]),
    });
    expect(await last(await door.send(statelessCall(CALL)))).toMatchObject({
      result: { resultType: 'complete' },
    });
    expect(server.received.some(({ message }) => 'error' in message && message.id === 'x')).toBe(true);
  });

  it('asks during a list: nobody is asked', async () => {
    const { door } = stage({
      answer: (request) => events([ask('x'), resultResponse(request.id, { tools: [] })]),
    });
    expect(await last(await door.send(statelessCall({ method: 'tools/list' })))).toMatchObject({
      result: { tools: [], resultType: 'complete' },
    });
  });

  it('claims another kind of result', async () => {
    const { door } = stage({
      answer: (request) =>
        json(resultResponse(request.id, { resultType: 'input_required', requestState: 'x' })),
    });
    expect(await last(await door.send(statelessCall(CALL)))).toMatchObject({
      result: { resultType: 'complete' },
    });
  });

  it('sends progress of a call that is not the client’s', async () => {
    const { door } = stage({
      answer: (request) =>
        events([
          {
            jsonrpc: '2.0',
            method: 'notifications/progress',
            params: { progressToken: 'foreign', progress: 1 },
          },
          resultResponse(request.id, {}),
        ]),
    });
    expect(await all(await door.send(statelessCall(CALL)))).toHaveLength(1);
  });

  it('floods: what nobody reads is not kept without bound', async () => {
    let told = 0;
    const { door } = stage({
      answer: () =>
        events(
          (async function* (): AsyncGenerator<Message> {
            for (;;) {
              told += 1;
              yield { jsonrpc: '2.0', method: 'notifications/custom', params: {} };
            }
          })(),
        ),
    });
    const leaving = new AbortController();
    const exchange = await door.send(statelessCall(CALL, { signal: leaving.signal }));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(told).toBeLessThan(200);
    leaving.abort();
    await expect(all(exchange)).rejects.toMatchObject({ problem: 'cancelled' });
  });
});

describe('sessions for stateless callers', () => {
  const quick: Script = { answer: (request) => json(resultResponse(request.id, {})) };
  const capable = (at: number) => ({ capabilities: { experimental: { [`c${at}`]: {} } } });

  it('are bounded for a principal: the one idle longest gives way', async () => {
    const { door, server } = stage(quick, { maxSessionsPerPrincipal: 2 });
    for (let at = 0; at < 4; at += 1) await last(await door.send(statelessCall(CALL, capable(at))));
    await until(() => server.ended.length === 2);
    expect(server.ended).toStrictEqual(['session-1', 'session-2']);
  });

  it('in use do not give way', async () => {
    const { door } = stage({ answer: () => new Promise(() => undefined) }, { maxSessions: 1 });
    const leaving = new AbortController();
    const hanging = door.send(statelessCall(CALL, { signal: leaving.signal }));
    hanging.catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 20));
    await expect(door.send(statelessCall(CALL, { principal: 'user:bob' }))).rejects.toMatchObject({
      problem: 'busy',
    });
    leaving.abort();
    await expect(hanging).rejects.toMatchObject({ problem: 'cancelled' });
  });

  it('end when nobody used them for a while', async () => {
    const { door, server } = stage(quick, { sessionIdleMs: 40 });
    await last(await door.send(statelessCall(CALL)));
    await until(() => server.ended.length === 1);
  });

  it('are opened once for requests at the same time', async () => {
    const { door, server } = stage(quick);
    await Promise.all(Array.from({ length: 20 }, async () => last(await door.send(statelessCall(CALL)))));
    expect(server.opened).toBe(1);
  });

  it('are never another’s', async () => {
    const { door, server } = stage(quick);
    await last(await door.send(statelessCall(CALL)));
    await last(await door.send(statelessCall(CALL, { principal: 'user:bob' })));
    const used = server.received.flatMap(({ caller, sessionId }) =>
      sessionId === undefined ? [] : [`${caller.principal.id} ${sessionId}`],
    );
    expect([...new Set(used)]).toStrictEqual(['user:alice session-1', 'user:bob session-2']);
  });
});

describe('sessions of clients at a stateless server', () => {
  const open = async () => {
    const server = scripted({
      answer: (request) =>
        json(resultResponse(request.id, { resultType: 'complete', capabilities: {}, supportedVersions: [] })),
    });
    const door = sessionOver(server, translatePorts({ maxClientSessionsPerPrincipal: 2 }));
    disposals.push(async () => door[Symbol.asyncDispose]());
    const base = {
      caller: callerOf('user:alice'),
      revision: '2025-11-25' as const,
      signal: AbortSignal.timeout(5_000),
    };
    const initialize = async (protocolVersion: string, capabilities: object = {}) =>
      door.send({
        ...base,
        message: {
          jsonrpc: '2.0',
          id: 1,
          method: 'initialize',
          params: {
            protocolVersion,
            capabilities: capabilities as Request['params'] & object,
            clientInfo: { name: 'a', version: '1' },
          },
        },
      });
    return { door, server, base, initialize };
  };
  const ping: Request = { jsonrpc: '2.0', id: 2, method: 'ping' };

  it.each([
    ['2025-11-25', '2025-11-25'],
    ['2025-06-18', '2025-06-18'],
    ['2025-03-26', '2025-03-26'],
    ['2024-11-05', '2025-11-25'],
    ['2026-07-28', '2025-11-25'],
    ['2099-01-01', '2025-11-25'],
  ])('agree on a version: %s is answered with %s', async (wanted, agreed) => {
    const { initialize } = await open();
    expect(await last(await initialize(wanted))).toMatchObject({ result: { protocolVersion: agreed } });
  });

  it.each([
    undefined,
    '',
    'x',
    'bnVsbA',
    Buffer.from('{"r":"2025-11-25"}').toString('base64url'),
    Buffer.from('{"r":"2026-07-28","c":{},"c":{},"i":{}}').toString('base64url'),
    'A'.repeat(10_000),
  ])('are not %j', async (sessionId) => {
    const { door, base } = await open();
    const call = { ...base, ...(sessionId === undefined ? {} : { sessionId }) };
    const status = sessionId === undefined ? 400 : 404;
    expect((await door.send({ ...call, message: ping })).status).toBe(status);
    expect((await door.listen(call)).status).toBe(status);
    expect((await door.end(call)).status).toBe(status);
  });

  it('that were ended are not known any more', async () => {
    const { door, base, initialize } = await open();
    const { sessionId } = await initialize('2025-11-25');
    const call = { ...base, sessionId: String(sessionId) };
    expect((await door.end(call)).status).toBe(200);
    expect((await door.send({ ...call, message: ping })).status).toBe(404);
  });

  it('take no more about a client than fits a header', async () => {
    const { initialize } = await open();
    await expect(
      initialize('2025-11-25', { experimental: { a: { b: 'x'.repeat(3_000) } } }),
    ).rejects.toMatchObject({ problem: 'malformed' });
  });

  it('are kept within bounds and come back from their ids', async () => {
    const { door, base, initialize } = await open();
    const ids: string[] = [];
    for (let at = 0; at < 5; at += 1) ids.push(String((await initialize('2025-11-25')).sessionId));
    for (const sessionId of ids)
      expect((await door.send({ ...base, sessionId, message: ping })).status).toBe(200);
  });

  it('do not let an answer to what was not asked through', async () => {
    const { door, base, initialize, server } = await open();
    const sessionId = String((await initialize('2025-11-25')).sessionId);
    const before = server.received.length;
    expect((await door.send({ ...base, sessionId, message: resultResponse('sallyport-x', {}) })).status).toBe(
      202,
    );
    expect(server.received).toHaveLength(before);
  });

  it('end a request that asks for input for ever', async () => {
    let asked = 0;
    const server = scripted({
      answer: (request) => {
        asked += 1;
        return json(
          resultResponse(
            request.id,
            request.method === 'server/discover'
              ? { capabilities: {} }
              : { resultType: 'input_required', inputRequests: {}, requestState: `s${asked}` },
          ),
        );
      },
    });
    const door = sessionOver(server, translatePorts({ maxInputRounds: 4 }));
    disposals.push(async () => door[Symbol.asyncDispose]());
    const base = {
      caller: callerOf('user:alice'),
      revision: '2025-11-25' as const,
      signal: AbortSignal.timeout(5_000),
    };
    const { sessionId } = await door.send({
      ...base,
      message: {
        jsonrpc: '2.0',
        id: 1,
        method: 'initialize',
        params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'a', version: '1' } },
      },
    });
    const call: Request = { jsonrpc: '2.0', id: 2, method: 'tools/call', params: { name: 'a' } };
    expect(
      await last(await door.send({ ...base, sessionId: String(sessionId), message: call })),
    ).toMatchObject({ error: { code: -32600 } });
    expect(asked).toBe(5);
  });
});

describe('facing', () => {
  it.each([
    ['stateless', ['stateless'], false],
    ['stateless', ['stateless', 'session'], false],
    ['stateless', ['session'], true],
    ['session', ['session'], false],
    ['session', ['stateless'], true],
  ] as const)('a %s client at a server of %j', async (era, eras, isTranslated) => {
    const server = scripted({ answer: (request) => json(resultResponse(request.id, {})) });
    const door = facing(
      {
        ...server,
        route: 'a',
        eras: async () => new Set(eras),
        trouble: () => undefined,
        [Symbol.asyncDispose]: async () => undefined,
      },
      era,
      translatePorts(),
    );
    disposals.push(async () => door[Symbol.asyncDispose]());
    const call = {
      ...statelessCall(CALL),
      ...(era === 'session' ? { revision: '2025-11-25' as const } : {}),
    };
    await door.send(call);
    expect(server.received.includes(call)).toBe(!isTranslated);
  });
});
