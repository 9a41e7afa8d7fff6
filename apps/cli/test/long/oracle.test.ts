/** An oracle that finds nothing proves nothing: each rule is broken once, and each is found. */
import { leafHash, merkleRoot, toHex } from '@sallyport/crypto';
import { expect, test } from 'vitest';
import type { Sent } from './load.ts';
import { violations, type Evidence, type Row } from './oracle.ts';

const T0 = Date.parse('2027-01-01T00:00:00.000Z');
const time = (ms: number): string => new Date(T0 + ms).toISOString();
const decision = (seq: number, correlation: string, atMs = 0, policyRevision = '1'): Row => ({
  ...{ phase: 'decision', decision: 'allow', sessionId: 'aa', seq, correlation, policyRevision },
  time: time(atMs),
});
const outcome = (seq: number, correlation: string): Row => ({
  ...{ phase: 'outcome', outcome: 'success', sessionId: 'aa', seq, correlation, time: time(1) },
});
const acknowledged = (correlation: string, destination: Sent['destination'] = 'orders'): Sent => ({
  destination,
  sentAtMs: T0,
  answer: { kind: 'acknowledged', session: 'aa', correlation },
});
const leafHashes = [0, 1, 2].map((index) => leafHash(Uint8Array.of(index)));

const sound: Evidence = {
  load: { sent: new Map([[1, acknowledged('c1')]]), surprises: [] },
  rows: [decision(1, 'c1'), outcome(1, 'c1')],
  orders: [{ id: 1, key: 'aa-c1' }],
  ledger: [],
  checkpoints: [1, 2, 3].map((size) => ({ size, rootHex: toHex(merkleRoot(leafHashes.slice(0, size))) })),
  leafHashes,
  changes: [{ revision: 1, inForceAtMs: T0 }],
  maxAgeMs: 10_000,
};
const broken = (change: Partial<Evidence>): string[] =>
  violations({ ...sound, ...change }).map(({ rule }) => rule);

test('what is sound is left alone', () => {
  expect(violations(sound)).toEqual([]);
});

test.each<[string, Partial<Evidence>, string]>([
  ['an acknowledged message without a decision', { rows: [outcome(1, 'c1')] }, 'recorded exactly once'],
  ['an acknowledged message without an outcome', { rows: [decision(1, 'c1')] }, 'recorded exactly once'],
  [
    'an outcome that was recorded twice',
    { rows: [decision(1, 'c1'), outcome(1, 'c1'), outcome(1, 'c1')] },
    'recorded exactly once',
  ],
  ['an effect that came twice', { orders: [...sound.orders, ...sound.orders] }, 'executed at most once'],
  [
    'an effect without a decision',
    { orders: [...sound.orders, { id: 7, key: 'aa-c7' }] },
    'executed at most once',
  ],
  ['an acknowledged message without its effect', { orders: [] }, 'executed at most once'],
  [
    'a client that was told of no effect, and there was one',
    {
      load: {
        sent: new Map([
          [1, { ...acknowledged('c1'), answer: { kind: 'without_effect', code: 'refusal/busy' } }],
        ]),
        surprises: [],
      },
    },
    'executed at most once',
  ],
  ['a sequence that was admitted twice', { rows: [...sound.rows, decision(1, 'c2')] }, 'no replay admitted'],
  [
    'a request under two idempotency keys',
    {
      ledger: [
        { id: 9, key: 'aa-c1' },
        { id: 9, key: 'bb-c1' },
      ],
    },
    'executed at most once',
  ],
  [
    'a decision by a revision that is long replaced',
    {
      rows: [decision(1, 'c1', 12_000), outcome(1, 'c1')],
      changes: [...sound.changes, { revision: 2, inForceAtMs: T0 + 500 }],
    },
    'no stale decision',
  ],
  ['a checkpoint of another log', { checkpoints: [{ size: 2, rootHex: '00' }] }, 'one history'],
  ['a checkpoint of more than there is', { checkpoints: [{ size: 4, rootHex: '00' }] }, 'one history'],
  ['a client that saw something odd', { load: { ...sound.load, surprises: ['?'] } }, 'client'],
])('%s is found', (_, change, rule) => {
  expect(broken(change)).toContain(rule);
});
