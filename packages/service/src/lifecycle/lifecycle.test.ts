import { describe, expect, test } from 'vitest';
import { unavailable } from '../errors/index.ts';
import { createLifecycle, createReadiness, type ShutdownProblem } from './index.ts';

const never = (): Promise<void> => new Promise(() => undefined);

describe('lifecycle', () => {
  test('drains newest first, all before the first close, and closes in reverse', async () => {
    const steps: string[] = [];
    const lifecycle = createLifecycle();
    for (const name of ['database', 'bus', 'server']) {
      await lifecycle.add(name, () => name, {
        drain: async (resource) => void steps.push(`drain ${resource}`),
        close: async (resource) => void steps.push(`close ${resource}`),
      });
    }
    expect(await lifecycle.shutdown()).toEqual([]);
    expect(steps).toEqual([
      'drain server',
      'drain bus',
      'drain database',
      'close server',
      'close bus',
      'close database',
    ]);
    expect(lifecycle.phase).toBe('closed');
  });

  test('a resource closes by its own disposer', async () => {
    const closed: string[] = [];
    {
      await using lifecycle = createLifecycle();
      await lifecycle.add('a', () => ({ [Symbol.dispose]: () => void closed.push('sync') }));
      await lifecycle.add('b', () => ({ [Symbol.asyncDispose]: async () => void closed.push('async') }));
      await lifecycle.add('c', () => 42);
    }
    expect(closed).toEqual(['async', 'sync']);
  });

  test('a failed start closes what was started, in reverse, and throws the same error', async () => {
    const closed: string[] = [];
    const lifecycle = createLifecycle();
    for (const name of ['a', 'b'])
      await lifecycle.add(name, () => name, { close: (resource) => void closed.push(resource) });
    const mine = new Error('mine');
    await expect(lifecycle.add('c', () => Promise.reject(mine))).rejects.toBe(mine);
    expect(closed).toEqual(['b', 'a']);
    await expect(lifecycle.add('d', () => 1)).rejects.toMatchObject({ reason: 'unavailable' });
  });

  test('problems are collected and do not stop the rest', async () => {
    const seen: ShutdownProblem[] = [];
    const closed: string[] = [];
    const lifecycle = createLifecycle({
      drainTimeoutMs: 30,
      closeTimeoutMs: 30,
      onProblem: (problem) => void seen.push(problem),
    });
    await lifecycle.add('first', () => 'first', { close: (resource) => void closed.push(resource) });
    await lifecycle.add('hangs', () => 1, { drain: never, close: never });
    await lifecycle.add('throws', () => 1, {
      drain: () => {
        throw new Error('at once');
      },
      close: () => Promise.reject(new Error('later')),
    });
    const problems = await lifecycle.shutdown();
    expect(problems.map(({ name, step }) => `${step} ${name}`).toSorted()).toEqual([
      'close hangs',
      'close throws',
      'drain hangs',
      'drain throws',
    ]);
    expect(seen).toEqual(problems);
    expect(closed).toEqual(['first']);
  });

  test('shutdown twice closes once', async () => {
    let closed = 0;
    const lifecycle = createLifecycle();
    await lifecycle.add('a', () => 1, { close: () => void (closed += 1) });
    await Promise.all([lifecycle.shutdown(), lifecycle.shutdown()]);
    expect(closed).toBe(1);
  });

  test('what finishes building after shutdown began is closed, not kept', async () => {
    const gate = Promise.withResolvers<void>();
    let closed = false;
    const lifecycle = createLifecycle();
    const adding = lifecycle.add('late', () => gate.promise, {
      close: () => {
        closed = true;
      },
    });
    await lifecycle.shutdown();
    gate.resolve();
    await expect(adding).rejects.toMatchObject({ reason: 'unavailable' });
    expect(closed).toBe(true);
  });

  test('is ready only between started and shutdown', async () => {
    const lifecycle = createLifecycle();
    const gate = Promise.withResolvers<void>();
    await lifecycle.add('a', () => 1, { drain: () => gate.promise });
    const ready = async () => (await lifecycle.readiness.report()).ready;
    const states = [await ready()];
    lifecycle.started();
    states.push(await ready());
    const stopping = lifecycle.shutdown();
    states.push(await ready());
    gate.resolve();
    await stopping;
    states.push(await ready());
    lifecycle.started();
    states.push(await ready());
    expect(states).toEqual([false, true, false, false, false]);
  });

  test("a resource's own check counts", async () => {
    const lifecycle = createLifecycle();
    await lifecycle.add('database', () => 1, { ready: () => Promise.reject(unavailable('no database')) });
    lifecycle.started();
    expect(await lifecycle.readiness.report()).toEqual({
      ready: false,
      checks: [
        { name: 'lifecycle', ok: true },
        { name: 'database', ok: false, problem: 'no database' },
      ],
    });
  });
});

describe('readiness', () => {
  const outcomes: readonly [string, (signal: AbortSignal) => Promise<void>, string | undefined][] = [
    ['passes', async () => undefined, undefined],
    [
      'shows what was written for people',
      () => Promise.reject(unavailable('the bus is away')),
      'the bus is away',
    ],
    ['hides everything else', () => Promise.reject(new Error('canary')), 'the check failed'],
    [
      'survives a throw at once',
      () => {
        throw new Error('canary');
      },
      'the check failed',
    ],
    ['gives up on a check that hangs', never, 'no answer within 50 ms'],
  ];
  test.each(outcomes)('%s', async (_, check, problem) => {
    const readiness = createReadiness({ timeoutMs: 50 });
    readiness.add('x', check);
    const ok = problem === undefined;
    expect(await readiness.report()).toEqual({
      ready: ok,
      checks: [{ name: 'x', ok, ...(ok ? {} : { problem }) }],
    });
  });

  test('a late check is told to stop', async () => {
    const readiness = createReadiness({ timeoutMs: 20 });
    let signal: AbortSignal | undefined;
    readiness.add('x', (given) => {
      signal = given;
      return never();
    });
    await readiness.report();
    expect(signal?.aborted).toBe(true);
  });

  test('reports asked for at once share one run', async () => {
    const readiness = createReadiness();
    let runs = 0;
    readiness.add('x', async () => void (runs += 1));
    await Promise.all([readiness.report(), readiness.report()]);
    expect(runs).toBe(1);
    await readiness.report();
    expect(runs).toBe(2);
  });

  test('a name is used once', () => {
    const readiness = createReadiness();
    readiness.add('x', never);
    expect(() => readiness.add('x', never)).toThrow('x');
  });
});
