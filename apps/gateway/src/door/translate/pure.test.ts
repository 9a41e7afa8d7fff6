import { describe, expect, it } from 'vitest';
import type { JsonObject } from '@sallyport/model-context';
import {
  clientCapabilitiesForSession,
  clientCapabilitiesForStateless,
  honoured,
  missingCapability,
  passes,
  serverCapabilities,
} from './capabilities.ts';
import { mailbox } from './mailbox.ts';
import {
  errorForSession,
  errorForStateless,
  resultForSession,
  resultForStateless,
  severityOf,
  statelessStatus,
} from './results.ts';

const error = (code: number, data?: JsonObject) => ({
  code,
  message: 'm',
  ...(data === undefined ? {} : { data }),
});

describe('errors', () => {
  it.each([
    [-32002, -32602],
    [-32602, -32602],
    [-32601, -32601],
    [-32000, -32000],
  ])('%d of a session server is %d', (code, expected) => {
    expect(errorForStateless(error(code, { uri: 'a' }))).toStrictEqual(error(expected, { uri: 'a' }));
  });
  it.each<[string, number, JsonObject | undefined, number]>([
    ['resources/read', -32602, { uri: 'a' }, -32002],
    ['resources/read', -32602, undefined, -32602],
    ['tools/call', -32602, { uri: 'a' }, -32602],
    ['tools/call', -32020, undefined, -32603],
    ['tools/call', -32022, undefined, -32603],
    ['tools/call', -32021, undefined, -32021],
    ['tools/call', -32003, undefined, -32003],
  ])('of %s, %d with %j, is %4$d for a session client', (method, code, data, expected) => {
    expect(errorForSession(method, error(code, data)).code).toBe(expected);
  });
  it.each([
    [-32601, 404],
    [-32021, 400],
    [-32602, 200],
    [-32003, 200],
  ])('%d alone has status %d', (code, status) => {
    expect(statelessStatus({ jsonrpc: '2.0', id: 1, error: error(code) })).toBe(status);
  });
});

describe('results', () => {
  it('get what 2026-07-28 demands, and keep what the server says', () => {
    expect(resultForStateless('tools/list', { tools: [] }, { name: 's' })).toStrictEqual({
      tools: [],
      ttlMs: 0,
      cacheScope: 'private',
      resultType: 'complete',
      _meta: { 'io.modelcontextprotocol/serverInfo': { name: 's' } },
    });
    expect(resultForStateless('tools/call', { content: [], resultType: 'x' }, undefined)).toStrictEqual({
      content: [],
      resultType: 'complete',
    });
  });
  it('lose what older revisions do not have', () => {
    const result = {
      tools: [],
      ttlMs: 1,
      cacheScope: 'public',
      resultType: 'complete',
      _meta: { 'io.modelcontextprotocol/serverInfo': {}, own: 1 },
    };
    expect(resultForSession('tools/list', result)).toStrictEqual({ tools: [], _meta: { own: 1 } });
  });
  it.each<[string, JsonObject, JsonObject]>([
    ['an object', { content: [], structuredContent: { a: 1 } }, { content: [], structuredContent: { a: 1 } }],
    [
      'a list with text beside it',
      { content: [{ type: 'text', text: 't' }], structuredContent: [1] },
      { content: [{ type: 'text', text: 't' }] },
    ],
    ['a list alone', { content: [], structuredContent: [1] }, { content: [{ type: 'text', text: '[1]' }] }],
    ['null', { structuredContent: null }, { content: [{ type: 'text', text: 'null' }] }],
  ])('with structure that is %s', (_, result, expected) => {
    expect(resultForSession('tools/call', result)).toStrictEqual(expected);
  });
});

describe('capabilities', () => {
  it('lose tasks, and what no message stands for', () => {
    expect(clientCapabilitiesForSession({ tasks: {}, roots: {} })).toStrictEqual({ roots: {} });
    expect(clientCapabilitiesForStateless({ tasks: {}, roots: { listChanged: true } })).toStrictEqual({
      roots: {},
    });
    expect(serverCapabilities({ tasks: {}, tools: {} })).toStrictEqual({ tools: {} });
  });
  it.each<[string, JsonObject, JsonObject, boolean]>([
    ['elicitation/create', {}, { elicitation: {} }, true],
    ['elicitation/create', { mode: 'form' }, { elicitation: { url: {} } }, false],
    ['elicitation/create', { mode: 'url' }, { elicitation: {} }, false],
    ['elicitation/create', { mode: 'url' }, { elicitation: { url: {} } }, true],
    ['elicitation/create', {}, {}, false],
    ['sampling/createMessage', {}, { sampling: {} }, true],
    ['sampling/createMessage', { tools: [] }, { sampling: {} }, false],
    ['roots/list', {}, { roots: {} }, true],
    ['roots/list', {}, { roots: true }, false],
  ])('%s %j with %j: %s', (method, params, declared, has) => {
    expect(missingCapability({ method, params }, declared) === undefined).toBe(has);
  });
  it('bound what is listened to', () => {
    const can = { tools: { listChanged: true }, resources: { subscribe: true } };
    expect(
      honoured(
        { toolsListChanged: true, promptsListChanged: true, resourceSubscriptions: ['a', 'a', 'b', 'c', 1] },
        can,
        2,
      ),
    ).toStrictEqual({
      toolsListChanged: true,
      resourceSubscriptions: ['a', 'b'],
    });
    expect(honoured({ toolsListChanged: 1, resourceSubscriptions: 'a' }, can, 2)).toStrictEqual({});
  });
  it.each<[string, JsonObject, boolean]>([
    ['notifications/tools/list_changed', {}, true],
    ['notifications/prompts/list_changed', {}, false],
    ['notifications/resources/updated', { uri: 'test://a' }, true],
    ['notifications/resources/updated', { uri: 'test://a/part' }, true],
    ['notifications/resources/updated', { uri: 'test://ab' }, false],
    ['notifications/resources/updated', {}, false],
    ['notifications/message', {}, false],
  ])('%s %j passes: %s', (method, params, expected) => {
    expect(passes({ toolsListChanged: true, resourceSubscriptions: ['test://a'] }, { method, params })).toBe(
      expected,
    );
  });
  it.each([
    ['debug', 0],
    ['emergency', 7],
    ['loud', undefined],
    [3, undefined],
  ] as const)('level %s is %s', (level, severity) => {
    expect(severityOf(level)).toBe(severity);
  });
});

describe('a mailbox', () => {
  const box = () => mailbox<number>({ capacity: 3, comfortable: 1, cancelled: () => new Error('cancelled') });
  it('gives in order, then ends', async () => {
    const one = box();
    expect([one.put(1), one.put(2), one.put(3), one.put(4)]).toStrictEqual([true, true, true, false]);
    one.close();
    expect([await one.take(), await one.take(), await one.take(), await one.take()]).toStrictEqual([
      1,
      2,
      3,
      undefined,
    ]);
    expect(one.put(5)).toBe(false);
  });
  it('gives what is in it before what it failed with', async () => {
    const one = box();
    one.put(1);
    one.fail(new Error('broke'));
    expect(await one.take()).toBe(1);
    await expect(one.take()).rejects.toThrow('broke');
  });
  it('lets a reader go by its signal, also while it waits', async () => {
    const one = box();
    const leaving = new AbortController();
    const taking = one.take(leaving.signal);
    leaving.abort();
    await expect(taking).rejects.toThrow('cancelled');
    one.put(1);
    expect(await one.take()).toBe(1);
  });
  it('makes a writer wait until there is room', async () => {
    const one = box();
    one.put(1);
    one.put(2);
    let isRoom = false;
    const waiting = one.room().then(() => (isRoom = true));
    await Promise.resolve();
    expect(isRoom).toBe(false);
    await one.take();
    await waiting;
    expect(isRoom).toBe(true);
  });
});
