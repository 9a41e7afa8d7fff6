/** Sessions with an honest gateway: requests, batching, windows, acknowledgements, time-outs, ends. */
import { encodeAlert, parseControl } from '@sallyport/channel';
import { fc, test as property } from './support/properties.ts';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { makeWorld, type World } from './support/certificates.ts';
import {
  body,
  echoOf,
  failureOf,
  psk,
  refusalOf,
  TestGateway,
  text,
  type Behaviour,
} from './support/gateway.ts';

let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
const gatewayWith = (behaviour: Behaviour = {}): TestGateway => new TestGateway(world, behaviour);
const silent = { onMessages: () => undefined };
const tick = (ms = 0): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('requests', () => {
  test('the response comes back with its content type, and the session says who we are', async () => {
    const gateway = gatewayWith();
    await using channel = await gateway.connect();
    const response = await channel.request('echo', body('{"a":1}'), { contentType: 'application/json' });
    expect(text(response.body)).toBe('{"a":1}');
    expect(response.contentType).toBe('application/json');
    expect(response.correlation).toMatch(/^[0-9a-f]{32}$/u);
    expect(channel.principal).toBe('user:alice');
    expect(channel.counts).toEqual({ sent: 1, frames: 1, received: 1, rejected: 0, resumes: 0 });
  });

  test('by pre-shared key', async () => {
    const gateway = gatewayWith();
    await using channel = await gateway.connect({ credential: { kind: 'psk', ...psk } });
    expect(text((await channel.request('echo', body('hi'))).body)).toBe('hi');
    expect(channel.principal).toBe('workload:batch');
  });

  test('bound to the TLS connection where both have the exporter', async () => {
    const exporter = new Uint8Array(32).fill(7);
    const gateway = gatewayWith({ exporter: { client: exporter, gateway: exporter } });
    await using channel = await gateway.connect({ channelBinding: 'required' });
    expect(text((await channel.request('echo', body('hi'))).body)).toBe('hi');
  });

  test('responses in any order find their requests', async () => {
    const held: Parameters<typeof echoOf>[0][] = [];
    const gateway = gatewayWith({
      onMessages(self, messages) {
        held.push(...messages);
        if (held.length === 20) for (const message of held.reverse()) self.send(echoOf(message));
      },
    });
    await using channel = await gateway.connect();
    const bodies = Array.from({ length: 20 }, (_, at) => String(at));
    const responses = await Promise.all(bodies.map((item) => channel.request('echo', body(item))));
    expect(responses.map((response) => text(response.body))).toEqual(bodies);
  });

  property.prop([fc.array(fc.uint8Array({ maxLength: 2000 }), { minLength: 1, maxLength: 60 })], {
    numRuns: 10,
  })('whatever the bytes, they come back', async (bodies) => {
    await using channel = await gatewayWith().connect();
    const responses = await Promise.all(bodies.map((item) => channel.request('echo', item)));
    expect(responses.map((response) => [...response.body])).toEqual(bodies.map((item) => [...item]));
  });
});

describe('frames gather by back-pressure', () => {
  test('requests of one turn share a frame, up to the batch', async () => {
    const gateway = gatewayWith();
    await using channel = await gateway.connect({ batch: 32 });
    await Promise.all(Array.from({ length: 64 }, () => channel.request('echo', body('x'))));
    expect(gateway.frameSizes).toEqual([32, 32]);
  });

  test('with two frames outstanding the third gathers, but not for longer than a moment', async () => {
    const gateway = gatewayWith(silent);
    const channel = await gateway.connect({ batch: 32 });
    const ends = [];
    for (let at = 0; at < 6; at += 1) {
      ends.push(channel.request('slow', body('x')).catch(() => undefined));
      await tick(1);
    }
    expect(gateway.frameSizes.slice(0, 2)).toEqual([1, 1]);
    await vi.waitFor(() => expect(gateway.requests.length).toBe(6));
    expect(gateway.frameSizes.length).toBeLessThan(6);
    await channel.close();
    await Promise.all(ends);
  });

  test('a frame is never larger than the gateway takes', async () => {
    const gateway = gatewayWith({ limits: { maxFrameBytes: 8192 } });
    await using channel = await gateway.connect();
    await Promise.all(Array.from({ length: 20 }, () => channel.request('echo', new Uint8Array(3000))));
    expect(Math.max(...gateway.frames.map(({ length }) => length))).toBeLessThanOrEqual(8192);
  });

  test('no more unacknowledged messages than the window has places', async () => {
    const gateway = gatewayWith({ ...silent, limits: { maxUnacknowledged: 5 } });
    const channel = await gateway.connect();
    const ends = Array.from({ length: 12 }, () => channel.request('slow', body('x')).catch(() => 'ended'));
    await vi.waitFor(() => expect(gateway.requests.length).toBe(5));
    await tick(40);
    expect(gateway.requests.length).toBe(5);
    gateway.send(...gateway.requests.slice(0, 3).map(echoOf));
    await vi.waitFor(() => expect(gateway.requests.length).toBe(8));
    await channel.close();
    await Promise.all(ends);
  });

  test('while the carrier is full nothing leaves, acknowledgements included; then all of it', async () => {
    let isBlocked = false;
    const gateway = gatewayWith({ isBlocked: () => isBlocked });
    await using channel = await gateway.connect();
    isBlocked = true;
    await channel.request('echo', body('1'));
    const second = channel.request('echo', body('2'));
    await tick(60);
    expect(gateway.requests.length).toBe(1);
    expect(gateway.controls.length).toBe(0);
    isBlocked = false;
    gateway.events?.onDrain();
    expect(text((await second).body)).toBe('2');
    await vi.waitFor(() => expect(gateway.controls.length).toBeGreaterThan(0));
  });
});

describe('acknowledgements', () => {
  test('one that fell due while the carrier was full leaves when it takes frames again', async () => {
    let isBlocked = false;
    const gateway = gatewayWith({ isBlocked: () => isBlocked });
    await using channel = await gateway.connect();
    isBlocked = true;
    await channel.request('echo', body('x'));
    await tick(60);
    expect(gateway.controls.length).toBe(0);
    isBlocked = false;
    gateway.events?.onDrain();
    await vi.waitFor(() => expect(gateway.controls.length).toBe(1));
  });

  test('what the gateway sent is acknowledged within moments, without a further request', async () => {
    const gateway = gatewayWith();
    await using channel = await gateway.connect();
    await channel.request('echo', body('x'));
    await vi.waitFor(() => expect(gateway.controls.length).toBe(1));
    const parsed = parseControl(gateway.controls[0]?.payload ?? new Uint8Array());
    expect(parsed).toMatchObject({
      ok: true,
      control: { kind: 'ack', receivedThrough: 1, lost: 0, missing: [] },
    });
  });

  test('an acknowledgement of the gateway frees the window', async () => {
    const gateway = gatewayWith({ ...silent, limits: { maxUnacknowledged: 2 } });
    const channel = await gateway.connect();
    const ends = Array.from({ length: 4 }, () => channel.request('slow', body('x')).catch(() => 'ended'));
    await vi.waitFor(() => expect(gateway.requests.length).toBe(2));
    gateway.acknowledge(2);
    await vi.waitFor(() => expect(gateway.requests.length).toBe(4));
    await channel.close();
    await Promise.all(ends);
  });

  test('what the gateway says is missing stays open', async () => {
    const gateway = gatewayWith({ ...silent, limits: { maxUnacknowledged: 3 } });
    const channel = await gateway.connect();
    const ends = Array.from({ length: 6 }, () => channel.request('slow', body('x')).catch(() => 'ended'));
    await vi.waitFor(() => expect(gateway.requests.length).toBe(3));
    gateway.acknowledge(3, [{ first: 1, count: 2 }]);
    await vi.waitFor(() => expect(gateway.requests.length).toBe(4));
    await tick(40);
    expect(gateway.requests.length).toBe(4);
    await channel.close();
    await Promise.all(ends);
  });

  test('more responses than 64 at once are acknowledged, so that the gateway never runs out of window', async () => {
    const gateway = gatewayWith();
    await using channel = await gateway.connect();
    for (let round = 0; round < 4; round += 1) {
      await Promise.all(Array.from({ length: 256 }, () => channel.request('echo', body('x'))));
    }
    expect(channel.counts.rejected).toBe(0);
  });
});

describe('requests that do not get an answer', () => {
  test('a time-out after it left may have taken effect, and keeps its place in the window', async () => {
    const gateway = gatewayWith({ ...silent, limits: { maxUnacknowledged: 1 } });
    const channel = await gateway.connect();
    const late = await failureOf(channel.request('slow', body('1'), { timeoutMs: 30 }));
    expect(late).toMatchObject({ kind: 'timeout', code: 'timeout', mayHaveTakenEffect: true });
    const unsent = await failureOf(channel.request('slow', body('2'), { timeoutMs: 30 }));
    expect(unsent).toMatchObject({ kind: 'timeout', mayHaveTakenEffect: false });
    expect(gateway.requests.length).toBe(1);
    const third = channel.request('slow', body('3'));
    gateway.send(...gateway.requests.map(echoOf));
    await vi.waitFor(() => expect(gateway.requests.length).toBe(2));
    gateway.send(...gateway.requests.slice(1).map(echoOf));
    expect(text((await third).body)).toBe('3');
    await channel.close();
  });

  test('given up before it left: nothing happened', async () => {
    const gateway = gatewayWith({ ...silent, limits: { maxUnacknowledged: 1 } });
    const channel = await gateway.connect();
    const first = channel.request('slow', body('1')).catch(() => undefined);
    const giveUp = new AbortController();
    const second = failureOf(channel.request('slow', body('2'), { signal: giveUp.signal }));
    await tick(20);
    giveUp.abort();
    expect(await second).toMatchObject({ kind: 'closed', mayHaveTakenEffect: false });
    await channel.close();
    await first;
    expect(gateway.requests.length).toBe(1);
  });

  test('a lost connection tells what left from what did not', async () => {
    const gateway = gatewayWith({ ...silent, limits: { maxUnacknowledged: 2 } });
    const channel = await gateway.connect();
    const ends = Array.from({ length: 4 }, () => failureOf(channel.request('slow', body('x'))));
    await vi.waitFor(() => expect(gateway.requests.length).toBe(2));
    gateway.lose();
    const errors = await Promise.all(ends);
    expect(errors.map(({ mayHaveTakenEffect }) => mayHaveTakenEffect)).toEqual([true, true, false, false]);
    expect(errors.every(({ code }) => code === 'connection_lost')).toBe(true);
    expect(channel.closedBy?.code).toBe('connection_lost');
    expect(await failureOf(channel.request('echo', body('x')))).toMatchObject({ mayHaveTakenEffect: false });
  });

  test('the end of an epoch refuses what has not left, and what has is still answered', async () => {
    const gateway = gatewayWith({ limits: { maxEpochMessages: 3 } });
    const channel = await gateway.connect({ batch: 1 });
    const first = channel.request('echo', body('1'));
    expect(text((await first).body)).toBe('1');
    expect(channel.isRenewalDue).toBe(false);
    const ends = await Promise.allSettled(
      Array.from({ length: 4 }, () => channel.request('echo', body('x'), { timeoutMs: 500 })),
    );
    const refused = ends.filter(({ status }) => status === 'rejected');
    expect(refused.length).toBeGreaterThan(0);
    expect(channel.isRenewalDue).toBe(true);
    await channel.close();
  });
});

describe('a caller who outruns the gateway', () => {
  test('is refused with busy beyond the bound, and ready() waits for room', async () => {
    const gateway = gatewayWith({ ...silent, limits: { maxUnacknowledged: 1 } });
    const channel = await gateway.connect({ maxWaiting: 3 });
    const ends = [channel.request('slow', body('x')).catch(() => undefined)];
    await vi.waitFor(() => expect(gateway.requests.length).toBe(1));
    for (let at = 0; at < 3; at += 1) ends.push(channel.request('slow', body('x')).catch(() => undefined));
    expect(await failureOf(channel.request('slow', body('x')))).toMatchObject({
      kind: 'usage',
      code: 'busy',
    });
    let isReady = false;
    const ready = channel.ready().then(() => (isReady = true));
    await tick(20);
    expect(isReady).toBe(false);
    gateway.send(...gateway.requests.map(echoOf));
    await ready;
    const blocked = channel.request('slow', body('x')).catch(() => undefined);
    const never = channel.ready();
    await channel.close();
    await Promise.all([...ends, blocked, never]);
  });
});

describe('requests that cannot be sent', () => {
  const cases = [
    ['an empty destination', { destination: '' }],
    ['a destination of 256 characters', { destination: 'x'.repeat(256) }],
    ['a destination that is not ASCII', { destination: 'écho' }],
    ['a content type with a line break', { contentType: 'a\nb' }],
    ['a traceparent of 256 characters', { traceparent: 'x'.repeat(256) }],
    ['a time-out of zero', { timeoutMs: 0 }],
    ['a time-out that is no number', { timeoutMs: Number.NaN }],
  ] as const;
  test.each(cases)('%s', async (_name, change) => {
    const gateway = gatewayWith();
    await using channel = await gateway.connect();
    const { destination = 'echo', ...options } = { ...change } as { destination?: string };
    const good = channel.request('echo', body('beside it'));
    expect(await failureOf(channel.request(destination, body('x'), options))).toMatchObject({
      kind: 'usage',
      code: 'invalid_request',
    });
    expect(text((await good).body)).toBe('beside it');
  });

  test('a body larger than a frame; the largest that fits goes', async () => {
    const gateway = gatewayWith({ limits: { maxFrameBytes: 4096 } });
    await using channel = await gateway.connect();
    const error = await failureOf(channel.request('echo', new Uint8Array(5000)));
    expect(error).toMatchObject({ kind: 'usage', code: 'too_large', mayHaveTakenEffect: false });
    const most = Number(/at most (\d+) bytes/u.exec(error.message)?.[1]);
    expect((await channel.request('echo', new Uint8Array(most))).body.length).toBe(most);
    expect((await failureOf(channel.request('echo', new Uint8Array(most + 1)))).code).toBe('too_large');
  });
});

describe('refusals', () => {
  test.each([
    ['denied', false],
    ['unknown_destination', false],
    ['unavailable', false],
    ['upstream_failed', true],
    ['outcome_unknown', true],
    ['response_lost', true],
  ] as const)('%s: may have taken effect is %s', async (code, mayHaveTakenEffect) => {
    const gateway = gatewayWith({
      onMessages: (self, messages) =>
        self.send(...messages.map((message) => refusalOf(message, code, 'because'))),
    });
    const channel = await gateway.connect();
    expect(await failureOf(channel.request('echo', body('x')))).toMatchObject({
      kind: 'refusal',
      code,
      message: 'because',
      mayHaveTakenEffect,
    });
    await channel.close();
  });
});

describe('the end', () => {
  test('close tells the gateway, is idempotent, and fails what is under way', async () => {
    const gateway = gatewayWith(silent);
    const channel = await gateway.connect();
    const under = failureOf(channel.request('slow', body('x')));
    await vi.waitFor(() => expect(gateway.requests.length).toBe(1));
    await Promise.all([channel.close(), channel.close()]);
    await channel.close();
    expect(await under).toMatchObject({ kind: 'closed', mayHaveTakenEffect: true });
    expect(gateway.isClosed).toBe(true);
  });

  test('an alert in clear ends nothing', async () => {
    const gateway = gatewayWith();
    await using channel = await gateway.connect();
    for (let at = 0; at < 50; at += 1) {
      gateway.deliver(encodeAlert(gateway.session?.sid, 'unknown_session'));
    }
    expect(text((await channel.request('echo', body('x'))).body)).toBe('x');
  });

  test('listeners on the caller’s signal go with each request', async () => {
    const gateway = gatewayWith();
    await using channel = await gateway.connect();
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, 'addEventListener');
    const removed = vi.spyOn(signal, 'removeEventListener');
    await Promise.all(Array.from({ length: 30 }, () => channel.request('echo', body('x'), { signal })));
    expect(added).toHaveBeenCalledTimes(30);
    expect(removed).toHaveBeenCalledTimes(30);
  });
});
