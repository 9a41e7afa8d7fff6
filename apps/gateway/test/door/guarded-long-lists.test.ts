/** Lists as long as they can be: whole, and a piece at a time, so that nobody else waits for them. Counted, not timed. */
import type { JsonObject } from '@sallyport/model-context';
import { describe, expect, test } from 'vitest';
import { ask, callOf, caller, decisionOf, errorOf, request, resultOf, rig } from './support/guarded.ts';
import { fakeUpstream, result, tool } from './support/upstream.ts';

const MANY = 10_000;
/** Of one turn of the event loop: two pieces, where one list begins as another ends. */
const MOST_AT_ONCE = 256;

/** Method, the member that has the items, and one of them. */
type List = readonly [string, string, (at: number) => JsonObject];
const TOOLS: List = ['tools/list', 'tools', (at) => tool(`tool-${at}`)];
const LISTS: readonly List[] = [
  TOOLS,
  ['prompts/list', 'prompts', (at) => ({ name: `prompt-${at}` })],
  ['resources/list', 'resources', (at) => ({ uri: `file:///${at}` })],
];

/** A server with one list of `MANY` items on one page, and how much was done in each turn of the event loop. */
function stage([method, member, item]: List) {
  const upstream = fakeUpstream();
  const items: JsonObject[] = Array.from({ length: MANY }, (_, at) => item(at));
  upstream.on(method, ({ message }) => ({ events: [result(message.id, { [member]: items })] }));
  let done = 0;
  const turns: number[] = [];
  const made = rig({
    upstream,
    decide() {
      done += 1;
      return decisionOf(true);
    },
  });
  const check = made.pins.check.bind(made.pins);
  made.pins.check = (route, tools) => {
    done += tools.length;
    return check(route, tools);
  };
  let isOver = false;
  const turn = (): void => {
    turns.push(done);
    done = 0;
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  return {
    ...made,
    items,
    /** The most that was done in one turn. */
    most(): number {
      isOver = true;
      return Math.max(...turns, done);
    },
  };
}

describe.each(LISTS)('%s of 10,000', (...list) => {
  const [method, member] = list;

  test('comes whole and in order, a piece in each turn', async () => {
    const { server, items, most } = stage(list);
    const answer = await ask(server, callOf(request(method)));
    expect(resultOf(answer)[member]).toEqual(items);
    expect(most()).toBeLessThanOrEqual(MOST_AT_ONCE);
  });

  test('lets others pass', async () => {
    const { server } = stage(list);
    const order: string[] = [];
    const long = ask(server, callOf(request(method))).then(() => order.push('list'));
    for (const at of [1, 2, 3]) {
      await ask(server, callOf(request('ping')));
      order.push(`ping ${at}`);
    }
    await long;
    expect(order).toEqual(['ping 1', 'ping 2', 'ping 3', 'list']);
  });
});

describe('10,000 tools of one server', () => {
  const listsAsked = (upstream: ReturnType<typeof fakeUpstream>): number =>
    upstream.messages().filter((message) => 'method' in message && message.method === 'tools/list').length;

  test('are each known afterwards: the first, the last, asked for once', async () => {
    const { server, upstream } = stage(TOOLS);
    await ask(server, callOf(request('tools/list')));
    for (const name of ['tool-0', 'tool-5000', 'tool-9999'])
      expect(errorOf(await ask(server, callOf(request('tools/call', { name }))))).toBeUndefined();
    expect(listsAsked(upstream)).toBe(1);
  });

  test('are looked up in pieces when one is called that nobody listed', async () => {
    const { server, upstream, most } = stage(TOOLS);
    const answer = await ask(server, callOf(request('tools/call', { name: 'tool-0' })));
    expect(errorOf(answer)).toBeUndefined();
    expect(listsAsked(upstream)).toBe(1);
    expect(most()).toBeLessThanOrEqual(MOST_AT_ONCE);
  });

  test('of many callers are forgotten from the oldest on, and looked up again', async () => {
    const { server, upstream } = stage(TOOLS);
    const callers = Array.from({ length: 28 }, (_, at) => caller(`user:u${at}`));
    for (const one of callers) await ask(server, callOf(request('tools/list'), { caller: one }));
    const call = async (who = callers[0]) =>
      errorOf(
        await ask(server, callOf(request('tools/call', { name: 'tool-0' }), { caller: who ?? caller() })),
      );
    expect(await call(callers.at(-1))).toBeUndefined();
    expect(listsAsked(upstream)).toBe(28);
    expect(await call()).toBeUndefined();
    expect(listsAsked(upstream)).toBe(29);
  });

  test('with the last one named as the first are no list, and none of them is pinned', async () => {
    const { server, items, pins } = stage(TOOLS);
    items[MANY - 1] = tool('tool-0', { description: 'another' });
    expect(errorOf(await ask(server, callOf(request('tools/list'))))).toBeDefined();
    expect(pins.current('everything', 'tool-1')).toBeUndefined();
  });
});
