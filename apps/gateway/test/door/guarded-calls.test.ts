/** Decided, recorded, then forwarded; recorded again, then answered. */
import { describe, expect, test } from 'vitest';
import { SallyportError } from '@sallyport/service/errors';
import {
  INTERNAL_ERROR,
  INVALID_PARAMS,
  REFUSED,
  RETRY_LATER,
  type JsonObject,
} from '@sallyport/model-context';
import { UpstreamFailure } from '../../src/door/ports.ts';
import {
  ask,
  callOf,
  caller,
  decisionOf,
  errorOf,
  eventsOf,
  openSession,
  request,
  resultOf,
  rig,
  SESSION,
  STATELESS,
} from './support/guarded.ts';
import { breakingOff, failure, fakeUpstream, hanging, notification, result } from './support/upstream.ts';

const call = (name = 'echo', args: JsonObject = { text: 'hi' }) =>
  callOf(request('tools/call', { name, arguments: args }));

describe('a call that is allowed', () => {
  test('is decided, recorded, forwarded, recorded and answered, in that order', async () => {
    const { server, upstream, order, records } = rig();
    const answer = await ask(server, call());
    expect(resultOf(answer)).toEqual({ content: [{ type: 'text', text: 'done' }] });
    // The first thing sent is the question for the tool's definition.
    expect(order).toEqual(['sent', 'decision', 'sent', 'outcome']);
    expect(upstream.messages().at(-1)).toEqual(
      request('tools/call', { name: 'echo', arguments: { text: 'hi' } }),
    );
    expect(records).toMatchObject([
      {
        phase: 'decision',
        action: 'context.tools.call',
        target: 'echo',
        decision: 'allow',
        reason: 'granted',
        policyRevision: '7',
      },
      { phase: 'outcome', action: 'context.tools.call', target: 'echo', outcome: 'success', status: 'ok' },
    ]);
    expect(records[0]?.correlation).toMatch(/^[0-9a-f]{32}$/u);
    expect(records[1]?.correlation).toBe(records[0]?.correlation);
    expect(records[0]?.argumentsDigest).toMatch(/^[0-9a-f]{64}$/u);
  });

  test('asks policy with its arguments, and its record has their digest and not them', async () => {
    const asked: unknown[] = [];
    const { server, records } = rig({ decide: (question) => (asked.push(question), decisionOf(true)) });
    await ask(server, call('echo', { path: '/a', secret: 'hunter2' }));
    expect(asked).toContainEqual({
      principal: caller().principal,
      action: 'context.tools.call',
      resource: { kind: 'tool', name: 'everything.echo' },
      arguments: { path: '/a', secret: 'hunter2' },
    });
    expect(
      JSON.stringify(records, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value)),
    ).not.toContain('hunter2');
  });

  test('tells the server where it is in the record, and nothing that somebody above said of that', async () => {
    const { server, upstream, records } = rig();
    await ask(server, { ...call(), evidence: { correlation: 'forged', policyRevision: '99' } });
    const [looked, called] = upstream.heard;
    expect(looked?.evidence).toBeUndefined();
    expect(called?.evidence).toEqual({ correlation: records[0]?.correlation, policyRevision: '7' });
  });

  test('has the digest of the body as received, where the face gives one', async () => {
    const { server, records } = rig();
    await ask(server, { ...call(), requestDigest: 'ab'.repeat(32) });
    expect(records[0]).toMatchObject({ requestDigest: 'ab'.repeat(32) });
  });

  test('streams what comes before the response as it comes', async () => {
    const upstream = fakeUpstream();
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    upstream.on('tools/call', ({ message }) => ({
      kind: 'events',
      events: (async function* () {
        yield notification('notifications/progress', { progressToken: 1, progress: 1 });
        await released;
        yield result(message.id, {});
      })(),
    }));
    const { server, records } = rig({ upstream });
    const exchange = await server.send(call());
    const events = exchange.messages[Symbol.asyncIterator]();
    expect((await events.next()).value).toEqual(
      notification('notifications/progress', { progressToken: 1, progress: 1 }),
    );
    expect(records.map(({ phase }) => phase)).toEqual(['decision']);
    release();
    await events.next();
    expect(records.map(({ phase }) => phase)).toEqual(['decision', 'outcome']);
    expect((await events.next()).done).toBe(true);
  });

  test('passes a result of which nothing changes as the object that it was', async () => {
    const upstream = fakeUpstream();
    const given = { content: [{ type: 'text', text: 'x' }], structuredContent: { a: 1 } };
    upstream.on('tools/call', ({ message }) => ({ events: [result(message.id, given)] }));
    expect(resultOf(await ask(rig({ upstream }).server, call()))).toBe(given);
  });

  test('passes methods that nobody here knows', async () => {
    const { server, upstream, records } = rig();
    await ask(server, callOf(request('vendor.example/do', { a: 1 })));
    expect(upstream.messages()).toEqual([request('vendor.example/do', { a: 1 })]);
    expect(records[0]).toMatchObject({ action: 'context.vendor%2Eexample.do', decision: 'allow' });
  });

  test('passes a notification, whose outcome is that it was taken', async () => {
    const { server, records } = rig();
    const exchange = await server.send(
      callOf(
        { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } },
        { revision: SESSION },
      ),
    );
    expect([exchange.status, exchange.kind]).toEqual([202, 'none']);
    expect(records).toMatchObject([
      { action: 'context.notifications.cancelled', decision: 'allow' },
      { outcome: 'success', status: 'taken' },
    ]);
  });
});

describe('what is refused', () => {
  test.each([
    [STATELESS, { resultType: 'complete' }],
    [SESSION, {}],
  ])('a tool call under %s has a result that says why', async (revision, more) => {
    const { server, upstream, records } = rig({ allows: () => false });
    const answer = await ask(server, { ...call(), revision });
    expect(answer.status).toBe(200);
    expect(resultOf(answer)).toEqual({
      isError: true,
      content: [
        {
          type: 'text',
          text: 'user:alice may not call the tool "echo" of "everything" (policy revision 7). Policy says: no_permission. It would be allowed with the role context-user.',
        },
      ],
      ...more,
    });
    expect(upstream.heard).toEqual([]);
    expect(records).toMatchObject([
      { phase: 'decision', decision: 'deny', reason: 'no_permission', policyRevision: '7' },
    ]);
    expect(records).toHaveLength(1);
  });

  test.each([
    ['initialize', {}],
    ['server/discover', {}],
    ['ping', {}],
    ['tools/list', {}],
    ['resources/read', { uri: 'file:///a' }],
    ['resources/subscribe', { uri: 'file:///a' }],
    ['prompts/get', { name: 'p' }],
    ['completion/complete', { ref: { type: 'ref/prompt', name: 'p' } }],
    ['logging/setLevel', { level: 'info' }],
    ['tasks/get', {}],
    ['subscriptions/listen', { notifications: {} }],
    ['unheard/of', {}],
  ])('%s gets an error with reason and need', async (method, params) => {
    const { server, upstream } = rig({ allows: () => false });
    const error = errorOf(await ask(server, callOf(request(method, params))));
    expect(error).toMatchObject({
      code: REFUSED,
      data: { reason: 'no_permission', requires: ['role:context-user'] },
    });
    expect(upstream.heard).toEqual([]);
  });

  test.each([
    ['tools/call', '{"amount":1000}'],
    ['tools/call', [{ amount: 1_000 }]],
    ['prompts/get', '{"amount":1000}'],
  ])('%s with arguments that are no object, which policy would not see: %j', async (method, given) => {
    const { server, upstream, records } = rig();
    const answer = await ask(server, callOf(request(method, { name: 'echo', arguments: given })));
    expect(errorOf(answer)).toMatchObject({ code: INVALID_PARAMS, data: { reason: 'params_invalid' } });
    expect(upstream.messages().filter((message) => 'method' in message && message.method === method)).toEqual(
      [],
    );
    expect(records).toMatchObject([{ phase: 'decision', decision: 'deny', reason: 'params_invalid' }]);
  });

  test('a notification gets a status and an error without an id', async () => {
    const { server, upstream } = rig({ allows: () => false });
    const exchange = await server.send(callOf({ jsonrpc: '2.0', method: 'notifications/initialized' }));
    expect(exchange.status).toBe(403);
    expect((await eventsOf(exchange))[0]?.message).toMatchObject({ error: { code: REFUSED } });
    expect(upstream.heard).toEqual([]);
  });

  test.each([
    [
      'policy throws',
      () => {
        throw new Error('rego says boo');
      },
      'policy_error',
    ],
    [
      'policy wants something else first',
      () => ({ ...decisionOf(true), obligations: [{ kind: 'approval' }] }),
      'obligation_unknown',
    ],
    [
      'there is no policy',
      () => ({ ...decisionOf(false), reasons: ['policy_missing'], requires: [] }),
      'policy_missing',
    ],
  ])('everything, when %s', async (_, decide, reason) => {
    const { server, upstream, records } = rig({ decide });
    const answer = await ask(server, call());
    expect(resultOf(answer)).toMatchObject({ isError: true });
    expect(JSON.stringify(answer)).not.toContain('rego');
    expect(records).toMatchObject([{ decision: 'deny', reason }]);
    expect(upstream.heard).toEqual([]);
  });

  test.each([
    ['tools/call', {}],
    ['tools/call', { name: 5 }],
    ['tools/call', { name: ['echo'] }],
    ['prompts/get', {}],
    ['resources/read', { uri: null }],
    ['completion/complete', { ref: { type: 'ref/prompt' } }],
    ['m'.repeat(80), {}],
  ])('%s with %j, which names nothing', async (method, params) => {
    const { server, upstream, records } = rig();
    expect(errorOf(await ask(server, callOf(request(method, params))))?.code).toBe(INVALID_PARAMS);
    expect(records).toMatchObject([{ decision: 'deny', reason: 'params_invalid' }]);
    expect(upstream.heard).toEqual([]);
  });

  test('a method that is written like another: dots are not slashes', async () => {
    const { server, records } = rig({ allows: ({ action }) => action !== 'context.tools.call' });
    await ask(server, callOf(request('tools.call', { name: 'delete' })));
    expect(records[0]?.action).toBe('context.tools%2Ecall');
  });

  test('a subscription to a resource that the caller may not subscribe to', async () => {
    const { server, upstream } = rig({
      allows: ({ resource }) => resource.name !== 'everything.file:///secret',
    });
    const listen = (uris: string[]) =>
      callOf(request('subscriptions/listen', { notifications: { resourceSubscriptions: uris } }));
    expect(errorOf(await ask(server, listen(['file:///a', 'file:///secret'])))?.code).toBe(REFUSED);
    expect(upstream.heard).toEqual([]);
    await ask(server, listen(['file:///a']));
    expect(upstream.heard).toHaveLength(1);
  });

  test('a `*` in a name is no pattern', async () => {
    const names: string[] = [];
    const { server } = rig({ allows: ({ resource }) => (names.push(resource.name), true) });
    await ask(server, callOf(request('resources/read', { uri: 'file:///*' })));
    expect(names).toEqual(['everything.file:///%2A']);
  });
});

describe('without a record', () => {
  test.each([
    ['full', new SallyportError('spool_full', 'the spool is full'), 1_000],
    ['away', new SallyportError('unavailable', 'the disk is gone'), 500],
  ])('of the decision, with the spool %s, nothing is forwarded', async (_, error, retryAfterMs) => {
    const { server, upstream, failing, pins } = rig();
    await ask(server, call());
    const before = upstream.heard.length;
    failing.decision = error;
    const answer = await ask(server, call());
    expect(errorOf(answer)).toMatchObject({
      code: RETRY_LATER,
      data: { reason: error.reason, retryAfterMs },
    });
    expect(errorOf(answer)?.message).not.toContain('disk');
    expect(upstream.heard.length).toBe(before);
    expect(pins.observed).toHaveLength(2);
  });

  test('of a denial there is no denial: the client may come again', async () => {
    const { server, failing } = rig({ allows: () => false });
    failing.decision = new SallyportError('spool_full', 'full');
    expect(errorOf(await ask(server, call()))?.code).toBe(RETRY_LATER);
  });

  test('of the outcome the answer stays here', async () => {
    const { server, failing, problems } = rig();
    failing.outcome = new SallyportError('spool_full', 'full');
    const answer = await ask(server, call());
    expect(errorOf(answer)).toMatchObject({ code: INTERNAL_ERROR, data: { mayHaveRun: true } });
    expect(JSON.stringify(answer)).not.toContain('done');
    expect(problems).toMatchObject([{ what: 'an outcome could not be recorded' }]);
  });
});

describe('outcomes', () => {
  const callEvents = (events: Parameters<typeof breakingOff>[0]) => breakingOff(events);
  test.each([
    ['an error', 'tools/call', (id: string | number) => [failure(id, -32602)], 'failure', '-32602'],
    [
      'an error of the tool',
      'tools/call',
      (id: string | number) => [result(id, { isError: true, content: [] })],
      'failure',
      'tool_error',
    ],
    ['nothing', 'tools/call', () => [], 'unknown', 'broke_off'],
    ['nothing, of a list', 'prompts/list', () => [], 'failure', 'broke_off'],
    [
      'half an answer',
      'tools/call',
      () => callEvents([notification('notifications/message', {})]),
      'unknown',
      'broke_off',
    ],
    ['half an answer, of a read', 'resources/read', () => callEvents([]), 'failure', 'broke_off'],
    ['half an answer, of what nobody knows', 'unheard/of', () => callEvents([]), 'unknown', 'broke_off'],
  ])('%s to %s', async (_, method, events, outcome, status) => {
    const upstream = fakeUpstream();
    upstream.on(method, ({ message }) => ({ kind: 'events', events: events(message.id) }));
    const { server, records } = rig({ upstream });
    const answer = await ask(server, callOf(request(method, { name: 'echo', uri: 'x:y' })));
    expect(records.at(-1)).toMatchObject({ phase: 'outcome', outcome, status });
    if (status === 'broke_off')
      expect(errorOf(answer)).toMatchObject({
        code: RETRY_LATER,
        data: outcome === 'unknown' ? { mayHaveRun: true } : { retryAfterMs: 1_000 },
      });
  });

  test.each([
    ['unreachable', 'tools/call', 'failure', { retryAfterMs: 1_000 }, RETRY_LATER],
    ['busy', 'tools/call', 'failure', { retryAfterMs: 1_000 }, RETRY_LATER],
    ['timeout', 'tools/call', 'unknown', { mayHaveRun: true }, RETRY_LATER],
    ['timeout', 'resources/read', 'failure', { retryAfterMs: 1_000 }, RETRY_LATER],
    ['too_large', 'tools/call', 'unknown', { mayHaveRun: true }, INTERNAL_ERROR],
    ['malformed', 'resources/read', 'failure', { reason: 'malformed' }, INTERNAL_ERROR],
  ] as const)('a server that is %s, for %s: %s', async (problem, method, outcome, data, code) => {
    const { server, upstream, records } = rig();
    await ask(server, callOf(request('tools/list')));
    upstream.failNext(new UpstreamFailure(problem, 'ECONNREFUSED 10.0.0.1'));
    const error = errorOf(await ask(server, callOf(request(method, { name: 'echo', uri: 'x:y' }))));
    expect(error).toMatchObject({ code, data });
    expect(error?.message).not.toContain('10.0.0.1');
    expect(records.at(-1)).toMatchObject({ outcome, status: problem });
  });

  test.each([
    ['tools/call', 'unknown'],
    ['resources/read', 'failure'],
  ])('a client that goes away during %s: %s, and the server is told', async (method, outcome) => {
    const upstream = fakeUpstream();
    upstream.on(method, ({ signal }) => ({ kind: 'events', events: hanging(signal) }));
    const { server, records } = rig({ upstream });
    const leaving = new AbortController();
    const exchange = await server.send(
      callOf(request(method, { name: 'echo', uri: 'x:y' }), { signal: leaving.signal }),
    );
    const reading = eventsOf(exchange);
    leaving.abort();
    expect(await reading).toEqual([]);
    expect(records.at(-1)).toMatchObject({ phase: 'outcome', outcome, status: 'cancelled' });
    expect(upstream.left.count).toBe(1);
  });

  test('a client that stops reading', async () => {
    const upstream = fakeUpstream();
    upstream.on('tools/call', ({ signal }) => ({
      kind: 'events',
      events: (async function* () {
        yield notification('notifications/progress', {});
        yield* hanging(signal);
      })(),
    }));
    const { server, records } = rig({ upstream });
    const exchange = await server.send(call());
    for await (const _ of exchange.messages) break;
    expect(records.at(-1)).toMatchObject({ outcome: 'unknown', status: 'cancelled' });
    expect(upstream.left.count).toBe(1);
  });

  test('an answer that nobody ever read', async () => {
    const { server, records } = rig();
    const leaving = new AbortController();
    await server.send({ ...call(), signal: leaving.signal });
    leaving.abort();
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(records.at(-1)).toMatchObject({ outcome: 'unknown', status: 'cancelled' });
  });

  test('exactly one of each, whatever happens', async () => {
    const { server, records } = rig();
    const session = await openSession(server);
    await Promise.all(
      Array.from({ length: 50 }, (_, id) =>
        ask(server, {
          ...call(),
          revision: SESSION,
          sessionId: session,
          message: request('tools/call', { name: 'echo' }, id),
        }),
      ),
    );
    const count = (phase: string): number =>
      new Set(records.filter((each) => each.phase === phase).map(({ correlation }) => correlation)).size;
    expect([count('decision'), count('outcome'), records.length]).toEqual([51, 51, 102]);
  });
});
