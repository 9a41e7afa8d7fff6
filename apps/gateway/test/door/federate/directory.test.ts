/** Names and places of what several servers have, while servers fail, change and lie. */
import { resultResponse, type JsonObject, type Message, type Request } from '@sallyport/model-context';
import { describe, expect, it } from 'vitest';
import { federated } from '../../../src/door/federate/federated.ts';
import type { LeftOut } from '../../../src/door/federate/ports.ts';
import { UpstreamFailure, type Exchange } from '../../../src/door/ports.ts';
import { events, json, last, scripted, statelessCall } from '../support/scripted.ts';
import { translatePorts } from '../support/stock.ts';

type Content = {
  tools?: JsonObject[];
  resources?: JsonObject[];
  resourceTemplates?: JsonObject[];
  fails?: Error;
  pages?: number;
  /** Lists are never answered. */
  hangs?: boolean;
};

const stage = (contents: Record<string, Content>, limits: object = {}) => {
  let now = 0;
  const leftOut: LeftOut[] = [];
  const servers = new Map(
    Object.entries(contents).map(([route, content]) => {
      const answer = (request: Request): Exchange | Promise<Exchange> => {
        if (content.hangs === true && request.method.endsWith('/list')) return new Promise(() => undefined);
        if (content.fails !== undefined) throw content.fails;
        const name = {
          'tools/list': 'tools',
          'resources/list': 'resources',
          'resources/templates/list': 'resourceTemplates',
        }[request.method];
        if (name === undefined)
          return json(
            resultResponse(request.id, { resultType: 'complete', by: route, params: request.params ?? {} }),
          );
        const page = Number(request.params?.['cursor'] ?? 0);
        const items = content[name as 'tools'] ?? [];
        const more = page + 1 < (content.pages ?? 1) ? { nextCursor: String(page + 1) } : {};
        return json(
          resultResponse(request.id, {
            resultType: 'complete',
            [name]:
              page === 0 ? items : [{ name: `${route}-${page}`, uri: `p:${page}`, uriTemplate: `t:${page}` }],
            ...more,
          }),
        );
      };
      return [route, scripted({ answer })] as const;
    }),
  );
  const { schedule, randomBytes, implementation } = translatePorts();
  const door = federated(servers, {
    now: () => now,
    schedule,
    randomBytes,
    implementation,
    handles: { seal: async ({ value }) => value, open: async ({ sealed }) => sealed },
    leftOut: (report) => void leftOut.push(report),
    limits: { listDeadlineMs: 100, slowDeadlineMs: 10, ...limits },
  });
  const names = async (): Promise<unknown> => {
    const response = await last(await door.send(statelessCall({ method: 'tools/list' })));
    return 'result' in response
      ? (response.result['tools'] as JsonObject[]).map(({ name }) => name)
      : response.error;
  };
  const call = async (name: string): Promise<unknown> => {
    const response = await last(await door.send(statelessCall({ method: 'tools/call', params: { name } })));
    return 'result' in response
      ? [response.result['by'], (response.result['params'] as JsonObject)['name']]
      : response.error.code;
  };
  const read = async (uri: string): Promise<unknown> => {
    const response = await last(
      await door.send(statelessCall({ method: 'resources/read', params: { uri } })),
    );
    return 'result' in response ? response.result['by'] : response.error.code;
  };
  const asked = (route: string, method: string): number =>
    servers.get(route)?.received.filter(({ message }) => 'method' in message && message.method === method)
      .length ?? 0;
  return { door, servers, names, call, read, asked, leftOut, pass: (ms: number) => void (now += ms) };
};
const tool = (name: string): JsonObject => ({ name, inputSchema: { type: 'object' } });
const timed = async (task: () => Promise<unknown>): Promise<number> => {
  const start = performance.now();
  await task();
  return performance.now() - start;
};

describe('a server that hangs', () => {
  it('does not slow calls of what is known, however old that is', async () => {
    const contents: Record<string, Content> = { a: { tools: [tool('x')] }, b: { tools: [tool('y')] } };
    const { names, call, pass, asked } = stage(contents, { listDeadlineMs: 2_000, slowDeadlineMs: 2_000 });
    await names();
    (contents['b'] as Content).hangs = true;
    pass(10 * 60_000);
    for (let at = 0; at < 3; at += 1) {
      expect(await timed(async () => expect(await call('x')).toStrictEqual(['a', 'x']))).toBeLessThan(500);
      pass(2_000);
    }
    // All that the calls need of it is asked once, meanwhile.
    expect(asked('b', 'tools/list')).toBe(2);
  });

  it('is waited for once, then for a moment only until it had time to recover', async () => {
    const contents: Record<string, Content> = {
      a: { tools: [tool('x')] },
      b: { tools: [tool('y')], hangs: true },
    };
    const { names, call, pass } = stage(contents, { listDeadlineMs: 600, slowDeadlineMs: 10 });
    expect(await call('x')).toStrictEqual(['a', 'x']);
    expect(await timed(async () => expect(await names()).toStrictEqual(['x']))).toBeLessThan(300);
    (contents['b'] as Content).hangs = false;
    expect(await names()).toStrictEqual(['x', 'y']);
    (contents['b'] as Content).hangs = true;
    pass(31_000);
    expect(await timed(names)).toBeGreaterThan(500);
  });
});

describe('names', () => {
  it('lead to the server that has them, under its own name', async () => {
    const { names, call } = stage({ a: { tools: [tool('x'), tool('one')] }, b: { tools: [tool('x')] } });
    expect(await names()).toStrictEqual(['a__x', 'one', 'b__x']);
    expect(await call('a__x')).toStrictEqual(['a', 'x']);
    expect(await call('b__x')).toStrictEqual(['b', 'x']);
    expect(await call('one')).toStrictEqual(['a', 'one']);
    expect(await call('a__one')).toStrictEqual(['a', 'one']);
    expect(await call('x')).toBe(-32602);
  });

  it('need not be listed first', async () => {
    const { call, asked } = stage({ a: { tools: [tool('x')] }, b: {} });
    expect(await call('x')).toStrictEqual(['a', 'x']);
    expect(await call('x')).toStrictEqual(['a', 'x']);
    expect(asked('b', 'tools/list')).toBe(1);
    expect(asked('b', 'tools/call')).toBe(0);
  });

  it('of a server that fails stay taken: nobody else gets its calls', async () => {
    const contents: Record<string, Content> = { a: { tools: [tool('x')] }, b: { tools: [tool('x')] } };
    const { names, call, leftOut } = stage(contents);
    await names();
    contents['a'] = Object.assign(contents['a'] as Content, {
      fails: new UpstreamFailure('unreachable', 'down'),
    });
    expect(await names()).toStrictEqual(['b__x']);
    expect(await call('x')).toBe(-32602);
    expect(leftOut.map(({ route }) => route)).toStrictEqual(['a']);
    await expect(call('a__x')).rejects.toMatchObject({ problem: 'unreachable' });
  });

  it('that nobody has make lists be asked for again, at most once a second', async () => {
    const contents: Record<string, Content> = { a: { tools: [] } };
    const { call, asked, pass } = stage(contents);
    for (let at = 0; at < 5; at += 1) expect(await call('new')).toBe(-32602);
    expect(asked('a', 'tools/list')).toBe(1);
    (contents['a'] as Content).tools = [tool('new')];
    pass(1_001);
    expect(await call('new')).toStrictEqual(['a', 'new']);
  });

  it('of all pages are there, and pages without end are cut', async () => {
    const { names } = stage({ a: { tools: [tool('x')], pages: 3 } });
    expect(await names()).toStrictEqual(['x', 'a-1', 'a-2']);
    const endless = stage(
      { a: { tools: [tool('x')], pages: Infinity } },
      { maxPages: 5, listDeadlineMs: 1_000 },
    );
    expect(await endless.names()).toHaveLength(5);
  });

  it('that are no names, or given twice by one server, are left out', async () => {
    const { names } = stage({ a: { tools: [tool('x'), tool('x'), { name: 7 }, {}, tool('')] } });
    expect(await names()).toStrictEqual(['x']);
  });
});

describe('resources', () => {
  it('are read at the first server that lists them, then by template, then at the only one', async () => {
    const { read, asked } = stage({
      a: { resources: [{ uri: 'x:1', name: '1' }] },
      b: {
        resources: [
          { uri: 'x:1', name: '1' },
          { uri: 'x:2', name: '2' },
        ],
        resourceTemplates: [{ uriTemplate: 'y:{id}', name: 'y' }],
      },
    });
    expect([await read('x:1'), await read('x:2'), await read('y:7'), await read('z:1')]).toStrictEqual([
      'a',
      'b',
      'b',
      -32602,
    ]);
    expect(asked('a', 'resources/read')).toBe(1);
    const single = stage({ a: {}, b: { resources: [{ uri: 'x:2', name: '2' }] } });
    expect(await single.read('z:1')).toBe('b');
  });
});

describe('failures', () => {
  it('of all servers are said, with nothing done', async () => {
    const { door } = stage({ a: { fails: new UpstreamFailure('unreachable', 'down') } });
    await expect(door.send(statelessCall({ method: 'server/discover' }))).rejects.toMatchObject({
      isWithoutEffect: true,
    });
  });

  it('are not reported where policy refuses or a method is not there', async () => {
    const { door, leftOut, servers } = stage({ a: {}, b: {} });
    const refusing = servers.get('a');
    if (refusing === undefined) throw new Error('there');
    refusing.send = async ({ message }) => {
      const { id } = message as Request;
      return json({ jsonrpc: '2.0', id, error: { code: -32003, message: 'no' } });
    };
    expect(await last(await door.send(statelessCall({ method: 'tools/list' })))).toHaveProperty('result');
    expect(leftOut).toStrictEqual([]);
  });

  it('of the client’s leaving are its own', async () => {
    const { door, leftOut, servers } = stage({ a: {} });
    const hanging = servers.get('a');
    if (hanging === undefined) throw new Error('there');
    hanging.send = () => new Promise(() => undefined);
    const leaving = new AbortController();
    const listing = door.send(statelessCall({ method: 'tools/list' }, { signal: leaving.signal }));
    leaving.abort();
    await expect(listing).rejects.toMatchObject({ problem: 'cancelled' });
    expect(leftOut).toStrictEqual([]);
  });

  it('nothing that a server answers is changed', async () => {
    const strange: Message[] = [
      { jsonrpc: '2.0', method: 'notifications/custom', params: { a: [1, { b: null }] } },
      resultResponse('r1', {
        resultType: 'input_required',
        requestState: 'opaque',
        inputRequests: { k: { method: 'roots/list' } },
        extra: { z: 1 },
      }),
    ];
    const { door, servers } = stage({ a: { tools: [tool('x')] } });
    const server = servers.get('a');
    const before = server?.send.bind(server);
    if (server === undefined || before === undefined) throw new Error('there');
    server.send = async (call) =>
      'method' in call.message && call.message.method === 'tools/call' ? events(strange) : before(call);
    const exchange = await door.send(statelessCall({ method: 'tools/call', params: { name: 'x' } }));
    const got: Message[] = [];
    for await (const { message } of exchange.messages) if (message !== undefined) got.push(message);
    expect(got).toStrictEqual(strange);
  });
});
