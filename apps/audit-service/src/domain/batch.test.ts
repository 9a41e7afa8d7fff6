import { expect, test } from 'vitest';
import { parseBatch, type BatchInput } from './batch.ts';
import { MAX_BATCH_EVENTS, MAX_BODY_BYTES, MAX_PRODUCER_SEQ } from './limits.ts';

const good: BatchInput = {
  producer: 'spiffe://sallyport.test/svc/gateway#3f9c',
  firstSeq: 5n,
  floor: 3n,
  bodies: [new Uint8Array(1), new Uint8Array(2)],
};

test('a batch', () => {
  expect(parseBatch(good, 'sallyport.test')).toEqual({ ok: true, batch: { ...good, lastSeq: 6n } });
});

test('a floor above the batch says nothing about what is before it', () => {
  expect(parseBatch({ ...good, floor: 9n }, 'sallyport.test')).toMatchObject({ batch: { floor: 5n } });
});

test.each<[string, Partial<BatchInput>, string]>([
  ['no producer', { producer: '' }, 'producer'],
  ['a producer without instance', { producer: 'spiffe://sallyport.test/svc/gateway' }, 'producer'],
  ['an instance that is none', { producer: 'spiffe://sallyport.test/svc/gateway#x y' }, 'producer'],
  ['a producer of another trust domain', { producer: 'spiffe://other.test/svc/gateway#00' }, 'producer'],
  ['a person for a producer', { producer: 'spiffe://sallyport.test/user/alice#00' }, 'producer'],
  ['a line feed in the producer', { producer: 'spiffe://sallyport.test/svc/gateway#00\n' }, 'producer'],
  ['an endless producer', { producer: `spiffe://sallyport.test/svc/gateway#${'0'.repeat(300)}` }, 'producer'],
  ['no events', { bodies: [] }, 'empty'],
  [
    'too many events',
    { bodies: Array.from({ length: MAX_BATCH_EVENTS + 1 }, () => new Uint8Array()) },
    'too_many_events',
  ],
  ['a body too large', { bodies: [new Uint8Array(MAX_BODY_BYTES + 1)] }, 'body_size'],
  ['sequence 0', { firstSeq: 0n }, 'sequence'],
  ['a sequence beyond the database', { firstSeq: MAX_PRODUCER_SEQ }, 'sequence'],
  ['floor 0', { floor: 0n }, 'floor'],
])('%s is refused', (_what, change, problem) => {
  expect(parseBatch({ ...good, ...change }, 'sallyport.test')).toEqual({ ok: false, problem });
});
