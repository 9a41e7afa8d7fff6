/** The provider's storage where two replicas meet: both have looked, and only one may go on. */
import { randomBytes } from '@sallyport/crypto';
import { errors, type AdapterFactory } from 'oidc-provider';
import { beforeEach, expect, test } from 'vitest';
import { adapterFactory } from '../../src/oauth/adapter.ts';
import { sealedRecords } from '../../src/oauth/sealed-records.ts';
import { deriveKeys } from '../../src/oauth/secret.ts';
import { memoryOAuth } from '../../src/store/memory-oauth.ts';

const SID = 'ab'.repeat(16);
const keys = deriveKeys(randomBytes(32));
let store: ReturnType<typeof memoryOAuth>;
let ended: string[];
let isOpen: boolean;
let replica: () => AdapterFactory;
beforeEach(() => {
  store = memoryOAuth();
  ended = [];
  isOpen = true;
  replica = () =>
    adapterFactory({
      records: store.records,
      sealed: sealedRecords(keys, randomBytes),
      sessions: {
        find: async (sessionId) =>
          isOpen ? { sessionId, principal: 'user:alice', notAfter: 1e13 } : undefined,
        end: async (sessionId, by, cause) => void ended.push(`${sessionId} ${by ?? 'us'} ${cause}`),
      },
      now: () => 1_800_000_000_000,
      maxClients: 2,
      clientLifetimeMs: 1000,
    });
});

test.each(['AuthorizationCode', 'RefreshToken'])(
  'a %s that both found is used by one, and the session ends',
  async (model) => {
    const [one, two] = [replica()(model), replica()(model)];
    await one.upsert('name', { grantId: SID, accountId: 'user:alice' }, 60);
    await replica()('RefreshToken').upsert('next', { grantId: SID }, 60);
    expect(await one.find('name')).not.toHaveProperty('consumed');
    expect(await two.find('name')).not.toHaveProperty('consumed');
    await one.consume('name');
    await expect(two.consume('name')).rejects.toBeInstanceOf(errors.InvalidGrant);
    expect(ended).toEqual([`${SID} us token_reused`]);
    expect(await replica()('RefreshToken').find('next')).toBeUndefined();
  },
);

test('what was used says so to whoever looks later', async () => {
  const adapter = replica()('RefreshToken');
  await adapter.upsert('name', { grantId: SID }, 60);
  await adapter.consume('name');
  expect(await replica()('RefreshToken').find('name')).toMatchObject({ consumed: 1_800_000_000 });
});

test('a proof that both found unused is written by one', async () => {
  const [one, two] = [replica()('ReplayDetection'), replica()('ReplayDetection')];
  await one.upsert('proof', { iss: 'client' }, 60);
  await expect(two.upsert('proof', { iss: 'client' }, 60)).rejects.toBeInstanceOf(errors.InvalidDpopProof);
});

test('a grant is there as long as its session is, and takes it along', async () => {
  const grants = replica()('Grant');
  await grants.upsert(SID, { accountId: 'user:alice' }, 60);
  await replica()('RefreshToken').upsert('token', { grantId: SID }, 60);
  expect(await grants.find(SID)).toMatchObject({ accountId: 'user:alice' });
  isOpen = false;
  expect(await grants.find(SID)).toBeUndefined();
  isOpen = true;
  await grants.destroy(SID);
  expect(ended).toEqual([`${SID} us token_reused`]);
  expect(await replica()('RefreshToken').find('token')).toBeUndefined();
});

test('a row that was moved to another name, or sealed under another secret, does not open', async () => {
  const sealed = sealedRecords(keys, randomBytes);
  const [mine, other] = [sealed.hash('id', 'Session', 'a'), sealed.hash('id', 'Session', 'b')];
  const box = sealed.seal('Session', mine, { accountId: 'user:alice' });
  expect(sealed.open('Session', { id: mine, sealed: box })).toEqual({ accountId: 'user:alice' });
  expect(sealed.open('Session', { id: other, sealed: box })).toBeUndefined();
  expect(sealed.open('Grant', { id: mine, sealed: box })).toBeUndefined();
  const stranger = sealedRecords(deriveKeys(randomBytes(32)), randomBytes);
  expect(stranger.open('Session', { id: mine, sealed: box })).toBeUndefined();
  expect(stranger.hash('id', 'Session', 'a')).not.toEqual(mine);
});
