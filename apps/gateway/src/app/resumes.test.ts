import { FRAME_TYPE, parseAlert, parseFrame } from '@sallyport/channel';
import { toHex } from '@sallyport/crypto';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { halfOpenPlaces, type HalfOpen } from './half-open.ts';
import type { Refused } from './open-session.ts';
import type { ResumedSession, SessionResuming } from './resume-session.ts';
import { createResumes } from './resumes.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const SID = new Uint8Array(16).fill(7);
const ID = toHex(SID);
const HELLO = new Uint8Array(100);
const RESUMED = { kind: 'resumed' } as unknown as ResumedSession;
const REFUSED: Refused = { kind: 'refused', frame: Uint8Array.of(9), cause: 'binder' };

/** A carrier's resumes, and what they say, in order. `first` is judged when the test says so. */
function stage(
  shared: { halfOpen?: HalfOpen } = {},
  answer: Awaited<ReturnType<SessionResuming['hello']>> = { kind: 'answered', frame: Uint8Array.of(1) },
) {
  const { halfOpen = { count: 0, max: 100 } } = shared;
  const seen: string[] = [];
  const judging = Promise.withResolvers<ResumedSession | Refused>();
  const resumes = createResumes({
    begin: () => ({
      hello: () => Promise.resolve(answer),
      first: () => judging.promise,
      abandon: () => void seen.push('abandon'),
    }),
    places: halfOpenPlaces(halfOpen),
    metrics: { handshake: (result) => void seen.push(result) },
    write: (frame) => void seen.push(`write ${codeOf(frame)}`),
    reject: (cause) => void seen.push(`reject ${cause}`),
    spoil: (cause) => void seen.push(`spoil ${cause}`),
    count: (cause) => void seen.push(`count ${cause}`),
    resumed: () => void seen.push('session'),
    later: (frame) => void seen.push(`later ${String(frame[0])}`),
    onDefect: () => void seen.push('defect'),
  });
  return { resumes, seen, judging, halfOpen };
}

function codeOf(frame: Uint8Array): string {
  const outer = parseFrame(frame);
  if (!outer.ok || outer.type !== FRAME_TYPE.alert) return 'answer';
  const alert = parseAlert(outer.body);
  return alert.ok ? alert.code : '?';
}

const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(1);

test('answered, then taken on with its first frame; what came meanwhile follows it', async () => {
  const s = stage();
  s.resumes.resumeHello(SID, HELLO);
  await settle();
  expect(s.halfOpen.count).toBe(1);
  expect(s.resumes.messages(ID, Uint8Array.of(1))).toBe(true);
  expect(s.resumes.messages(ID, Uint8Array.of(2))).toBe(true);
  s.judging.resolve(RESUMED);
  await settle();
  expect(s.seen).toEqual(['write answer', 'resumed', 'session', 'later 2']);
  expect(s.halfOpen.count).toBe(0);
  expect(s.resumes.messages(ID, Uint8Array.of(3))).toBe(false);
});

test('a first frame that is refused is one attempt', async () => {
  const s = stage();
  s.resumes.resumeHello(SID, HELLO);
  await settle();
  s.resumes.messages(ID, Uint8Array.of(1));
  s.judging.resolve(REFUSED);
  await settle();
  expect(s.seen).toEqual(['write answer', 'resume_binder', 'reject binder']);
  expect(s.resumes.messages(ID, Uint8Array.of(1))).toBe(false);
  expect(s.halfOpen.count).toBe(0);
});

test('refused before it was answered: its place is free at once', async () => {
  const s = stage({}, REFUSED);
  s.resumes.resumeHello(SID, HELLO);
  await settle();
  expect([s.seen, s.halfOpen.count]).toEqual([['resume_binder', 'reject binder'], 0]);
});

test('without its first frame it is given up after 5 s', async () => {
  const s = stage();
  s.resumes.resumeHello(SID, HELLO);
  await vi.advanceTimersByTimeAsync(5_001);
  expect(s.seen).toEqual(['write answer', 'abandon', 'resume_abandoned', 'count resume_abandoned']);
  expect(s.halfOpen.count).toBe(0);
});

test('a later one on the same connection takes the place of an earlier one', async () => {
  const s = stage();
  s.resumes.resumeHello(SID, HELLO);
  await settle();
  s.resumes.resumeHello(SID, HELLO);
  await settle();
  expect(s.seen.slice(1)).toEqual(['abandon', 'resume_abandoned', 'spoil resume_replaced', 'write answer']);
  expect(s.resumes.messages(ID, Uint8Array.of(1))).toBe(true);
  expect(s.halfOpen.count).toBe(1);
});

test('of two that wait for their answers the later one counts', async () => {
  const s = stage();
  s.resumes.resumeHello(SID, HELLO);
  s.resumes.resumeHello(SID, HELLO);
  await settle();
  expect(s.seen).toEqual(['spoil resume_replaced', 'abandon', 'write answer']);
  expect(s.halfOpen.count).toBe(1);
});

test('one on another connection, which a recorded ResumeHello can make, leaves it alone', async () => {
  const client = stage();
  const recorded = stage({ halfOpen: client.halfOpen });
  client.resumes.resumeHello(SID, HELLO);
  await settle();
  recorded.resumes.resumeHello(SID, HELLO);
  await settle();
  expect(client.seen).toEqual(['write answer']);
  expect(client.resumes.messages(ID, Uint8Array.of(1))).toBe(true);
});

test.each([
  ['a ninth on one connection', { count: 0, max: 100 }, 8],
  ['more than the gateway allows', { count: 3, max: 4 }, 1],
])('%s is busy', async (_what, halfOpen, allowed) => {
  const s = stage({ halfOpen });
  for (let each = 0; each <= allowed; each += 1)
    s.resumes.resumeHello(new Uint8Array(16).fill(each + 1), HELLO);
  await settle();
  expect(s.seen.filter((line) => line === 'write answer')).toHaveLength(allowed);
  expect(s.seen.slice(0, 2)).toEqual(['count busy', 'write busy']);
});

test('too large: refused unread', () => {
  const s = stage();
  s.resumes.resumeHello(SID, new Uint8Array(16 * 1024 + 1));
  expect([s.seen, s.halfOpen.count]).toEqual([['reject oversized'], 0]);
});

test('more than 16 frames while it is attached are not kept', async () => {
  const s = stage();
  s.resumes.resumeHello(SID, HELLO);
  await settle();
  for (let frame = 0; frame < 20; frame += 1) s.resumes.messages(ID, Uint8Array.of(frame));
  s.judging.resolve(RESUMED);
  await settle();
  expect(s.seen.filter((line) => line === 'reject too_much_under_way')).toHaveLength(3);
  expect(s.seen.filter((line) => line.startsWith('later'))).toHaveLength(16);
});

test('a carrier that is gone leaves nothing half open', async () => {
  const s = stage();
  s.resumes.resumeHello(SID, HELLO);
  await settle();
  s.resumes.resumeHello(new Uint8Array(16).fill(8), HELLO);
  s.resumes.close();
  await settle();
  expect(s.halfOpen.count).toBe(0);
  expect(s.seen.filter((line) => line === 'abandon')).toHaveLength(2);
});
