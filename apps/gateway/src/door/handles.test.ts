import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { caller, fakeKeys } from '../../test/door/support/guarded.ts';
import { HANDLE_LIFETIME_MS, sealedHandles } from './handles.ts';
import type { HandleKind, HandleScope } from './ports.ts';

const HOUR_MS = 3_600_000;

describe('handles', () => {
  let nowMs: number;
  let service: ReturnType<typeof fakeKeys>;
  beforeEach(() => {
    nowMs = 1_000_000;
    service = fakeKeys();
  });
  const replica = () => sealedHandles({ keys: service.keys, now: () => nowMs, monotonic: () => nowMs });
  const scope = (more: Partial<HandleScope> = {}): HandleScope => ({
    kind: 'session',
    caller: caller(),
    route: 'everything',
    ...more,
  });

  test('are opened by every replica, with one call for all that another one sealed', async () => {
    const [one, other] = [replica(), replica()];
    const sealed = await Promise.all(['a', 'b'].map((value) => one.seal({ ...scope(), value })));
    expect(await Promise.all(sealed.map((each) => other.open({ ...scope(), sealed: each })))).toEqual([
      'a',
      'b',
    ]);
    expect(service.state.calls).toEqual(['generate', 'decrypt']);
  });

  test('cost no call where they were sealed, nor after the first', async () => {
    const one = replica();
    await one.warm();
    for (const value of ['a', 'b'])
      await one.open({ ...scope(), sealed: await one.seal({ ...scope(), value }) });
    expect(service.state.calls).toEqual(['generate']);
  });

  test('are visible ASCII, URL-safe, and short for a usual value', async () => {
    const sealed = await replica().seal({ ...scope(), value: '0'.repeat(36) });
    expect(sealed).toMatch(/^[A-Za-z0-9_-]+$/u);
    expect(sealed.length).toBeLessThan(256);
    expect(Buffer.from(sealed, 'base64url').includes('000000')).toBe(false);
  });

  test.each<[string, Partial<HandleScope>]>([
    ['another principal', { caller: caller('user:bob') }],
    ['another tenant', { caller: caller('user:alice', { tenant: 'other' }) }],
    ['another OAuth client, of a session', { caller: caller('user:alice', { clientId: 'client-2' }) }],
    ['another route', { route: 'permissive' }],
    ['another kind', { kind: 'cursor' }],
    ['another binding', { binding: 'x' }],
  ])('do not open for %s', async (_, other) => {
    const handles = replica();
    const sealed = await handles.seal({ ...scope(), value: 'secret' });
    expect(await handles.open({ ...scope(), sealed })).toBe('secret');
    expect(await handles.open({ ...scope(other), sealed })).toBeUndefined();
  });

  test('of other kinds outlive the OAuth client that they were given to', async () => {
    const handles = replica();
    const sealed = await handles.seal({ ...scope({ kind: 'cursor' }), value: '1' });
    const other = caller('user:alice', { clientId: 'client-2' });
    expect(await handles.open({ ...scope({ kind: 'cursor', caller: other }), sealed })).toBe('1');
  });

  test.each(Object.entries(HANDLE_LIFETIME_MS) as [HandleKind, number][])(
    'a %s ends',
    async (kind, lifetimeMs) => {
      const handles = replica();
      const sealed = await handles.seal({ ...scope({ kind }), value: 'x' });
      nowMs += lifetimeMs - 1;
      expect(await handles.open({ ...scope({ kind }), sealed })).toBe('x');
      nowMs += 1_001;
      expect(await handles.open({ ...scope({ kind }), sealed })).toBeUndefined();
    },
  );

  test('altered in any place are none', async () => {
    const handles = replica();
    const sealed = await handles.seal({ ...scope(), value: 'secret' });
    const bytes = Buffer.from(sealed, 'base64url');
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), async (index, mask) => {
        const altered = Buffer.from(bytes);
        altered[index] = (altered[index] ?? 0) ^ mask;
        // No more than so many strange keys a minute are judged.
        nowMs += 2_000;
        expect(await handles.open({ ...scope(), sealed: altered.toString('base64url') })).toBeUndefined();
      }),
      { numRuns: 200 },
    );
  });

  test.each([
    ['nothing', () => ''],
    ['text', () => 'hello world'],
    ['other Base64', (sealed: string) => `${sealed.slice(0, -1)}+`],
    ['padding', (sealed: string) => `${sealed}=`],
    ['a line break', (sealed: string) => `${sealed}\n`],
    ['bytes too many', (sealed: string) => `${sealed}AAAA`],
    ['half of it', (sealed: string) => sealed.slice(0, sealed.length / 2)],
    ['two mebibytes', () => 'A'.repeat(2 * 1024 * 1024)],
    ['the spare bits of the last letter used', (sealed: string) => respelt(sealed)],
  ])('%s is none', async (_, change) => {
    const handles = replica();
    // A length whose last letter has spare bits.
    let sealed = '';
    for (let length = 1; sealed.length % 4 !== 2; length += 1)
      sealed = await handles.seal({ ...scope(), value: 'x'.repeat(length) });
    expect(await handles.open({ ...scope(), sealed })).toBeDefined();
    expect(await handles.open({ ...scope(), sealed: change(sealed) })).toBeUndefined();
  });

  test('never throw for anything', async () => {
    const handles = replica();
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.string(),
          fc.base64String(),
          fc.uint8Array().map((b) => Buffer.from(b).toString('base64url')),
        ),
        async (sealed) => {
          expect(await handles.open({ ...scope(), sealed })).toBeUndefined();
        },
      ),
      { numRuns: 300 },
    );
  });

  test('with rubbish for their key cost key-service 32 calls a minute, for each principal', async () => {
    const handles = replica();
    const rubbish = (seed: number): string =>
      Buffer.concat([Uint8Array.of(1, 80), Buffer.alloc(80, seed), Buffer.alloc(40)]).toString('base64url');
    const opened = await Promise.allSettled(
      Array.from({ length: 200 }, (_, seed) => handles.open({ ...scope(), sealed: rubbish(seed) })),
    );
    expect(service.state.calls.length).toBe(32);
    expect(opened.slice(0, 32).every((each) => each.status === 'fulfilled' && each.value === undefined)).toBe(
      true,
    );
    // Nobody looked at these: they are not said to be bad.
    for (const each of opened.slice(32)) expect(each).toMatchObject({ reason: { reason: 'busy' } });
    await handles.open({ ...scope({ caller: caller('user:bob') }), sealed: rubbish(201) });
    expect(service.state.calls.length).toBe(33);
    nowMs += 60_000;
    await handles.open({ ...scope(), sealed: rubbish(202) });
    expect(service.state.calls.length).toBe(34);
  });

  test('with one key that is none are judged alike, also while it is asked about', async () => {
    const handles = replica();
    const sealed = Buffer.concat([Uint8Array.of(1, 80), Buffer.alloc(120)]).toString('base64url');
    const opened = [1, 2, 3].map(() => handles.open({ ...scope(), sealed }));
    expect(await Promise.all(opened)).toEqual([undefined, undefined, undefined]);
    expect(service.state.calls).toEqual(['decrypt']);
  });

  test('have their next key fetched ahead, and the old one goes on while it cannot be had', async () => {
    const handles = replica();
    await handles.warm();
    nowMs += HOUR_MS;
    service.state.isAway = true;
    const sealed = await handles.seal({ ...scope(), value: 'old key' });
    expect(await handles.open({ ...scope(), sealed })).toBe('old key');
    service.state.isAway = false;
    nowMs += 5_000;
    await handles.seal({ ...scope(), value: 'x' });
    await new Promise((resolve) => setImmediate(resolve));
    expect(service.state.calls).toEqual(['generate', 'generate', 'generate']);
    const fresh = await handles.seal({ ...scope(), value: 'x' });
    expect(fresh.slice(0, 64)).not.toBe(sealed.slice(0, 64));
  });

  test('are not said to be bad where nobody can open their key, and sealed by nobody without one', async () => {
    const [one, other] = [replica(), replica()];
    const sealed = await one.seal({ ...scope(), value: 'x' });
    service.state.isAway = true;
    // Asked as often as it comes, so that it is good as soon as somebody can say so.
    for (let at = 0; at < 100; at += 1)
      await expect(other.open({ ...scope(), sealed })).rejects.toMatchObject({ reason: 'unavailable' });
    expect(await one.open({ ...scope(), sealed })).toBe('x');
    await expect(other.seal({ ...scope(), value: 'x' })).rejects.toThrow('away');
    service.state.isAway = false;
    expect(await other.open({ ...scope(), sealed })).toBe('x');
  });
});

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
/** The same bytes in another spelling. */
function respelt(sealed: string): string {
  const last = LETTERS.indexOf(sealed.at(-1) ?? 'A');
  return `${sealed.slice(0, -1)}${LETTERS[last ^ 1] ?? 'A'}`;
}
