/** Streams of lines against a session that a test plays. */
import { ChannelError, type Channel, type Response } from '@sallyport/client';
import { describe, expect, test } from 'vitest';
import { SessionKeeper, SessionUnavailable } from './session-keeper.ts';
import { MAX_MESSAGE_BYTES, sendStream, type StreamEnd, type StreamOptions } from './stream.ts';
import { Tally, type Outcome } from './tally.ts';

type Request = Channel['request'];
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (body: Uint8Array): string => new TextDecoder().decode(body);
const answer = (body: Uint8Array): Response => ({ contentType: 'application/json', body, correlation: '00' });
const echo: Request = async (_destination, body) => answer(body);
const lost = (mayHaveTakenEffect: boolean): ChannelError =>
  new ChannelError('connection', 'connection_lost', 'the wire was cut', { mayHaveTakenEffect });
const denied = new ChannelError('refusal', 'denied', 'no');

async function* chunks(...parts: readonly (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield typeof part === 'string' ? bytes(part) : part;
}

type Ran = { readonly end: StreamEnd; readonly outcomes: readonly Outcome[]; readonly tally: Tally };

async function run(
  source: AsyncIterable<Uint8Array>,
  request: Request,
  change: Partial<StreamOptions> = {},
): Promise<Ran> {
  const outcomes: Outcome[] = [];
  const tally = new Tally();
  const end = await sendStream({
    source,
    sessions: { use: (work) => work({ request } as Channel) },
    destination: 'echo',
    contentType: 'application/json',
    timeoutMs: 1000,
    inFlight: 4,
    isStoppingOnError: false,
    signal: new AbortController().signal,
    graceMs: 50,
    onOutcome(outcome) {
      outcomes.push(outcome);
      tally.add(outcome);
    },
    ...change,
  });
  return { end, outcomes, tally };
}

describe('lines', () => {
  test('each line is one message, whatever the chunks', async () => {
    const seen: string[] = [];
    const { end, tally } = await run(chunks('{"a":1}\n{"b"', ':2}\r\n\n  \n[3', ']'), async (_to, body) => {
      seen.push(text(body));
      return answer(body);
    });
    expect(seen).toEqual(['{"a":1}', '{"b":2}', '[3]']);
    expect(end).toEqual({ kind: 'done' });
    expect(tally.counts).toMatchObject({ lines: 3, sent: 3, succeeded: 3, failed: 0 });
  });

  test.each([
    ['not JSON', '{"a":1}\n{oops\n2\n', 2],
    ['not UTF-8', Uint8Array.of(0x31, 0x0a, 0x22, 0xff, 0x22, 0x0a, 0x32), 2],
    ['too long', `1\n"${'x'.repeat(MAX_MESSAGE_BYTES)}"\n2`, 2],
  ] as const)(
    'a line that is %s is named, counted, and does not stop the rest',
    async (_name, input, line) => {
      const { end, outcomes, tally } = await run(chunks(input), echo);
      expect(end.kind).toBe('done');
      expect(outcomes.filter(({ kind }) => kind === 'invalid')).toMatchObject([{ line }]);
      expect(tally.counts).toMatchObject({ lines: 3, sent: 2, succeeded: 2, failed: 1 });
    },
  );

  test('a byte order mark is not part of the first line', async () => {
    const { tally } = await run(chunks(Uint8Array.of(0xef, 0xbb, 0xbf), '{}\n'), echo);
    expect(tally.counts).toMatchObject({ succeeded: 1, failed: 0 });
  });

  test('what is not JSON goes as it is under another content type', async () => {
    const { tally } = await run(chunks('plain text\n'), echo, { contentType: 'text/plain' });
    expect(tally.counts.succeeded).toBe(1);
  });
});

describe('flow', () => {
  test('never more lines under way than asked for, nor read far ahead', async () => {
    let underWay = 0;
    let most = 0;
    let read = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (; read < 500; read += 1) yield bytes(`${read}\n`);
    }
    const { tally } = await run(
      endless(),
      async (_to, body) => {
        underWay += 1;
        most = Math.max(most, underWay);
        await new Promise((resolve) => setImmediate(resolve));
        underWay -= 1;
        return answer(body);
      },
      { inFlight: 7 },
    );
    expect(most).toBe(7);
    expect(tally.counts.succeeded).toBe(500);
  });

  test('outcomes that are slow to keep hold back the reading', async () => {
    let read = 0;
    const release = Promise.withResolvers<void>();
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (; read < 1000; read += 1) yield bytes(`${read}\n`);
    }
    const running = run(endless(), echo, { onOutcome: () => release.promise, inFlight: 5 });
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(read).toBeLessThan(10);
    release.resolve();
    expect((await running).end.kind).toBe('done');
  });
});

describe('at most once', () => {
  test('a line that left when the connection was lost is not sent again', async () => {
    let calls = 0;
    const { tally } = await run(chunks('1\n2\n3\n4\n'), async (_to, body) => {
      calls += 1;
      if (text(body) === '2' || text(body) === '3') throw lost(true);
      return answer(body);
    });
    expect(calls).toBe(4);
    expect(tally.counts).toMatchObject({ succeeded: 2, failed: 2, unknownOutcome: 2, sent: 4 });
    expect(tally.unknownLines).toBe('2-3');
  });

  test('a line that had not left goes out on the next session', async () => {
    let calls = 0;
    const { tally } = await run(chunks('1\n'), async (_to, body) => {
      calls += 1;
      if (calls < 3) throw lost(false);
      return answer(body);
    });
    expect(calls).toBe(3);
    expect(tally.counts).toMatchObject({ succeeded: 1, failed: 0 });
  });

  test('when no session can be had any more, the stream stops: lines that did not leave are not unknown', async () => {
    let calls = 0;
    const { end, tally } = await run(chunks('1\n2\n', '3\n4\n5\n6\n7\n8\n9\n'), echo, {
      inFlight: 2,
      sessions: {
        use: async (work) => {
          calls += 1;
          if (calls > 3) throw new SessionUnavailable(lost(false));
          return work({ request: echo } as Channel);
        },
      },
    });
    expect(end).toMatchObject({ kind: 'broken', error: { code: 'connection_lost' } });
    expect(tally.counts).toMatchObject({ succeeded: 3, sent: 3, unknownOutcome: 0 });
    expect(tally.counts.lines).toBeLessThan(7);
  });

  test('a refusal is final, by code', async () => {
    let calls = 0;
    const { tally } = await run(chunks('1\n2\n'), async () => {
      calls += 1;
      throw denied;
    });
    expect(calls).toBe(2);
    expect(tally.counts).toMatchObject({ refused: { denied: 2 }, sent: 2, failed: 0 });
  });
});

describe('stopping', () => {
  test('at the first error, where asked', async () => {
    const { end, tally } = await run(chunks('1\n{\n', '3\n4\n5\n6\n7\n8\n9\n'), echo, {
      isStoppingOnError: true,
      inFlight: 1,
    });
    expect(end.kind).toBe('stopped');
    expect(tally.counts.lines).toBe(2);
  });

  test('an interrupt ends a source that has nothing to give', async () => {
    const interrupt = new AbortController();
    async function* waiting(): AsyncGenerator<Uint8Array> {
      yield bytes('1\n');
      await new Promise(() => undefined);
    }
    setTimeout(() => interrupt.abort(), 20);
    const { end, tally } = await run(waiting(), echo, { signal: interrupt.signal });
    expect(end.kind).toBe('interrupted');
    expect(tally.counts.succeeded).toBe(1);
  });

  test('an interrupt waits a little for what is under way, then gives it up', async () => {
    const interrupt = new AbortController();
    setTimeout(() => interrupt.abort(), 10);
    const { end, tally } = await run(
      chunks('1\n2\n'),
      (_to, _body, options) =>
        new Promise((_resolve, reject) => {
          options?.signal?.addEventListener('abort', () => reject(lost(true)));
        }),
      { signal: interrupt.signal, graceMs: 20 },
    );
    expect(end.kind).toBe('interrupted');
    expect(tally.counts).toMatchObject({ failed: 2, unknownOutcome: 2 });
  });

  test('a source that breaks, and an outcome that cannot be kept', async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield bytes('1\n');
      throw new Error('disk');
    }
    expect((await run(broken(), echo)).end).toMatchObject({ kind: 'broken', error: { message: 'disk' } });
    const full = (): Promise<void> => Promise.reject(new Error('full'));
    expect((await run(chunks('1\n2\n'), echo, { onOutcome: full })).end).toMatchObject({ kind: 'broken' });
  });
});

describe('the session that messages go out on', () => {
  const signal = new AbortController().signal;
  function fake(log: string[], name: string): { channel: Channel; end: () => void; age: () => void } {
    const state: { closedBy: ChannelError | undefined; isRenewalDue: boolean } = {
      closedBy: undefined,
      isRenewalDue: false,
    };
    const channel = {
      principal: 'user:alice',
      get closedBy() {
        return state.closedBy;
      },
      get isRenewalDue() {
        return state.isRenewalDue;
      },
      close: async () => void log.push(`close ${name}`),
    } as Channel;
    return { channel, end: () => (state.closedBy = lost(false)), age: () => (state.isRenewalDue = true) };
  }

  test('one for all, and the next when it is over', async () => {
    const log: string[] = [];
    const all = [fake(log, 'a'), fake(log, 'b')];
    let opened = 0;
    const open = async (): Promise<Channel> => all[opened++]?.channel as Channel;
    await using keeper = new SessionKeeper({ open, signal });
    const used = await Promise.all([keeper.use(async (c) => c), keeper.use(async (c) => c)]);
    expect(used).toEqual([all[0]?.channel, all[0]?.channel]);
    all[0]?.end();
    expect(await keeper.use(async (c) => c)).toBe(all[1]?.channel);
    expect(keeper.opened).toBe(2);
  });

  test('one due for renewal is closed when its last user is done, not before', async () => {
    const log: string[] = [];
    const all = [fake(log, 'a'), fake(log, 'b')];
    let opened = 0;
    await using keeper = new SessionKeeper({ open: async () => all[opened++]?.channel as Channel, signal });
    const slow = Promise.withResolvers<void>();
    const first = keeper.use(() => slow.promise);
    await new Promise((resolve) => setImmediate(resolve));
    all[0]?.age();
    expect(await keeper.use(async (c) => c)).toBe(all[1]?.channel);
    expect(log).toEqual([]);
    slow.resolve();
    await first;
    expect(log).toEqual(['close a']);
  });

  test('the first connection fails at once; a lost one is tried again, not for ever', async () => {
    let tries = 0;
    const never = async (): Promise<Channel> => {
      tries += 1;
      throw lost(false);
    };
    await using first = new SessionKeeper({ open: never, signal, pauseMs: 1 });
    await expect(first.use(async () => 1)).rejects.toThrow(SessionUnavailable);
    expect(tries).toBe(1);
    tries = 0;
    const only = fake([], 'a');
    const once = async (): Promise<Channel> => (tries === 0 ? ((tries += 1), only.channel) : never());
    await using second = new SessionKeeper({ open: once, signal, pauseMs: 1, attempts: 3 });
    await second.use(async () => 1);
    only.end();
    await expect(second.use(async () => 1)).rejects.toThrow(SessionUnavailable);
    expect(tries).toBe(4);
  });
});
