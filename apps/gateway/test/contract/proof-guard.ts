/**
 * What every guard of DPoP proofs does. The factory gets a clock that the suite moves; proofs have ids of their own in each
 * case, so a server may serve all of them. `proofCasesOf` counts what was declared for each implementation.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import { randomBytes, toHex } from '@sallyport/crypto';
import { manualClock, type ManualClock } from '@sallyport/service/clock';
import type { ProofGuard } from '../../src/door/ports.ts';

export type ProofGuardFactory = (clock: ManualClock) => Promise<ProofGuard>;

const LIFE_MS = 60_000;
const cases = new Map<string, string[]>();

/** The names of the cases declared for this implementation. */
export function proofCasesOf(implementation: string): readonly string[] {
  return cases.get(implementation) ?? [];
}

type Claim = Parameters<ProofGuard['claim']>[0];

const made = (histories: readonly string[]) => () => Promise.resolve(new Set(histories));

export function proofGuardContract(implementation: string, factory: ProofGuardFactory): void {
  describe(`proof guard contract: ${implementation}`, () => {
    let clock: ManualClock;
    let guard: ProofGuard;
    let thumbprint: string;

    const declared: string[] = [];
    cases.set(implementation, declared);
    const check = (name: string, run: () => Promise<void>): void => {
      declared.push(name);
      test(name, run);
    };

    /** Made now, unless it says otherwise. */
    const claim = (tokenId: string, more: Partial<Claim> = {}): ReturnType<ProofGuard['claim']> =>
      guard.claim({
        thumbprint,
        tokenId,
        issuedAtMs: clock.now(),
        notAfterMs: clock.now() + LIFE_MS,
        ...more,
      });

    beforeEach(async () => {
      clock = manualClock(Date.now());
      guard = await factory(clock);
      thumbprint = toHex(randomBytes(16));
      // A guard that shares a server meets its history with the first proof.
      await claim('first');
      clock.advance(10_000);
    });

    check('takes a proof once', async () => {
      expect(await claim('a')).toBe('new');
      expect(await claim('a')).toBe('seen');
      expect(await claim('a')).toBe('seen');
    });

    check('takes it once of a hundred at the same time', async () => {
      const verdicts = await Promise.all(Array.from({ length: 100 }, () => claim('a')));
      expect(verdicts.filter((verdict) => verdict === 'new')).toHaveLength(1);
      expect(verdicts.filter((verdict) => verdict === 'seen')).toHaveLength(99);
    });

    check('the same id of another key is another proof', async () => {
      expect(await claim('a')).toBe('new');
      expect(await claim('a', { thumbprint: `${thumbprint}x` })).toBe('new');
    });

    check('key and id do not run into each other', async () => {
      expect(await claim('bc', { thumbprint: `${thumbprint}a` })).toBe('new');
      expect(await claim('c', { thumbprint: `${thumbprint}ab` })).toBe('new');
    });

    check('ids of any characters, and long ones', async () => {
      for (const tokenId of ['{a}', 'a b\r\nDEL x', '\0', 'ü'.repeat(256), ' ']) {
        expect(await claim(tokenId)).toBe('new');
        expect(await claim(tokenId)).toBe('seen');
      }
    });

    check('remembers it until it cannot be used any more', async () => {
      const { issuedAtMs, notAfterMs } = { issuedAtMs: clock.now(), notAfterMs: clock.now() + LIFE_MS };
      expect(await claim('a', { issuedAtMs, notAfterMs })).toBe('new');
      clock.advance(LIFE_MS - 1);
      expect(await claim('a', { issuedAtMs, notAfterMs })).toBe('seen');
    });

    check('one that is over is stale, seen or not', async () => {
      expect(await claim('a', { notAfterMs: clock.now() - 1 })).toBe('stale');
    });

    check('one that was certainly made before the guard is stale', async () => {
      expect(await claim('a', { issuedAtMs: clock.now() - 30_000 })).toBe('stale');
      expect(await claim('b', { issuedAtMs: clock.now() - 5_000 })).toBe('new');
    });

    check(
      'one that was made in its history is not, whatever its time is; one made in another is',
      async () => {
        const histories = guard.histories();
        const madeIn = made(histories);
        expect(histories.length).toBeGreaterThan(0);
        for (const name of histories) expect(Buffer.from(name, 'base64url')).toHaveLength(8);
        const issuedAtMs = clock.now() - 30_000;
        expect(await claim('a', { issuedAtMs, madeIn: made(['AAAAAAAAAAA']) })).toBe('stale');
        expect(await claim('b', { issuedAtMs, madeIn })).toBe('new');
        expect(await claim('b', { issuedAtMs, madeIn })).toBe('seen');
      },
    );

    check('a clock that is set back forgets nothing', async () => {
      const of = { issuedAtMs: clock.now(), notAfterMs: clock.now() + LIFE_MS };
      expect(await claim('a', of)).toBe('new');
      clock.setNow(clock.now() - 20_000);
      expect(await claim('a', of)).toBe('seen');
    });
  });
}
