import type { authv1 } from '@sallyport/proto';
import { memoryBus } from '@sallyport/service/bus';
import { systemClock } from '@sallyport/service/clock';
import { memoryLog } from '@sallyport/service/testing';
import { fromHex } from '@sallyport/crypto';
import { expect, test } from 'vitest';
import type { GuardSession, ReplayGuard } from '../app/ports.ts';
import { revokedSessions } from '../app/revoked-sessions.ts';
import { admitWhileFollowed, followRevocations, mayMissRevocations } from './revocations.ts';

const clock = systemClock();
const idOf = (n: number): string => n.toString(16).padStart(32, '0');

test('a list longer than a page is fetched whole, and what was forgotten is not waited for', async () => {
  const revoked: string[] = [];
  const asked: bigint[] = [];
  await using bus = memoryBus({ clock });
  // 1 to 4 are forgotten, 5 to 11 are there, 12 and 13 are forgotten again; three to a page.
  const kept = [5, 6, 7, 8, 9, 10, 11];
  const auth = {
    listRevocations: async ({ afterNumber = 0n }: { readonly afterNumber?: bigint }) => {
      asked.push(afterNumber);
      const page = kept.filter((n) => BigInt(n) > afterNumber).slice(0, 3);
      const revocations = page.map((n) => ({
        number: BigInt(n),
        sessionId: fromHex(idOf(n)) ?? new Uint8Array(),
        cause: 'test',
      }));
      return { revocations, lastNumber: 13n } as unknown as authv1.ListRevocationsResponse;
    },
  };
  await using feed = await followRevocations({
    auth,
    bus,
    clock,
    log: memoryLog(),
    sessions: { find: () => undefined },
    guard: { revoke: async (id) => void revoked.push(id) },
    revoked: { add: () => undefined },
  });
  await expect.poll(() => feed.status().state).toBe('following');
  expect(revoked).toEqual(kept.map(idOf));
  expect(asked.slice(0, 4)).toEqual([0n, 7n, 10n, 11n]);
  expect(feed.status().applied).toBe(13n);
});

test('the guard is asked only while somebody can say what is revoked', async () => {
  let isDead = false;
  const guard: Pick<ReplayGuard, 'admit'> = { admit: async () => ({ kind: 'refused', cause: 'expired' }) };
  const admit = admitWhileFollowed(guard, { isDead: () => isDead });
  const session = { sessionId: idOf(1), generation: 1 } as GuardSession;
  await expect(admit(session, [])).resolves.toEqual({ kind: 'refused', cause: 'expired' });
  isDead = true;
  await expect(admit(session, [])).rejects.toMatchObject({ reason: 'unavailable' });
});

test('a gateway that has just started takes no token until it knows what was revoked before', async () => {
  let answer: (() => void) | undefined;
  const asked = new Promise<void>((resolve) => (answer = resolve));
  await using bus = memoryBus({ clock });
  const sessionId = fromHex(idOf(7)) ?? new Uint8Array();
  const revoked = revokedSessions();
  await using feed = await followRevocations({
    auth: {
      listRevocations: async ({ afterNumber = 0n }: { readonly afterNumber?: bigint }) => {
        await asked;
        const revocations = afterNumber < 1n ? [{ number: 1n, sessionId, cause: 'test' }] : [];
        return { revocations, lastNumber: 1n } as unknown as authv1.ListRevocationsResponse;
      },
    },
    bus,
    clock,
    log: memoryLog(),
    sessions: { find: () => undefined },
    guard: { revoke: async () => undefined },
    revoked,
  });
  expect(feed.isDead()).toBe(false);
  expect(mayMissRevocations(feed)).toBe(true);
  answer?.();
  await expect.poll(() => mayMissRevocations(feed)).toBe(false);
  expect(revoked.has(idOf(7))).toBe(true);
});
