/**
 * Several replicas that make their first start at the same moment, on one empty database and with one root key file that
 * is not there yet. Real Postgres: transactions of a single connection cannot race.
 */
import { stat } from 'node:fs/promises';
import { serverSuite, testPostgres, type TestPostgres } from '@sallyport/service/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createWorld, startKeyService } from './fixture.ts';

const REPLICAS = 4;
const suite = await serverSuite('postgres');

describe.skipIf(suite.skip)(suite.title('the first start of several replicas at once'), () => {
  let postgres: TestPostgres;
  beforeAll(async () => {
    postgres = await testPostgres();
    await postgres.optionsFor('key-service'); // provisioned before anybody starts, as in a deployment
  }, 60_000);
  afterAll(() => postgres[Symbol.asyncDispose]());

  test('all start, with one root key and one set of keys that each can use', async () => {
    await using world = await createWorld();
    await using stack = new AsyncDisposableStack();
    const hosts = Array.from({ length: REPLICAS }, () => stack.use(postgres.host()));
    const replicas = await Promise.all(
      hosts.map(async (host) => stack.use(await startKeyService(world, host))),
    );
    expect((await stat(world.rootKeyFile)).size).toBe(32);

    const directories = await Promise.all(
      replicas.map(async (replica) => (await (await replica.as('svc/auth-service')).listPublicKeys({})).keys),
    );
    const ids = directories.map((keys) => keys.map(({ keyId }) => keyId).toSorted());
    expect(new Set(ids.map(String)).size).toBe(1);
    const uses = directories[0]?.map(({ purpose, algorithm }) => `${purpose} ${algorithm}`) ?? [];
    expect(uses).toHaveLength(5);
    expect(new Set(uses).size).toBe(uses.length);

    // What one has sealed each of the others opens.
    const aad = Uint8Array.of(1);
    for (const [index, from] of replicas.entries()) {
      const plaintext = Uint8Array.of(index, 7);
      const auth = await from.as('svc/auth-service');
      const { ciphertexts } = await auth.encrypt({ key: 'auth/psk', items: [{ plaintext, aad }] });
      for (const to of replicas) {
        const opened = await (
          await to.as('svc/auth-service')
        ).decrypt({
          key: 'auth/psk',
          items: [{ ciphertext: ciphertexts[0] ?? new Uint8Array(), aad }],
        });
        expect(opened.plaintexts).toEqual([plaintext]);
      }
    }
  }, 60_000);
});
