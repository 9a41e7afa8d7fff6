/** Children that lie, hang, flood, die and leave things behind: what the caller is told, and that nothing is left. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { openUpstream, type StdioUpstreamConfig } from '../../../src/door/upstream/index.ts';
import { callOf, initialize, messagesOf, problemOf, request, stage } from './support.ts';
import { child, isAlive, MIB, onLinux, resultOf, session, until } from './children.ts';

describe('a child that', () => {
  const rows: [mode: string, problem: string, config: Partial<StdioUpstreamConfig>][] = [
    ['hang', 'timeout', { requestIdleMs: 200 }],
    ['flood', 'too_large', { maxExchangeBytes: 16 * MIB }],
    ['endless-line', 'too_large', {}],
    ['only-no-json', 'malformed', {}],
    ['exit', 'broke_off', {}],
    ['exit-mid-answer', 'broke_off', {}],
  ];
  test.each(rows)('%s: %s', async (mode, problem, config) => {
    await using held = await stage();
    await using upstream = await openUpstream(child(mode, config), held.ports);
    const sessionId = await session(upstream);
    expect(await problemOf(upstream.send(callOf(request('tools/call'), { sessionId })))).toBe(problem);
    if (mode === 'hang') return;
    // Its session went with it.
    await until(async () => (await upstream.send(callOf(request('ping'), { sessionId }))).status === 404);
  });

  test('floods with a gigabyte: it is ended, and memory stays flat', async () => {
    await using held = await stage();
    await using upstream = await openUpstream(child('flood'), held.ports);
    const sessionId = await session(upstream);
    const before = process.memoryUsage().rss;
    let peak = 0;
    let bytes = 0;
    const exchange = await upstream.send(callOf(request('tools/call'), { sessionId }));
    await expect(
      (async () => {
        for await (const { message } of exchange.messages) {
          bytes += JSON.stringify(message).length;
          peak = Math.max(peak, process.memoryUsage().rss);
        }
      })(),
    ).rejects.toMatchObject({ problem: 'too_large' });
    expect(bytes).toBeLessThan(65 * MIB);
    expect(peak - before).toBeLessThan(192 * MIB);
  });

  test('floods while nobody reads: its pipe fills up and nothing is held here', async () => {
    await using held = await stage();
    await using upstream = await openUpstream(child('flood'), held.ports);
    const sessionId = await session(upstream);
    const before = process.memoryUsage().rss;
    const exchange = await upstream.send(callOf(request('tools/call'), { sessionId }));
    const reader = exchange.messages[Symbol.asyncIterator]();
    await reader.next();
    await sleep(500);
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * MIB);
    await reader.return?.();
  });

  test('writes lines that are not the protocol survives a few of them, which are logged without control characters', async () => {
    await using held = await stage();
    await using upstream = await openUpstream(child('no-json'), held.ports);
    const sessionId = await session(upstream);
    expect(await problemOf(upstream.send(callOf(request('tools/call'), { sessionId })))).toEqual([
      { jsonrpc: '2.0', id: 1, result: {} },
    ]);
    const lines = held.log.records().map(({ line }) => String(line));
    expect(lines.find((line) => line.includes('Listening on port 3000'))).toBeDefined();
    expect(lines.join('')).not.toContain('\u001b');
    expect(await held.metrics.exposition()).toContain(
      'upstream_malformed_total{route="tested",service="gateway"} 2',
    );
  });

  test.each(['never-asked', 'twice'])('answers %s: only what was asked, once', async (mode) => {
    await using held = await stage();
    await using upstream = await openUpstream(child(mode), held.ports);
    const sessionId = await session(upstream);
    const ask = () => upstream.send(callOf(request('tools/call', {}, 'mine'), { sessionId }));
    const expected = { jsonrpc: '2.0', id: 'mine', result: mode === 'twice' ? { first: true } : {} };
    expect(await problemOf(ask())).toEqual([expected]);
    expect(await problemOf(ask())).toEqual([expected]);
  });

  test('ends right after its answer: the answer arrives', async () => {
    await using held = await stage();
    await using upstream = await openUpstream(child('last-words'), held.ports);
    const sessionId = await session(upstream);
    expect(await problemOf(upstream.send(callOf(request('tools/call'), { sessionId })))).toMatchObject([
      { result: { last: true } },
    ]);
  });

  test('never says anything is ended after the start time-out', async () => {
    await using held = await stage();
    await using upstream = await openUpstream(child('mute', { startTimeoutMs: 300 }), held.ports);
    expect(await problemOf(upstream.send(callOf(initialize())))).toBe('timeout');
    expect(upstream.trouble()).toMatch(/could not be started/);
  });

  test('dies at each start rests longer and longer', async () => {
    await using held = await stage();
    await using upstream = await openUpstream(child('dead'), held.ports);
    const problems: unknown[] = [];
    for (let count = 0; count < 5; count += 1)
      problems.push(await problemOf(upstream.send(callOf(initialize()))));
    expect(problems.slice(0, 4)).toEqual(Array.from({ length: 4 }, () => 'broke_off'));
    await problemOf(upstream.send(callOf(initialize())));
    expect(await problemOf(upstream.send(callOf(initialize())))).toBe('busy');
    const ends = held.log.records().filter(({ message }) => message === 'a server process ended');
    expect(ends[0]).toMatchObject({ level: 'warn', why: 'exited', said: ['no database here'] });
  });

  test.runIf(onLinux)('forks grandchildren takes them with it, in its group and out of it', async () => {
    await using held = await stage();
    await using upstream = await openUpstream(child('grandchildren'), held.ports);
    const sessionId = await session(upstream);
    const { pids } = resultOf(
      await messagesOf(await upstream.send(callOf(request('tools/call'), { sessionId }))),
    ) as { pids: readonly number[] };
    expect(pids.map(isAlive)).toEqual([true, true, true]);
    expect((await upstream.end(callOf(request('x'), { sessionId }))).status).toBe(200);
    await until(() => !pids.some(isAlive));
  });

  test('ignores the end of stdin and SIGTERM is killed', async () => {
    await using held = await stage();
    const file = join(held.ports.workFolder, 'pid');
    const upstream = await openUpstream(child('ignore-sigterm', {}, file), held.ports);
    await session(upstream);
    const pid = Number(await readFile(file, 'utf8'));
    expect(isAlive(pid)).toBe(true);
    await upstream[Symbol.asyncDispose]();
    expect(isAlive(pid)).toBe(false);
  }, 15_000);

  test.runIf(onLinux)(
    'takes too much memory is ended',
    async () => {
      await using held = await stage();
      await using upstream = await openUpstream(child('memory', { maxMemoryBytes: 256 * MIB }), held.ports);
      const sessionId = await session(upstream);
      expect(await problemOf(upstream.send(callOf(request('tools/call'), { sessionId })))).toBe('broke_off');
      expect(await held.metrics.exposition()).toContain('why="memory",service="gateway"} 1');
    },
    15_000,
  );

  test('floods stderr for ever is read no faster than it may be', async () => {
    await using held = await stage();
    await using upstream = await openUpstream(child('stderr-flood'), held.ports);
    const sessionId = await session(upstream);
    const answer = await upstream.send(callOf(request('tools/call'), { sessionId }));
    expect(resultOf(await messagesOf(answer))['bytes']).toBeLessThan(4 * MIB);
  });

  test('floods stderr costs a bounded number of lines', async () => {
    await using held = await stage();
    await using upstream = await openUpstream(child('stderr'), held.ports);
    const sessionId = await session(upstream);
    await problemOf(upstream.send(callOf(request('tools/call'), { sessionId })));
    const lines = held.log.records().filter(({ message }) => message === 'a server says');
    expect(lines.length).toBeGreaterThan(2);
    expect(lines.length).toBeLessThanOrEqual(200);
    expect(lines[0]).toMatchObject({ level: 'info', route: 'tested', line: 'one' });
    expect(lines[1]).toMatchObject({ line: '[2Jtwo' });
  });
});
