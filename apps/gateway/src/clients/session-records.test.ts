import { randomBytes, Secret, toHex, utf8 } from '@sallyport/crypto';
import { SallyportError } from '@sallyport/service/errors';
import { beforeEach, describe, expect, test } from 'vitest';
import { sessionRecords } from './session-records.ts';

const ID = 'aa'.repeat(16);
const HOUR_MS = 3_600_000;

describe('session records', () => {
  let calls: string[];
  let isAway: boolean;
  let nowMs: number;
  let wrappedKeys: Map<string, Uint8Array>;
  beforeEach(() => {
    [calls, isAway, nowMs, wrappedKeys] = [[], false, 0, new Map<string, Uint8Array>()];
  });

  /** A gateway's; all of them meet the same key-service. */
  function records() {
    const away = (): void => {
      if (isAway) throw new SallyportError('unavailable', 'key-service is away');
    };
    const keys = {
      generateDataKey: async () => {
        calls.push('generate');
        away();
        const [plaintext, wrapped] = [randomBytes(32), randomBytes(60)];
        wrappedKeys.set(toHex(wrapped), plaintext.slice());
        return { dataKeyId: 'x', plaintext, wrapped };
      },
      decrypt: async ({ items = [] }: { items?: { ciphertext?: Uint8Array }[] }) => {
        calls.push('decrypt');
        away();
        const key = wrappedKeys.get(toHex(items[0]?.ciphertext ?? new Uint8Array()));
        if (key === undefined) throw new SallyportError('decryption_failed', 'not ours');
        return { plaintexts: [key.slice()] };
      },
    };
    return sessionRecords(keys as unknown as Parameters<typeof sessionRecords>[0], () => nowMs);
  }
  const secret = (text = 'the record'): Secret => new Secret(utf8(text));
  const textOf = (opened: Secret | undefined): string | undefined =>
    opened?.use((bytes) => new TextDecoder().decode(bytes));

  test('open at another gateway, with one call for all that one gateway sealed', async () => {
    const [one, other] = [records(), records()];
    const first = await one.seal(ID, secret());
    const second = await one.seal('bb'.repeat(16), secret('another'));
    expect(calls).toEqual(['generate']);
    expect(
      await Promise.all(
        [other.open(ID, first), other.open('bb'.repeat(16), second)].map(async (each) => textOf(await each)),
      ),
    ).toEqual(['the record', 'another']);
    expect(calls).toEqual(['generate', 'decrypt']);
  });

  test('hide what they hold, and wipe what they were made of', async () => {
    const record = secret();
    const sealed = await records().seal(ID, record);
    expect(Buffer.from(sealed).includes('record')).toBe(false);
    expect(record.length).toBe(0);
  });

  test('get another data key after an hour', async () => {
    const own = records();
    await own.seal(ID, secret());
    nowMs = HOUR_MS - 1;
    await own.seal(ID, secret());
    expect(calls).toEqual(['generate']);
    nowMs = HOUR_MS;
    await own.seal(ID, secret());
    expect(calls).toEqual(['generate', 'generate']);
  });

  test('are not sealed while key-service is away, and are when it is back', async () => {
    const own = records();
    isAway = true;
    const record = secret();
    await expect(own.seal(ID, record)).rejects.toThrow('away');
    expect(record.length).toBe(0);
    isAway = false;
    expect(textOf(await records().open(ID, await own.seal(ID, secret())))).toBe('the record');
  });

  test('while key-service is away it is not said that they are none of ours', async () => {
    const sealed = await records().seal(ID, secret());
    const other = records();
    isAway = true;
    await expect(other.open(ID, sealed)).rejects.toThrow('away');
    isAway = false;
    expect(textOf(await other.open(ID, sealed))).toBe('the record');
  });

  test.each<[string, (sealed: Uint8Array) => [string, Uint8Array]]>([
    ['of another session', (sealed) => ['bb'.repeat(16), sealed]],
    ['cut', (sealed) => [ID, sealed.subarray(0, sealed.length - 1)]],
    ['with a bit turned', (sealed) => [ID, sealed.with(sealed.length - 1, (sealed.at(-1) ?? 0) ^ 1)]],
    ['with another wrapped key', (sealed) => [ID, sealed.with(10, (sealed[10] ?? 0) ^ 1)]],
    ['of another layout', (sealed) => [ID, sealed.with(0, 2)]],
    ['whose key is longer than all of it', (sealed) => [ID, sealed.with(1, 0xff)]],
    ['empty', () => [ID, new Uint8Array()]],
  ])('%s: not opened', async (_what, change) => {
    const [id, bytes] = change(await records().seal(ID, secret()));
    expect(await records().open(id, bytes)).toBeUndefined();
  });
});
