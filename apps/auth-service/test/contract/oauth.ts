/** What every store of the authorization server does. */
import { randomBytes } from '@sallyport/crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { OAuthRecord, OAuthStore } from '../../src/oauth/ports.ts';

export type OAuthStoreMaker = AsyncDisposable & { fresh(): Promise<OAuthStore> };

const NOW = 1_800_000_000_000;
const LATER = NOW + 60_000;

function record(changes: Partial<OAuthRecord> = {}): OAuthRecord {
  return {
    model: 'RefreshToken',
    id: randomBytes(32),
    grant: undefined,
    uid: undefined,
    sealed: randomBytes(48),
    expiresAt: LATER,
    ...changes,
  };
}

export function oauthStoreContract(label: string, make: () => Promise<OAuthStoreMaker>): void {
  describe(`oauth store: ${label}`, () => {
    contract(make);
  });
}

function contract(make: () => Promise<OAuthStoreMaker>): void {
  let maker: OAuthStoreMaker;
  let store: OAuthStore;
  beforeAll(async () => {
    maker = await make();
  }, 60_000);
  afterAll(() => maker[Symbol.asyncDispose]());
  beforeEach(async () => {
    store = await maker.fresh();
  });
  const find = ({ model, id }: OAuthRecord, now = NOW) => store.records.find(model, 'id', id, now);

  test('what is put is found, until it is over', async () => {
    const one = record();
    await store.records.put(one);
    expect(await find(one)).toEqual({ id: one.id, sealed: one.sealed, consumedAt: undefined });
    expect(await find(one, LATER)).toBeDefined();
    expect(await find(one, LATER + 1)).toBeUndefined();
    expect(await find({ ...one, model: 'AuthorizationCode' })).toBeUndefined();
    expect(await find(record())).toBeUndefined();
  });

  test('putting again replaces, and what was consumed stays consumed', async () => {
    const one = record();
    await store.records.put(one);
    expect(await store.records.consume(one.model, one.id, NOW)).toBe(true);
    const next = { ...one, sealed: randomBytes(8), expiresAt: LATER + 1000 };
    await store.records.put(next);
    expect(await find(one, LATER + 1)).toEqual({ id: one.id, sealed: next.sealed, consumedAt: NOW });
  });

  test('is found by its second name', async () => {
    const one = record({ model: 'Session', uid: randomBytes(32) });
    await store.records.put(one);
    await store.records.put(record({ model: 'Session' }));
    const found = await store.records.find('Session', 'uid', one.uid ?? one.id, NOW);
    expect(found?.id).toEqual(one.id);
    expect(await store.records.find('Session', 'uid', one.id, NOW)).toBeUndefined();
  });

  test('of many that consume at once, one does', async () => {
    const one = record();
    await store.records.put(one);
    const results = await Promise.all(
      Array.from({ length: 16 }, () => store.records.consume(one.model, one.id, NOW)),
    );
    expect(results.filter(Boolean)).toHaveLength(1);
    expect(await store.records.consume(one.model, randomBytes(32), NOW)).toBe(false);
  });

  test('of many that insert one id at once, one does; when it is over, the next may', async () => {
    const one = record({ model: 'ReplayDetection' });
    const results = await Promise.all(Array.from({ length: 16 }, () => store.records.insert(one, NOW)));
    expect(results.filter((result) => result === 'inserted')).toHaveLength(1);
    expect(results.filter((result) => result === 'exists')).toHaveLength(15);
    await store.records.consume(one.model, one.id, NOW);
    const again = { ...one, expiresAt: LATER + 60_000 };
    expect(await store.records.insert(again, LATER + 1)).toBe('inserted');
    expect((await find(again, LATER + 1))?.consumedAt).toBeUndefined();
  });

  test('a bound holds for many at once, by model, for what is not over', async () => {
    const clients = Array.from({ length: 8 }, () => record({ model: 'Client' }));
    await store.records.put(record());
    await store.records.put(record({ model: 'Client', expiresAt: NOW - 1 }));
    const results = await Promise.all(clients.map((client) => store.records.insert(client, NOW, 3)));
    expect(results.filter((result) => result === 'inserted')).toHaveLength(8);
    const left = await Promise.all(clients.map((client) => find(client)));
    expect(left.filter((found) => found !== undefined)).toHaveLength(3);
  });

  test('where there is no room, the first to end gives way; what was consumed does not', async () => {
    const client = (after: number) => record({ model: 'Client', expiresAt: LATER + after });
    const [kept, first, second, next, last] = [client(0), client(1), client(2), client(3), client(4)];
    for (const each of [kept, first, second]) await store.records.insert(each, NOW, 3);
    await store.records.consume('Client', kept.id, NOW);
    expect(await store.records.insert(next, NOW, 3)).toBe('inserted');
    const found = await Promise.all([kept, first, second, next].map((each) => find(each)));
    expect(found.map((each) => each !== undefined)).toEqual([true, false, true, true]);
    for (const each of [second, next]) await store.records.consume('Client', each.id, NOW);
    expect(await store.records.insert(last, NOW, 3)).toBe('full');
    expect(await find(last)).toBeUndefined();
  });

  test('goes with its grant', async () => {
    const grant = randomBytes(32);
    const token = record({ grant });
    const code = record({ model: 'AuthorizationCode', grant });
    const other = record({ grant: randomBytes(32) });
    const free = record();
    for (const each of [token, code, other, free]) await store.records.put(each);
    await store.records.remove('AuthorizationCode', 'grant', grant);
    expect([await find(code), (await find(token)) !== undefined]).toEqual([undefined, true]);
    await store.records.remove('', 'grant', grant);
    expect(await find(token)).toBeUndefined();
    expect(await find(other)).toBeDefined();
    expect(await find(free)).toBeDefined();
  });

  test('is removed by its id', async () => {
    const one = record();
    await store.records.put(one);
    await store.records.remove('Session', 'id', one.id);
    expect(await find(one)).toBeDefined();
    await store.records.remove(one.model, 'id', one.id);
    expect(await find(one)).toBeUndefined();
  });

  test('what is over is swept, so many at a time', async () => {
    const kept = record();
    await store.records.put(kept);
    for (let each = 0; each < 5; each += 1) await store.records.put(record({ expiresAt: NOW - 1 }));
    expect(await store.records.sweep(NOW, 3)).toBe(3);
    expect(await store.records.sweep(NOW, 3)).toBe(2);
    expect(await store.records.sweep(NOW, 3)).toBe(0);
    expect(await find(kept)).toBeDefined();
  });

  test('the first secret stays', async () => {
    expect(await store.secrets.find()).toBeUndefined();
    const made = await Promise.all(Array.from({ length: 4 }, () => store.secrets.insert(randomBytes(40))));
    const kept = await store.secrets.find();
    expect(kept).toBeDefined();
    for (const each of made) expect(each).toEqual(kept);
  });
}
