import { concatBytes, randomBytes, utf8 } from '@sallyport/crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { keyRef, memoryRootKey, reasonOf, testApp, type TestApp } from '../../test/support.ts';
import {
  MAX_AAD_BYTES,
  MAX_BATCH_BYTES,
  MAX_BATCH_ITEMS,
  MAX_KEYS_PER_OWNER,
  MAX_PLAINTEXT_BYTES,
} from '../domain/limits.ts';
import { permits, type KeyState, KEY_STATES } from '../domain/lifecycle.ts';
import { memoryStore } from '../store/memory.ts';
import type { KeyStore } from '../store/store.ts';

const aad = utf8('psk:0011');
const plaintext = utf8('thirty-two bytes of a shared key');
const admin = { kind: 'principal', id: 'user:admin' } as const;

/** The store as if every version were in `state`. */
function inState(store: KeyStore, state: KeyState): KeyStore {
  const wrapped = state === 'destroyed' ? { wrapped: undefined } : {};
  const version: KeyStore['keys']['version'] = async (ref, number) => {
    const key = await store.keys.version(ref, number);
    return key && { ...key, state, ...wrapped };
  };
  return { ...store, keys: { ...store.keys, version } };
}

describe('Encrypt and Decrypt', () => {
  let app: TestApp;
  beforeEach(() => {
    app = testApp();
  });
  const seal = async (key = 'auth/psk', caller = 'auth-service') => {
    const [ciphertext] = await app.keys.encrypt(caller, key, [{ plaintext, aad }]);
    if (ciphertext === undefined) throw new Error('no ciphertext');
    return ciphertext;
  };
  const open = (ciphertext: Uint8Array, changes: { aad?: Uint8Array; key?: string; caller?: string } = {}) =>
    app.keys.decrypt(changes.caller ?? 'auth-service', changes.key ?? 'auth/psk', [
      { ciphertext, aad: changes.aad ?? aad },
    ]);

  it('open what was sealed, in order, an empty plaintext included', async () => {
    const items = [plaintext, new Uint8Array(0), randomBytes(MAX_PLAINTEXT_BYTES)].map((body, index) => ({
      plaintext: body,
      aad: utf8(`item ${index}`),
    }));
    const ciphertexts = await app.keys.encrypt('auth-service', 'auth/psk', items);
    const sealed = ciphertexts.map((ciphertext, index) => ({ ciphertext, aad: utf8(`item ${index}`) }));
    expect(await app.keys.decrypt('auth-service', 'auth/psk', sealed)).toEqual(
      items.map((item) => item.plaintext),
    );
  });

  it('never seal to the same bytes twice', async () => {
    expect(await seal()).not.toEqual(await seal());
  });

  it('keep the material wrapped: the store shows neither key nor plaintext', async () => {
    await seal();
    const [key] = await app.store.keys.list();
    expect(key?.wrapped).toHaveLength(11 + 12 + 32 + 16);
  });

  it('make the key on first use, once, and record it', async () => {
    await Promise.all([seal(), seal(), seal()]);
    expect(await app.store.keys.list()).toMatchObject([{ name: 'auth/psk', version: 1, state: 'active' }]);
    expect(app.recorded).toMatchObject([
      {
        change: 'created',
        cause: 'first_use',
        actor: { kind: 'service', name: 'auth-service' },
        subject: { type: 'key', name: 'auth/psk', version: 1 },
      },
    ]);
  });

  it('refuse a ciphertext with a flipped bit, wherever it is', async () => {
    const ciphertext = await seal();
    for (let at = 0; at < ciphertext.length; at += 1) {
      const tampered = Uint8Array.from(ciphertext);
      tampered[at] = (tampered[at] ?? 0) ^ 1;
      expect(await reasonOf(open(tampered)), `byte ${at}`).toBe('decryption_failed');
    }
  });

  it('refuse a ciphertext that was cut, at any length', async () => {
    const ciphertext = await seal();
    for (let length = 0; length < ciphertext.length; length += 1) {
      expect(await reasonOf(open(ciphertext.subarray(0, length))), `${length}`).toBe('decryption_failed');
    }
  });

  it.each([
    ['a byte over', async () => open(concatBytes(await seal(), Uint8Array.of(0)))],
    ['other associated data', async () => open(await seal(), { aad: utf8('psk:0012') })],
    ['associated data cut short', async () => open(await seal(), { aad: aad.subarray(1) })],
    ['a ciphertext of another key of the owner', async () => open(await seal('auth/totp'))],
    ['a key that was never made', async () => open(await seal(), { key: 'auth/unknown' })],
    [
      'a ciphertext of the same version under another root',
      async () => {
        const ciphertext = await seal();
        const other = testApp({ root: memoryRootKey() });
        await other.keys.encrypt('auth-service', 'auth/psk', [{ plaintext, aad }]);
        return other.keys.decrypt('auth-service', 'auth/psk', [{ ciphertext, aad }]);
      },
    ],
  ])('refuse %s', async (_, attempt) => {
    expect(await reasonOf(attempt())).toBe('decryption_failed');
  });

  it('open all items or none', async () => {
    const good = { ciphertext: await seal(), aad };
    const bad = { ciphertext: await seal(), aad: utf8('elsewhere') };
    await expect(app.keys.decrypt('auth-service', 'auth/psk', [good, bad])).rejects.toMatchObject({
      reason: 'decryption_failed',
      field: 'items[1]',
    });
  });

  it.each([
    ['audit-service', 'auth/psk', 'caller_not_allowed'],
    ['policy-service', 'auth/psk', 'caller_not_allowed'],
    ['auth-service', 'policy/store', 'caller_not_allowed'],
    ['auth-service', 'channel/session', 'caller_not_allowed'],
    ['gateway', 'auth/psk', 'caller_not_allowed'],
    ['auth-service', 'nobody/psk', 'caller_not_allowed'],
    ['auth-service', 'constructor/psk', 'caller_not_allowed'],
    ['auth-service', 'session-binding', 'invalid_argument'],
    ['auth-service', '', 'invalid_argument'],
    ['auth-service', 'auth/../policy', 'invalid_argument'],
  ])('refuse %s the key %j: %s', async (caller, key, reason) => {
    expect(await reasonOf(app.keys.encrypt(caller, key, [{ plaintext, aad }]))).toBe(reason);
    expect(await reasonOf(open(await seal(), { caller, key }))).toBe(reason);
    expect((await app.store.keys.list()).map(({ name }) => name)).toEqual(['auth/psk']);
  });

  it('refuse to make more keys than a service may have, and let no service use up the keys of another', async () => {
    await seal();
    const [key] = await app.store.keys.list();
    if (key === undefined) throw new Error('no key');
    const many = Array.from({ length: MAX_KEYS_PER_OWNER }, (_, at) => ({
      ...key,
      ...keyRef(`auth/n${at}`),
    }));
    const keys = { ...app.store.keys, list: async () => many };
    const crowded = testApp({ store: { ...app.store, keys } });
    const make = (caller: string, name: string) => crowded.keys.encrypt(caller, name, [{ plaintext, aad }]);
    expect(await reasonOf(make('auth-service', 'auth/one-more'))).toBe('too_large');
    expect(await make('audit-service', 'audit/day')).toHaveLength(1);
  });

  it.each([
    ['no item', [], 'invalid_argument'],
    ['too many items', Array.from({ length: MAX_BATCH_ITEMS + 1 }, () => ({ plaintext, aad })), 'too_large'],
    ['a plaintext too large', [{ plaintext: new Uint8Array(MAX_PLAINTEXT_BYTES + 1), aad }], 'too_large'],
    ['no associated data', [{ plaintext, aad: new Uint8Array(0) }], 'invalid_argument'],
    ['too much associated data', [{ plaintext, aad: new Uint8Array(MAX_AAD_BYTES + 1) }], 'too_large'],
    [
      'too much in all',
      Array.from({ length: MAX_BATCH_BYTES / MAX_PLAINTEXT_BYTES }, () => ({
        plaintext: new Uint8Array(MAX_PLAINTEXT_BYTES),
        aad,
      })),
      'too_large',
    ],
  ])('refuse a batch with %s', async (_, items, reason) => {
    expect(await reasonOf(app.keys.encrypt('auth-service', 'auth/psk', items))).toBe(reason);
    const sealed = items.map((item) => ({ ciphertext: item.plaintext, aad: item.aad }));
    if (_ !== 'a plaintext too large') {
      expect(await reasonOf(app.keys.decrypt('auth-service', 'auth/psk', sealed))).toBe(reason);
    }
  });

  it('take the largest batch there is', async () => {
    const items = Array.from({ length: MAX_BATCH_ITEMS }, () => ({ plaintext, aad }));
    expect(await app.keys.encrypt('auth-service', 'auth/psk', items)).toHaveLength(MAX_BATCH_ITEMS);
  });

  it.each(KEY_STATES.map((state) => [state, permits(state, 'process')] as const))(
    'under a version that is %s open: %s',
    async (state, opens) => {
      const store = memoryStore();
      const root = memoryRootKey();
      app = testApp({ store, root });
      const ciphertext = await seal();
      app = testApp({ store: inState(store, state), root });
      if (opens) expect(await open(ciphertext)).toEqual([plaintext]);
      else expect(await reasonOf(open(ciphertext))).toBe('key_unusable');
    },
  );

  it('open under the old version after a rotation, and seal under the new one', async () => {
    const before = await seal();
    await app.keys.rotateKey(keyRef('auth/psk'), admin);
    const after = await seal();
    expect([before[7], after[7]]).toEqual([1, 2]);
    expect(await open(before)).toEqual([plaintext]);
    expect(await open(after)).toEqual([plaintext]);
  });

  it('do not open a version that claims to be another', async () => {
    const before = await seal();
    await app.keys.rotateKey(keyRef('auth/psk'), admin);
    before[7] = 2;
    expect(await reasonOf(open(before))).toBe('decryption_failed');
  });

  it('fail, and not as the caller’s mistake, when a stored key was changed', async () => {
    const store = memoryStore();
    const ciphertext = await (async () => {
      app = testApp({ store });
      return seal();
    })();
    // Another root key stands for any change of the wrapped bytes.
    app = testApp({ store, root: memoryRootKey() });
    await expect(open(ciphertext)).rejects.toThrow('does not open under the root key');
  });
});
