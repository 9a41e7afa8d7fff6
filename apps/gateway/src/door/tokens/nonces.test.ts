import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { fakeKeys } from '../../../test/door/support/guarded.ts';
import { MAX_PROOF_ID_CHARS } from './dpop.ts';
import { proofNonces } from './nonces.ts';

const ALICE = { tenant: 'default', id: 'user:alice' };
const HISTORIES = ['AAAAAAAAAAA', 'BBBBBBBBBBA'];

describe('nonces', () => {
  let nowMs: number;
  let service: ReturnType<typeof fakeKeys>;
  beforeEach(() => {
    nowMs = 1_000_000;
    service = fakeKeys();
  });
  const unwarmed = () => proofNonces({ keys: service.keys, now: () => nowMs, monotonic: () => nowMs });
  const replica = async () => {
    const nonces = unwarmed();
    await nonces.warm();
    return nonces;
  };

  test('of one gateway are good at another, for the histories that the first had met', async () => {
    const [one, other] = [await replica(), await replica()];
    const nonce = one.make(HISTORIES);
    for (const each of [one, other]) expect([...(await each.open(nonce, ALICE))]).toEqual(HISTORIES);
    expect(service.state.calls).toEqual(['generate', 'generate', 'decrypt']);
  });

  test('cost key-service one call for all that another gateway makes', async () => {
    const [one, other] = [await replica(), await replica()];
    for (let n = 0; n < 5; n += 1) {
      nowMs += 1_000;
      await other.open(one.make(HISTORIES), ALICE);
    }
    expect(service.state.calls.filter((call) => call === 'decrypt')).toHaveLength(1);
  });

  test('are made at once while key-service is away, good where they were made, and shared once it is back', async () => {
    service.state.isAway = true;
    const [one, other] = [unwarmed(), unwarmed()];
    await expect(one.warm()).rejects.toThrow('away');
    const lonely = one.make(HISTORIES);
    expect([...(await one.open(lonely, ALICE))]).toEqual(HISTORIES);
    expect([...(await other.open(lonely, ALICE))]).toEqual([]);
    service.state.isAway = false;
    one.make(HISTORIES); // asks for a key
    await new Promise((resolve) => setImmediate(resolve));
    expect([...(await other.open(one.make(HISTORIES), ALICE))]).toEqual(HISTORIES);
    expect([...(await one.open(lonely, ALICE))]).toEqual(HISTORIES);
  });

  test('of another gateway are good for nothing while key-service is away', async () => {
    const [one, other] = [await replica(), await replica()];
    const nonce = one.make(HISTORIES);
    service.state.isAway = true;
    expect((await other.open(nonce, ALICE)).size).toBe(0);
    service.state.isAway = false;
    expect((await other.open(nonce, ALICE)).size).toBe(2);
  });

  test('end after two minutes, and are none before a clock that is a few seconds behind has their time', async () => {
    const nonces = await replica();
    const nonce = nonces.make(HISTORIES);
    nowMs += 119_999;
    expect((await nonces.open(nonce, ALICE)).size).toBe(2);
    nowMs += 1;
    expect((await nonces.open(nonce, ALICE)).size).toBe(0);
    nowMs -= 120_000 + 9_999;
    expect((await nonces.open(nonce, ALICE)).size).toBe(2);
    nowMs -= 1;
    expect((await nonces.open(nonce, ALICE)).size).toBe(0);
  });

  test('fit into a proof however many histories were met, the last ones first', async () => {
    const many = Array.from({ length: 100 }, (_, n) => Buffer.alloc(8, n).toString('base64url'));
    const nonces = await replica();
    const nonce = nonces.make(many);
    expect(nonce.length).toBeLessThanOrEqual(MAX_PROOF_ID_CHARS);
    const opened = [...(await nonces.open(nonce, ALICE))];
    expect(opened.length).toBeGreaterThanOrEqual(8);
    expect(opened).toEqual(many.slice(0, opened.length));
  });

  test('name nothing once any bit of them was changed', async () => {
    const nonces = await replica();
    const bytes = Buffer.from(nonces.make(HISTORIES), 'base64url');
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const altered = Buffer.from(bytes);
      altered[bit >> 3] = (altered[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect((await nonces.open(altered.toString('base64url'), ALICE)).size).toBe(0);
    }
  });

  test('that are rubbish are total, and cost a principal 32 calls a minute at most', async () => {
    const nonces = await replica();
    const rubbish = (seed: number): string => {
      const time = Buffer.alloc(8);
      time.writeDoubleBE(nowMs);
      return Buffer.concat([Uint8Array.of(1, 80), Buffer.alloc(80, seed), time, Buffer.alloc(24)]).toString(
        'base64url',
      );
    };
    for (let seed = 0; seed < 100; seed += 1) expect((await nonces.open(rubbish(seed), ALICE)).size).toBe(0);
    const asked = () => service.state.calls.filter((call) => call === 'decrypt').length;
    expect(asked()).toBe(32);
    await nonces.open(rubbish(101), { ...ALICE, id: 'user:bob' });
    expect(asked()).toBe(33);
    const before = asked();
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string(), fc.base64String()), async (text) => {
        expect((await nonces.open(text, ALICE)).size).toBe(0);
      }),
    );
    expect(asked()).toBe(before);
  });
});
