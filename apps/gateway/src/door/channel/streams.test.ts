import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Exchange, ServerEvent } from '../ports.ts';
import { createStreams, type Streams } from './streams.ts';

const note = (n: number): ServerEvent => ({ message: { jsonrpc: '2.0', method: 'n', params: { n } } });
const line = (n: number): string => JSON.stringify(note(n).message);

/** What is pushed comes; `end` ends it, `fail` breaks it. */
function source(): {
  open: () => Promise<Exchange>;
  push(...events: ServerEvent[]): void;
  end(): void;
  fail(error: Error): void;
  left: boolean;
} {
  const waiting: ServerEvent[] = [];
  let wake = Promise.withResolvers<void>();
  let over: Error | true | undefined;
  const made = {
    left: false,
    push(...events: ServerEvent[]) {
      waiting.push(...events);
      wake.resolve();
    },
    end() {
      over = true;
      wake.resolve();
    },
    fail(error: Error) {
      over = error;
      wake.resolve();
    },
    open: () => Promise.resolve({ status: 200, kind: 'events', messages: messages() } as const),
  };
  async function* messages(): AsyncGenerator<ServerEvent> {
    try {
      for (;;) {
        for (const event of waiting.splice(0)) yield event;
        if (over instanceof Error) throw over;
        if (over) return;
        await wake.promise;
        wake = Promise.withResolvers();
      }
    } finally {
      made.left = true;
    }
  }
  return made;
}

describe('streams over the channel', () => {
  let streams: Streams;
  beforeEach(() => {
    streams = createStreams({
      maxPerSession: 2,
      firstWaitMs: 30,
      waitMs: 30,
      keepMs: 50,
      maxPieceBytes: 200,
    });
  });
  afterEach(() => streams[Symbol.dispose]());

  test('what is over at once is one piece and leaves nothing', async () => {
    const from = source();
    from.push(note(1), note(2));
    from.end();
    expect(await streams.begin('s', from.open, () => undefined)).toMatchObject({
      exchange: { status: 200 },
      lines: [line(1), line(2)],
    });
    expect(streams.size).toBe(0);
  });

  test('what comes bit by bit is asked for bit by bit, in order', async () => {
    const from = source();
    from.push(note(1));
    const first = await streams.begin('s', from.open, () => undefined);
    expect(first?.lines).toEqual([line(1)]);
    const later = streams.next('s', first?.stream ?? '');
    from.push(note(2));
    const second = await later;
    expect(second).toMatchObject({ lines: [line(2)], stream: first?.stream });
    from.end();
    expect((await streams.next('s', first?.stream ?? ''))?.lines).toEqual([]);
    expect(await streams.next('s', first?.stream ?? '')).toBeUndefined();
  });

  test('when nothing comes an empty piece says so', async () => {
    const from = source();
    const first = await streams.begin('s', from.open, () => undefined);
    expect(first?.lines).toEqual([]);
    expect(first?.stream).toBeDefined();
  });

  test('what does not fit comes with the next piece', async () => {
    const from = source();
    from.push(note(1), note(2), note(3), note(4), note(5), note(6));
    from.end();
    const got: string[] = [];
    let piece = await streams.begin('s', from.open, () => undefined);
    got.push(...(piece?.lines ?? []));
    expect(piece?.stream).toBeDefined();
    while (piece?.stream !== undefined) {
      piece = await streams.next('s', piece.stream);
      got.push(...(piece?.lines ?? []));
    }
    expect(got).toEqual([1, 2, 3, 4, 5, 6].map(line));
  });

  test("another session's stream is unknown", async () => {
    const from = source();
    const first = await streams.begin('s', from.open, () => undefined);
    expect(await streams.next('other', first?.stream ?? '')).toBeUndefined();
    expect(streams.cancel('other', first?.stream ?? '')).toBe(false);
    expect(streams.size).toBe(1);
  });

  test('a second reader at the same time gets nothing', async () => {
    const from = source();
    const first = await streams.begin('s', from.open, () => undefined);
    const one = streams.next('s', first?.stream ?? '');
    expect(await streams.next('s', first?.stream ?? '')).toBeUndefined();
    from.push(note(1));
    expect((await one)?.lines).toEqual([line(1)]);
  });

  test('a server that has not begun to answer can be left', async () => {
    const never = Promise.withResolvers<Exchange>();
    const first = await streams.begin(
      's',
      () => never.promise,
      () => never.reject(new Error('left')),
    );
    expect(first?.lines).toEqual([]);
    expect(first?.exchange).toBeUndefined();
    const waiting = streams.next('s', first?.stream ?? '');
    expect(streams.cancel('s', first?.stream ?? '')).toBe(true);
    await expect(waiting).rejects.toThrow('left');
  });

  test('more than its share a session does not get, and nothing is begun', async () => {
    let begun = 0;
    const open = () => ((begun += 1), source().open());
    for (let n = 0; n < 3; n += 1) await streams.begin('s', open, () => undefined);
    expect(begun).toBe(2);
    expect(streams.size).toBe(2);
    expect(await streams.begin('other', source().open, () => undefined)).toBeDefined();
  });

  test('of a session that is revoked end, and no others', async () => {
    const [from, other] = [source(), source()];
    let isAborted = false;
    const first = await streams.begin('s', from.open, () => (isAborted = true));
    await streams.begin('other', other.open, () => undefined);
    streams.endSession('s');
    expect(isAborted).toBe(true);
    expect(streams.size).toBe(1);
    expect(await streams.next('s', first?.stream ?? '')).toBeUndefined();
    from.push(note(1));
    await pause(1);
    expect(from.left).toBe(true);
    expect(other.left).toBe(false);
  });

  test('of a session that is revoked end while somebody waits', async () => {
    const never = Promise.withResolvers<Exchange>();
    const first = await streams.begin(
      's',
      () => never.promise,
      () => never.reject(new Error('left')),
    );
    const waiting = streams.next('s', first?.stream ?? '');
    streams.endSession('s');
    await expect(waiting).rejects.toThrow('left');
    expect(streams.size).toBe(0);
  });

  test('what nobody asks for is forgotten, and its exchange ended', async () => {
    const from = source();
    let isAborted = false;
    await streams.begin('s', from.open, () => (isAborted = true));
    await pause(120);
    expect(streams.size).toBe(0);
    expect(isAborted).toBe(true);
  });

  test('a failure reaches its reader, and the stream is gone', async () => {
    const from = source();
    const first = await streams.begin('s', from.open, () => undefined);
    const later = streams.next('s', first?.stream ?? '');
    from.fail(new Error('broke off'));
    await expect(later).rejects.toThrow('broke off');
    expect(streams.size).toBe(0);
  });
});
