import { expect, test } from 'vitest';
import { DatabaseError } from './error.ts';
import { TurnQueue } from './turn-queue.ts';

const options = { maxQueue: 10, acquireTimeoutMs: 1000 };

test('owners take turns, first come first served within one', async () => {
  const queue = new TurnQueue();
  const order: string[] = [];
  const end = await queue.take('a', options);
  const take = async (owner: string, label: string) => {
    const done = await queue.take(owner, options);
    order.push(label);
    done();
  };
  const all = [take('a', 'a1'), take('a', 'a2'), take('a', 'a3'), take('b', 'b1'), take('b', 'b2')];
  end();
  await Promise.all(all);
  expect(order).toEqual(['a1', 'b1', 'a2', 'b2', 'a3']);
});

test('only one holds the turn, and ending it twice frees it once', async () => {
  const queue = new TurnQueue();
  const end = await queue.take('a', options);
  let second = false;
  const waiting = queue.take('a', options).then((done) => {
    second = true;
    return done;
  });
  const third = queue.take('a', { ...options, acquireTimeoutMs: 50 });
  await new Promise((resolve) => setImmediate(resolve));
  expect(second).toBe(false);
  end();
  end();
  await waiting;
  await expect(third).rejects.toMatchObject({ kind: 'deadline_exceeded' });
});

test('one that gave up is passed over', async () => {
  const queue = new TurnQueue();
  const end = await queue.take('a', options);
  await expect(queue.take('b', { ...options, acquireTimeoutMs: 10 })).rejects.toMatchObject({
    kind: 'deadline_exceeded',
  });
  const next = queue.take('c', options);
  end();
  (await next)();
});

test('closing fails those who wait and those who come', async () => {
  const queue = new TurnQueue();
  const end = await queue.take('a', options);
  const error = new DatabaseError('closed', 'closed');
  const waiting = queue.take('a', options);
  let idle = false;
  const closing = queue.close(error).then(() => {
    idle = true;
  });
  await expect(waiting).rejects.toBe(error);
  expect(idle).toBe(false); // the holder is not interrupted
  end();
  await closing;
  await expect(queue.take('b', options)).rejects.toBe(error);
});

test('as many hold a turn as there is room, and closing waits for all of them', async () => {
  const queue = new TurnQueue(2);
  const [first, second] = [await queue.take('a', options), await queue.take('a', options)];
  await expect(queue.take('a', { ...options, acquireTimeoutMs: 10 })).rejects.toMatchObject({
    kind: 'deadline_exceeded',
  });
  const third = queue.take('a', options);
  first();
  const endThird = await third;
  let idle = false;
  const closing = queue.close(new DatabaseError('closed', 'closed')).then(() => {
    idle = true;
  });
  second();
  await new Promise((resolve) => setImmediate(resolve));
  expect(idle).toBe(false);
  endThird();
  await closing;
});
