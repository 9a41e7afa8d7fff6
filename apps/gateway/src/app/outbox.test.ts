import type { OutgoingMessage } from '@sallyport/channel';
import { randomBytes } from '@sallyport/crypto';
import { expect, test } from 'vitest';
import { sessionPair, type EpochStart } from '../../test/support/pair.ts';
import { Outbox } from './outbox.ts';

function stage(limits: { maxEpochMessages?: number; maxFrameBytes?: number } = {}, start?: EpochStart) {
  const { client, gateway } = sessionPair(limits, start);
  const frames: string[][] = [];
  const ends: string[] = [];
  const state = { isWritable: true };
  const outbox = new Outbox({
    session: gateway,
    write(frame) {
      const opened = client.openFrame(frame);
      if (!opened.ok) throw new Error(opened.cause);
      frames.push(opened.messages.map(({ kind }) => kind));
    },
    isWritable: () => state.isWritable,
    acknowledgement: () => undefined,
    isAcknowledgementDue: () => false,
    tooLarge: (message) => ({
      ...message,
      kind: 'refusal',
      contentType: '',
      trace: '',
      payload: new Uint8Array(9),
    }),
    onExhausted: (cause) => void ends.push(cause),
  });
  return { outbox, frames, ends, state, gateway };
}

const response = (bytes = 10, more: Partial<OutgoingMessage> = {}): OutgoingMessage => ({
  kind: 'response',
  correlation: randomBytes(16),
  destination: '',
  contentType: '',
  trace: '',
  payload: new Uint8Array(bytes),
  ...more,
});
const many = (count: number, bytes?: number) => Array.from({ length: count }, () => response(bytes));

test('what gathers while the carrier is full leaves as one frame', () => {
  const s = stage();
  s.state.isWritable = false;
  for (let pushed = 0; pushed < 5; pushed += 1) s.outbox.push(many(2));
  expect(s.frames).toEqual([]);
  s.state.isWritable = true;
  s.outbox.flush();
  expect(s.frames.map(({ length }) => length)).toEqual([10]);
});

test("stops at the client's window, and goes on with an acknowledgement", () => {
  const s = stage();
  s.outbox.push(many(600));
  expect(s.frames.map(({ length }) => length)).toEqual([256, 256]);
  s.gateway.acknowledgeThrough(256);
  s.outbox.flush();
  expect([s.frames.at(-1)?.length, s.outbox.waiting]).toEqual([88, 0]);
});

test('frames keep below their limit', () => {
  const s = stage();
  s.outbox.push(many(40, 100_000));
  expect(s.outbox.waiting).toBe(0);
  expect(s.frames.length).toBeGreaterThan(3);
});

test.each([
  ['too large for any frame', response(2 ** 20)],
  ['with a field that cannot be written', response(10, { trace: '\u0000' })],
])('one %s is replaced; those around it arrive as they are', (_what, bad) => {
  const s = stage();
  s.state.isWritable = false;
  s.outbox.push([response(), bad, response()]);
  s.state.isWritable = true;
  s.outbox.flush();
  expect(s.frames.flat()).toEqual(['response', 'refusal', 'response']);
  expect([s.outbox.waiting, s.ends]).toEqual([0, []]);
});

test('ends before the epoch does, with room for the farewell', () => {
  const s = stage({ maxEpochMessages: 10 });
  s.outbox.push(many(20));
  expect([s.frames.flat().length, s.ends]).toEqual([8, ['epoch_exhausted']]);
  s.outbox.push(many(1));
  expect(s.frames.flat().length).toBe(8);
});

test.each([
  ['answers', many(2049, 1)],
  ['bytes', many(70, 1_000_000)],
])('a client that lets too many %s pile up is ended', (_what, messages) => {
  const s = stage();
  s.state.isWritable = false;
  s.outbox.push(messages);
  expect(s.ends).toEqual(['not_acknowledging']);
});

test('the messages of an epoch are counted from its base: a resume gives room for as many again', () => {
  const base = { lastSent: 5_000, receivedByPeer: 5_000, received: 5_000 };
  const s = stage({ maxEpochMessages: 1_000 }, { epoch: 7, ...base, unconfirmed: [] });
  s.outbox.push(many(3));
  expect(s.frames.map(({ length }) => length)).toEqual([3]);
  expect(s.ends).toEqual([]);
});
