/** Lines in, answers out: in order, as they come, and whatever one of them does to the worker. */
import { describe, expect, test } from 'vitest';
import { jsonLines } from '../../test/support/command-line.ts';
import { runBatch } from './batch.ts';
import type { RunnerOptions } from './case-runner.ts';

const unruly: RunnerOptions = {
  caseTimeMs: 200,
  maxHeapMib: 64,
  worker: new URL('../../test/support/unruly-worker.ts', import.meta.url),
};

async function* chunks(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}
const line = (value: unknown): string => `${JSON.stringify(value)}\n`;

async function run(source: AsyncIterable<Uint8Array>, runner?: RunnerOptions) {
  let out = '';
  const counts = await runBatch({
    source,
    ...(runner === undefined ? {} : { runner }),
    async write(text) {
      out += text;
    },
  });
  return { counts, answers: jsonLines(out) };
}

describe('an unruly case', () => {
  const limit = { valid: false, reason: 'limit' };
  const rows = [
    ['stall', { ...limit, detail: 'more than 200 ms' }],
    ['crash', { ...limit, detail: 'the worker failed: as told' }],
    ['exit', { ...limit, detail: 'the worker ended' }],
  ] as const;
  test.each(rows)(
    'that would %s is answered, and so are those before and behind it',
    async (act, expected) => {
      const cases = Array.from({ length: 150 }, (_, index) =>
        line(index % 60 === 30 ? { id: index, act } : { id: index }),
      );
      const { counts, answers } = await run(chunks(...cases), unruly);
      expect(counts).toEqual({ cases: 150, valid: 148 });
      expect(answers.map(({ id }) => id)).toEqual(Array.from({ length: 150 }, (_, index) => index));
      expect(answers[30]).toEqual({ id: 30, ...expected });
      expect(answers[90]).toEqual({ id: 90, ...expected });
    },
  );

  test('that takes all memory', async () => {
    const { answers } = await run(chunks(line({ id: 'a', act: 'exhaust' }), line({ id: 'b' })), {
      ...unruly,
      caseTimeMs: 60_000,
    });
    expect(answers).toEqual([
      { id: 'a', ...limit, detail: expect.stringMatching(/memory/u) as string },
      { id: 'b', valid: true },
    ]);
  });

  test('nothing but such', async () => {
    const { answers } = await run(
      chunks(...Array.from({ length: 5 }, () => line({ id: 1, act: 'stall' }))),
      unruly,
    );
    expect(answers).toEqual(
      Array.from({ length: 5 }, () => ({ id: 1, ...limit, detail: 'more than 200 ms' })),
    );
  });
});

describe('a stream', () => {
  test('an answer comes before the next line does', async () => {
    const answered: string[] = [];
    let resolveAnswer = (): void => undefined;
    async function* slow(): AsyncGenerator<Uint8Array> {
      for (const id of ['a', 'b', 'c']) {
        const answer = new Promise<void>((resolve) => {
          resolveAnswer = resolve;
        });
        yield Buffer.from(line({ id }));
        await answer;
      }
    }
    await runBatch({
      source: slow(),
      runner: unruly,
      async write(text) {
        answered.push(text);
        resolveAnswer();
      },
    });
    expect(answered.map((text) => jsonLines(text)[0]?.['id'])).toEqual(['a', 'b', 'c']);
  });

  test('no more is read than fits beside a writer that waits', async () => {
    let read = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (; read < 20_000; read += 1) yield Buffer.from(line({ id: read }));
    }
    let written = 0;
    let most = 0;
    await runBatch({
      source: endless(),
      runner: unruly,
      async write() {
        written += 1;
        most = Math.max(most, read - written);
        if (written % 1000 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      },
    });
    expect(written).toBe(20_000);
    expect(most).toBeLessThanOrEqual(256);
  });

  test('blank lines are no cases, the last one needs no end', async () => {
    const { counts } = await run(chunks('\n\n', line({ id: 1 }), '\r\n', '{"id":2}'), unruly);
    expect(counts).toEqual({ cases: 2, valid: 2 });
  });

  test('a source that breaks ends it with its error', async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.from(line({ id: 1 }));
      throw new Error('no more');
    }
    await expect(run(broken(), unruly)).rejects.toThrow('no more');
  });

  test('a writer that breaks ends it with its error', async () => {
    const cases = chunks(...Array.from({ length: 1000 }, (_, id) => line({ id })));
    const write = (): Promise<void> => Promise.reject(new Error('nobody reads'));
    await expect(runBatch({ source: cases, runner: unruly, write })).rejects.toThrow('nobody reads');
  });

  test('a line of more than 64 MiB', async () => {
    const megabyte = ' '.repeat(1_048_576);
    const { answers } = await run(
      chunks('{', ...Array.from({ length: 65 }, () => megabyte), '}\n', line({ id: 1 })),
      unruly,
    );
    expect(answers).toEqual([
      { id: null, valid: false, reason: 'limit', detail: 'line 1 has more than 67108864 octets' },
      { id: 1, valid: true },
    ]);
  });
});
