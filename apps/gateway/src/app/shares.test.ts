import { expect, test } from 'vitest';
import { createShares } from './shares.ts';
import { UnderWay } from './under-way.ts';

const LIMITS = { maxMessages: 4, maxBytes: 400, maxSessions: 2 };
const gateway = (): UnderWay => new UnderWay({ maxMessages: 10, maxBytes: 1_000 });

test('one principal has so many sessions, another has its own', () => {
  const shares = createShares(LIMITS, gateway());
  const first = shares.take('default user:alice');
  expect(first).toBeDefined();
  expect(shares.take('default user:alice')).toBeDefined();
  expect(shares.take('default user:alice')).toBeUndefined();
  expect(shares.take('default user:bob')).toBeDefined();
  first?.leave();
  expect(shares.take('default user:alice')).toBeDefined();
});

test('what is under way in all sessions of a principal counts together, and in the gateway', () => {
  const whole = gateway();
  const shares = createShares(LIMITS, whole);
  const [a, b] = [shares.take('default user:alice'), shares.take('default user:alice')];
  const ticket = a?.underWay.take(3, 300);
  expect(b?.underWay.take(2, 10)).toBeUndefined();
  expect(b?.underWay.take(1, 101)).toBeUndefined();
  expect(shares.take('default user:bob')?.underWay.take(4, 400)).toBeDefined();
  expect(whole.messages).toBe(7);
  ticket?.abandon();
  expect(b?.underWay.take(2, 10)).toBeDefined();
});

test('a principal is forgotten when its last session is over and nothing of it is under way', async () => {
  const shares = createShares(LIMITS, gateway());
  const first = shares.take('default user:alice');
  const ticket = first?.underWay.take(4, 40);
  first?.leave();
  await Promise.resolve();
  expect(shares.size).toBe(1);
  // Back meanwhile: what is still under way counts.
  const again = shares.take('default user:alice');
  expect(again?.underWay.take(1, 1)).toBeUndefined();
  again?.leave();
  ticket?.abandon();
  await new Promise((resolve) => setImmediate(resolve));
  expect(shares.size).toBe(0);
});
