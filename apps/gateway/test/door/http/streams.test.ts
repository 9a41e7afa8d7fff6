/** Event streams of the HTTPS face: as they come, no faster than they are read, and never longer than they may. */
import type { IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Message } from '@sallyport/model-context';
import { UpstreamFailure, type Exchange, type ServerEvent } from '../../../src/door/ports.ts';
import { SESSION, startFace, type Face } from '../support/face.ts';

const note = (n: number): Message => ({ jsonrpc: '2.0', method: 'notifications/message', params: { n } });
const done: Message = { jsonrpc: '2.0', id: 1, result: {} };
const LISTEN = { method: 'GET', headers: { accept: 'text/event-stream' } } as const;

/** Events that a test gives one by one. */
class Source {
  readonly #waiting: ((result: IteratorResult<ServerEvent>) => void)[] = [];
  readonly #events: ServerEvent[] = [];
  isLeft = false;
  pulled = 0;
  give(event: ServerEvent): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#events.push(event);
    else next({ done: false, value: event });
  }
  readonly messages: AsyncIterable<ServerEvent> = {
    [Symbol.asyncIterator]: () => ({
      next: () => {
        this.pulled += 1;
        const value = this.#events.shift();
        if (value !== undefined) return Promise.resolve({ done: false, value });
        return new Promise((resolve) => this.#waiting.push(resolve));
      },
      return: () => {
        this.isLeft = true;
        return Promise.resolve({ done: true, value: undefined });
      },
    }),
  };
}

const events = (messages: AsyncIterable<ServerEvent>): Exchange => ({
  status: 200,
  kind: 'events',
  messages,
});

async function* listed(...list: ServerEvent[]): AsyncGenerator<ServerEvent> {
  yield* list;
}

async function until(isSo: () => boolean, withinMs = 3_000): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error('it did not come to that');
    await delay(5);
  }
}

/** What is read so far. */
function reading(response: IncomingMessage): { text: () => string; isOver: () => boolean } {
  let text = '';
  let isOver = false;
  response.on('data', (chunk: Buffer) => (text += String(chunk)));
  response.on('close', () => (isOver = true));
  response.on('error', () => (isOver = true));
  return { text: () => text, isOver: () => isOver };
}

const listening = (source: Source, more: Parameters<typeof startFace>[0] = {}): Promise<Face> =>
  startFace({ ...more, server: { listen: () => Promise.resolve(events(source.messages)) } });

describe('an answer', () => {
  test('of events has ids, retries, priming and its end', async () => {
    const exchange = {
      ...events(listed({ id: 'e-0', retryMs: 500 }, { id: 'e-1', message: note(1) }, { message: done })),
      sessionId: 's-1',
    };
    await using face = await startFace({ server: { send: () => Promise.resolve(exchange) } });
    const answer = await face.send();
    expect(answer.headers['content-type']).toBe('text/event-stream');
    expect(answer.headers['x-accel-buffering']).toBe('no');
    expect(answer.headers['cache-control']).toContain('no-transform');
    expect(answer.headers['mcp-session-id']).toBe('s-1');
    expect(answer.text).toBe(
      `id: e-0\nretry: 500\ndata: \n\nevent: message\nid: e-1\ndata: ${JSON.stringify(note(1))}\n\n` +
        `event: message\ndata: ${JSON.stringify(done)}\n\n`,
    );
  });

  test.each([
    { what: 'an unknown session', status: 404, error: { code: -32600, message: 'Session not found' } },
    { what: 'a method nobody knows', status: 404, error: { code: -32601, message: 'Method not found' } },
    { what: 'a capability that is missing', status: 400, error: { code: -32021, message: 'Missing' } },
  ])('with the status of the server: $what', async ({ status, error }) => {
    const message: Message = { jsonrpc: '2.0', id: 1, error };
    await using face = await startFace({
      server: { send: () => Promise.resolve({ status, kind: 'json', messages: listed({ message }) }) },
    });
    const answer = await face.send();
    expect(answer.status).toBe(status);
    expect(answer.json()).toEqual(message);
  });

  test('that is none: 202 to a notification', async () => {
    await using face = await startFace();
    const answer = await face.send({
      body: JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' }),
    });
    expect(answer.status).toBe(202);
    expect(answer.text).toBe('');
  });

  test('DELETE ends a session', async () => {
    await using face = await startFace();
    expect((await face.send({ method: 'DELETE', headers: { 'mcp-session-id': 's-1' } })).status).toBe(200);
  });

  test('GET where a server has nothing to say', async () => {
    await using face = await startFace();
    expect((await face.send(LISTEN)).status).toBe(405);
  });

  test('a stream is taken up again', async () => {
    const source = new Source();
    await using face = await listening(source);
    const response = await face.open({ ...LISTEN, headers: { ...LISTEN.headers, 'last-event-id': 'e-7' } });
    expect(face.seen[0]).toMatchObject({ lastEventId: 'e-7' });
    response.destroy();
  });
});

describe('trouble on the way', () => {
  const failing = (failure: Error): Promise<Face> =>
    startFace({ server: { send: () => Promise.reject(failure) } });

  test('without effect: it may be tried again', async () => {
    await using face = await failing(new UpstreamFailure('unreachable', 'connect ECONNREFUSED 10.0.0.1'));
    const answer = await face.send();
    expect(answer.status).toBe(200);
    expect(answer.json()).toMatchObject({
      id: 1,
      error: { code: -32001, data: { retryAfterMs: 1_000, problem: 'unreachable' } },
    });
    expect(answer.text).not.toContain('10.0.0.1');
  });

  test('with an effect that nobody knows', async () => {
    await using face = await failing(new UpstreamFailure('timeout', 'late'));
    const answer = await face.send();
    expect(answer.json()).toMatchObject({ id: 1, error: { code: -32603, data: { problem: 'timeout' } } });
  });

  test('for who waits for no answer', async () => {
    await using face = await failing(new UpstreamFailure('busy', 'full'));
    const answer = await face.send({
      body: JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' }),
    });
    expect(answer.status).toBe(503);
    expect(answer.headers['retry-after']).toBe('1');
  });

  test('a defect says nothing of itself', async () => {
    await using face = await failing(new Error('secret'));
    const answer = await face.send();
    expect(answer.status).toBe(500);
    expect(answer.text).not.toContain('secret');
  });

  async function* breaking(...list: ServerEvent[]): AsyncGenerator<ServerEvent> {
    yield* list;
    throw new UpstreamFailure('broke_off', 'gone');
  }

  test('in the middle of a stream is its last event', async () => {
    await using face = await startFace({
      server: { send: () => Promise.resolve(events(breaking({ message: note(1) }))) },
    });
    const answer = await face.send();
    expect(answer.text).toContain('"code":-32603');
    expect(answer.text).toContain('"id":1');
  });

  test('in the middle of a stream that can be taken up again is not denied', async () => {
    await using face = await startFace({
      server: { send: () => Promise.resolve(events(breaking({ id: 'e-1', message: note(1) }))) },
    });
    expect((await face.send()).text).not.toContain('error');
  });
});

describe('a stream that is open', () => {
  test('gives each event when it comes', async () => {
    const source = new Source();
    await using face = await listening(source);
    const response = await face.open(LISTEN);
    const read = reading(response);
    source.give({ message: note(1) });
    await until(() => read.text().includes('"n":1'));
    source.give({ message: note(2) });
    await until(() => read.text().includes('"n":2'));
    expect(read.isOver()).toBe(false);
    expect(await face.exposition()).toContain('sallyport_door_streams{service="gateway"} 1');
    response.destroy();
    await until(() => source.isLeft);
    await until(() => face.door.underWay === 0);
    expect(await face.exposition()).toContain('sallyport_door_streams{service="gateway"} 0');
  });

  test('says that it lives', async () => {
    await using face = await listening(new Source(), { keepAliveMs: 20 });
    const response = await face.open(LISTEN);
    const read = reading(response);
    await until(() => read.text().startsWith(':\n\n:\n\n'));
    response.destroy();
  });

  test('ends at once when its session is revoked', async () => {
    const source = new Source();
    await using face = await listening(source);
    const read = reading(await face.open(LISTEN));
    face.door.endSession('cd'.repeat(16));
    await delay(30);
    expect(read.isOver()).toBe(false);
    face.door.endSession(SESSION);
    await until(read.isOver);
    expect(source.isLeft).toBe(true);
  });

  test('ends when nobody can say what is revoked', async () => {
    await using face = await listening(new Source());
    const read = reading(await face.open(LISTEN));
    face.door.endAll();
    await until(read.isOver);
  });

  test('ends with its token', async () => {
    const source = new Source();
    await using face = await listening(source);
    const exp = Math.ceil(face.clock.now() / 1_000) + 1;
    const read = reading(await face.open({ ...LISTEN, token: await face.token({ exp }) }));
    expect(read.isOver()).toBe(false);
    await until(read.isOver, 4_000);
    expect(source.isLeft).toBe(true);
  });

  test('ends when the gateway stops, before what is answered', async () => {
    const source = new Source();
    const face = await listening(source);
    const read = reading(await face.open(LISTEN));
    const startedAt = performance.now();
    await face[Symbol.asyncDispose]();
    await until(read.isOver);
    expect(performance.now() - startedAt).toBeLessThan(3_000);
  });

  test('is not read from faster than its client reads', async () => {
    let made = 0;
    const big = 'x'.repeat(64 * 1024);
    async function* flood(): AsyncGenerator<ServerEvent> {
      for (; made < 10_000; made += 1) yield { message: { jsonrpc: '2.0', method: 'm', params: { big } } };
    }
    await using face = await startFace({ server: { listen: () => Promise.resolve(events(flood())) } });
    const response = await face.open(LISTEN);
    response.pause();
    await delay(300);
    const before = made;
    await delay(200);
    expect(made).toBe(before);
    // What the sockets of both sides hold, and a little more: never the 640 MB that there are.
    expect(made * big.length).toBeLessThan(32 * 1024 * 1024);
    response.destroy();
    await until(() => face.door.underWay === 0);
  });

  test('of a client that does not read is cut when its session is revoked', async () => {
    async function* flood(): AsyncGenerator<ServerEvent> {
      for (;;) yield { message: { jsonrpc: '2.0', method: 'm', params: { big: 'x'.repeat(65_536) } } };
    }
    await using face = await startFace({ server: { listen: () => Promise.resolve(events(flood())) } });
    const response = await face.open(LISTEN);
    response.on('error', () => undefined);
    response.pause();
    await delay(100);
    face.door.endSession(SESSION);
    await until(() => face.door.underWay === 0);
  });
});

describe('a client that goes away', () => {
  test('cancels what it asked for', async () => {
    let signal: AbortSignal | undefined;
    await using face = await startFace({
      server: {
        send: (call) => {
          ({ signal } = call);
          return new Promise((_resolve, reject) => {
            call.signal.addEventListener('abort', () => reject(new UpstreamFailure('cancelled', 'gone')));
          });
        },
      },
    });
    const pending = face.open().catch(() => undefined);
    await until(() => signal !== undefined);
    await face[Symbol.asyncDispose]();
    expect(signal?.aborted).toBe(true);
    await pending;
  });
});
