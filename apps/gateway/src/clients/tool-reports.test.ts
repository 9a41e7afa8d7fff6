import { toHex } from '@sallyport/crypto';
import type { policyv1 } from '@sallyport/proto';
import { invalidArgument, unavailable } from '@sallyport/service/errors';
import { memoryLog } from '@sallyport/service/testing';
import { afterEach, expect, test, vi } from 'vitest';
import type { SeenTool } from '../door/guarded/ports.ts';
import { startToolReports, type ToolReportsOptions } from './tool-reports.ts';

const tool = (name: string, digest = 'aa', description = ''): SeenTool => ({
  name,
  digest: digest.repeat(32),
  definition: { name, description },
});

type Sent = { readonly tool: string; readonly digest: string; readonly json: string };
const stack: AsyncDisposable[] = [];
afterEach(async () => {
  for (const each of stack.splice(0)) await each[Symbol.asyncDispose]();
});

function start() {
  const calls: Sent[][] = [];
  const slept: number[] = [];
  const state = { problem: undefined as Error | undefined, times: Infinity };
  const observeTools: ToolReportsOptions['policy']['observeTools'] = async ({ tools = [] }) => {
    if (state.problem !== undefined && state.times > 0) {
      state.times -= 1;
      throw state.problem;
    }
    calls.push(
      tools.map(({ tool: name = '', digest = new Uint8Array(), definitionJson = '' }) => ({
        tool: name,
        digest: toHex(digest).slice(0, 2),
        json: definitionJson,
      })),
    );
    return { revision: 1n } as policyv1.ObserveToolsResponse;
  };
  const log = memoryLog();
  const reports = startToolReports({
    policy: { observeTools },
    instance: 'gateway#1',
    log,
    sleep: async (ms, signal) => {
      slept.push(ms);
      if (!signal.aborted) await new Promise((resolve) => setImmediate(resolve));
    },
  });
  stack.push(reports);
  const idle = () => vi.waitFor(() => expect(reports.waiting).toBe(0), { timeout: 5_000 });
  return { reports, calls, slept, state, idle, log };
}

test('what is told at once goes together, with its definition', async () => {
  const { reports, calls, idle } = start();
  reports.tell('files', [tool('read'), tool('write')]);
  reports.tell('git', [tool('read')]);
  await idle();
  expect(calls).toHaveLength(1);
  expect(calls[0]?.map((each) => each.tool)).toEqual(['read', 'write', 'read']);
  expect(JSON.parse(calls[0]?.[0]?.json ?? '')).toEqual({ name: 'read', description: '' });
});

test('two definitions of one tool go one after the other', async () => {
  const { reports, calls, idle } = start();
  reports.tell('files', [tool('read', 'aa')]);
  reports.tell('files', [tool('read', 'bb'), tool('write')]);
  reports.tell('files', [tool('read', 'aa')]);
  await idle();
  expect(calls.map((call) => call.map((each) => `${each.tool} ${each.digest}`))).toEqual([
    ['read aa', 'write aa'],
    ['read bb'],
  ]);
});

test('while policy-service is away they wait, and are tried ever more slowly', async () => {
  const { reports, calls, slept, state, idle } = start();
  state.problem = unavailable('away');
  reports.tell('files', [tool('read')]);
  await vi.waitFor(() => expect(slept.length).toBeGreaterThan(9));
  expect(slept.slice(0, 9)).toEqual([200, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
  expect(calls).toEqual([]);
  state.problem = undefined;
  await idle();
  expect(calls).toHaveLength(1);
});

test('what takes too long goes in smaller parts, and then in larger ones again', async () => {
  const { reports, calls, slept, state, idle } = start();
  Object.assign(state, { problem: unavailable('deadline exceeded'), times: 3 });
  reports.tell(
    'files',
    Array.from({ length: 250 }, (_, i) => tool(`t${i}`)),
  );
  await idle();
  expect(calls.map((call) => call.length).slice(0, 4)).toEqual([12, 24, 48, 96]);
  // Others are let to their turn.
  expect(slept.slice(4)).toContain(100);
});

test('what is refused for good is not sent for ever', async () => {
  const { reports, state, idle, log } = start();
  state.problem = invalidArgument('no');
  reports.tell('files', [tool('read')]);
  await idle();
  expect(JSON.stringify(log)).toContain('takes no report');
});

test('a call carries 100 tools, and a megabyte of definitions', async () => {
  const { reports, calls, idle } = start();
  reports.tell(
    'files',
    Array.from({ length: 250 }, (_, i) => tool(`t${i}`)),
  );
  await idle();
  expect(calls.map((call) => call.length)).toEqual([100, 100, 50]);
  reports.tell(
    'files',
    Array.from({ length: 40 }, (_, i) => tool(`t${i}`, 'bb', 'x'.repeat(60_000))),
  );
  await idle();
  expect(calls.slice(3).map((call) => call.length)).toEqual([17, 17, 6]);
});

test('a definition that is too long goes by its digest alone', async () => {
  const { reports, calls, idle } = start();
  reports.tell('files', [tool('read', 'aa', 'é'.repeat(40_000)), tool('write')]);
  await idle();
  expect(calls[0]?.map((each) => each.json === '')).toEqual([true, false]);
});

test('what waits is bounded', async () => {
  const { reports, state, log } = start();
  state.problem = unavailable('away');
  const many = Array.from({ length: 6_000 }, (_, i) => tool(`t${i}`, 'aa', 'x'.repeat(4_000)));
  reports.tell('evil', many);
  expect(reports.waiting).toBe(2_000);
  expect(JSON.stringify(log)).toContain('too many wait');
  // Nobody else waits for it.
  reports.tell('files', [tool('read')]);
  expect(reports.waiting).toBe(2_001);
  for (const route of ['a', 'b', 'c']) reports.tell(route, many);
  expect(reports.waiting).toBe(5_000);
});

test('ends at once, and tells nothing any more', async () => {
  const { reports, state, calls } = start();
  state.problem = unavailable('away');
  reports.tell('files', [tool('read')]);
  await reports[Symbol.asyncDispose]();
  state.problem = undefined;
  reports.tell('files', [tool('write')]);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(calls).toEqual([]);
});
