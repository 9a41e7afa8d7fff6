import { expect, test } from 'vitest';
import { cachingFetcher, type FetchAnswer, type Fetcher } from '../../src/fetch/index.ts';
import { AT, issue, makeCrl, NEXT_UPDATE, THIS_UPDATE } from '../support/pki.ts';
import { fakeFetcher } from './fake.ts';

const URL = 'http://pki.example/ca.crl';
const HOUR = 3_600_000;

function cached(inner: Fetcher, options: Partial<Parameters<typeof cachingFetcher>[1]> = {}) {
  const clock = { ms: AT.getTime() };
  const fetcher = cachingFetcher(inner, { now: () => clock.ms, ...options });
  return { clock, fetch: () => fetcher.fetch({ kind: 'crl', url: URL }), fetcher };
}

test('a list is kept until it is due', async () => {
  const { fetcher, asked } = fakeFetcher({ [URL]: makeCrl() });
  const { clock, fetch } = cached(fetcher, { maxAgeMs: Infinity });
  await fetch();
  clock.ms = NEXT_UPDATE.getTime() - 1;
  expect(await fetch()).toMatchObject({ ok: true });
  expect(asked).toHaveLength(1);
  clock.ms = NEXT_UPDATE.getTime();
  await fetch();
  expect(asked).toHaveLength(2);
});

test.each([
  ['HTTP says', { maxAgeMs: HOUR }, {}, HOUR],
  ['the bound says', { maxAgeMs: undefined }, { maxAgeMs: 2 * HOUR }, 2 * HOUR],
  ['a day has passed', { maxAgeMs: undefined }, {}, 24 * HOUR],
  ['HTTP forbids it', { maxAgeMs: 0 }, {}, 0],
])('it is kept no longer than %s', async (_title, http, options, keptMs) => {
  const { fetcher, asked } = fakeFetcher({ [URL]: () => ({ ok: true, body: makeCrl(), ...http }) });
  const { clock, fetch } = cached(fetcher, options);
  await fetch();
  clock.ms += keptMs - 1;
  await fetch();
  expect(asked).toHaveLength(keptMs === 0 ? 2 : 1);
  clock.ms += 1;
  await fetch();
  expect(asked).toHaveLength(keptMs === 0 ? 3 : 2);
});

test.each<[string, FetchAnswer]>([
  ['failure', { ok: false, problem: 'timeout', detail: '' }],
  ['answer that is nothing of its kind', { ok: true, body: new Uint8Array([1]), maxAgeMs: HOUR }],
])('a %s stands for half a minute', async (_title, answer) => {
  const { fetcher, asked } = fakeFetcher({ [URL]: () => answer });
  const { clock, fetch } = cached(fetcher);
  await fetch();
  clock.ms += 29_999;
  expect(await fetch()).toEqual(answer);
  expect(asked).toHaveLength(1);
  clock.ms += 1;
  await fetch();
  expect(asked).toHaveLength(2);
});

test('one request in flight for a hundred that ask', async () => {
  let release = (_answer: FetchAnswer): void => {};
  let calls = 0;
  const { fetch } = cached({
    fetch() {
      calls += 1;
      return new Promise((resolve) => (release = resolve));
    },
  });
  const waiting = Array.from({ length: 100 }, fetch);
  release({ ok: true, body: makeCrl(), maxAgeMs: undefined });
  const answers = await Promise.all(waiting);
  expect(calls).toBe(1);
  expect(answers.every(({ ok }) => ok)).toBe(true);
});

test('what waits for an answer is bounded', async () => {
  const { fetcher } = cached({ fetch: () => new Promise(() => {}) }, { maxInFlight: 2 });
  void fetcher.fetch({ kind: 'crl', url: `${URL}?1` });
  void fetcher.fetch({ kind: 'crl', url: `${URL}?2` });
  expect(await fetcher.fetch({ kind: 'crl', url: `${URL}?3` })).toMatchObject({
    ok: false,
    problem: 'busy',
  });
});

test('the octets kept are bounded: the one used longest ago goes', async () => {
  const body = makeCrl();
  const { fetcher, asked } = fakeFetcher({ [`${URL}?1`]: body, [`${URL}?2`]: body });
  const kept = cached(fetcher, { maxBytes: body.length + 1_000 }).fetcher;
  await kept.fetch({ kind: 'crl', url: `${URL}?1` });
  await kept.fetch({ kind: 'crl', url: `${URL}?2` });
  await kept.fetch({ kind: 'crl', url: `${URL}?2` });
  await kept.fetch({ kind: 'crl', url: `${URL}?1` });
  expect(asked.map(({ url }) => url)).toEqual([`${URL}?1`, `${URL}?2`, `${URL}?1`]);
});

test('an answer to a nonce is not kept', async () => {
  const { fetcher, asked } = fakeFetcher({ [URL]: makeCrl() });
  const kept = cached(fetcher).fetcher;
  await kept.fetch({ kind: 'crl', url: URL, fresh: true });
  await kept.fetch({ kind: 'crl', url: URL });
  expect(asked).toHaveLength(2);
});

test('one URL asked for two things is two questions', async () => {
  const root = issue({ subject: 'root', ca: true });
  const { fetcher, asked } = fakeFetcher({
    [URL]: ({ kind }) => (kind === 'crl' ? makeCrl({ thisUpdate: THIS_UPDATE }) : root.der),
  });
  const kept = cached(fetcher).fetcher;
  await kept.fetch({ kind: 'crl', url: URL });
  await kept.fetch({ kind: 'certificate', url: URL });
  await kept.fetch({ kind: 'ocsp', url: URL, body: new Uint8Array([1]) });
  await kept.fetch({ kind: 'ocsp', url: URL, body: new Uint8Array([2]) });
  expect(asked).toHaveLength(4);
});

test('who waits for one answer is bounded too', async () => {
  const { fetch } = cached({ fetch: () => new Promise(() => {}) }, { maxWaiting: 3 });
  for (let caller = 0; caller < 3; caller += 1) void fetch();
  expect(await fetch()).toMatchObject({ ok: false, problem: 'busy' });
});

test('who was answered no longer waits', async () => {
  const { fetcher } = fakeFetcher({ [URL]: makeCrl() });
  const { fetch } = cached(fetcher, { maxWaiting: 1, maxInFlight: 1, maxAgeMs: 0 });
  for (let caller = 0; caller < 3; caller += 1) expect(await fetch()).toMatchObject({ ok: true });
});

test('an answer that helped nobody is kept as long as a failure', async () => {
  const { fetcher, asked } = fakeFetcher({ [URL]: makeCrl() });
  const { clock, fetch, fetcher: kept } = cached(fetcher);
  await fetch();
  kept.discredit?.({ kind: 'crl', url: URL });
  clock.ms += 29_999;
  // Saying so again prolongs nothing.
  kept.discredit?.({ kind: 'crl', url: URL });
  await fetch();
  expect(asked).toHaveLength(1);
  clock.ms += 1;
  await fetch();
  expect(asked).toHaveLength(2);
});
