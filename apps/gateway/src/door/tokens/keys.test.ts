import { generateKeyPairSync } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { keyv1 } from '@sallyport/proto';
import { memoryBus } from '@sallyport/service/bus';
import { manualClock } from '@sallyport/service/clock';
import { memoryLog } from '@sallyport/service/testing';
import { followTokenKeys, tokenKey, TOKEN_KEY_PURPOSE } from './keys.ts';

const ed = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });
const bytes = (text = ''): Buffer => Buffer.from(text, 'base64url');
const point = Buffer.concat([Buffer.from([4]), bytes(ec.x), bytes(ec.y)]);

describe('public keys as key-service writes them', () => {
  test('Ed25519 and P-256', () => {
    expect(tokenKey('Ed25519', bytes(ed.x))?.algorithm).toBe('EdDSA');
    const key = tokenKey('P-256', point);
    expect(key?.algorithm).toBe('ES256');
    expect(key?.key.export({ format: 'jwk' })).toEqual(ec);
  });

  test.each([
    ['an unknown algorithm', 'P-384', point],
    ['a compressed point', 'P-256', Buffer.concat([Buffer.from([2]), bytes(ec.x)])],
    ['a point that is not on the curve', 'P-256', Buffer.concat([Buffer.from([4]), Buffer.alloc(64, 1)])],
    ['a short point', 'P-256', point.subarray(1)],
    ['a key of the other kind', 'Ed25519', point],
    ['nothing', 'Ed25519', Buffer.alloc(0)],
  ])('%s is none', (_, algorithm, publicKey) => {
    expect(tokenKey(algorithm, publicKey)).toBeUndefined();
  });
});

describe('the directory, followed', () => {
  const stack = new AsyncDisposableStack();
  afterEach(() => stack.disposeAsync());

  test('only keys of this purpose that still verify; asked again a few times a second at most', async () => {
    const clock = manualClock();
    const row = (keyId: string, state: keyv1.KeyState, purpose = TOKEN_KEY_PURPOSE): keyv1.PublicKey => ({
      ...{ $typeName: 'sallyport.key.v1.PublicKey', keyId, purpose, state },
      ...{ algorithm: 'Ed25519', publicKey: bytes(ed.x) },
    });
    let asked = 0;
    const keys = [
      row('active', keyv1.KeyState.ACTIVE),
      row('old', keyv1.KeyState.DEACTIVATED),
      row('lost', keyv1.KeyState.COMPROMISED),
      row('bundle', keyv1.KeyState.ACTIVE, 'policy-bundle'),
    ];
    const followed = stack.use(
      await followTokenKeys({
        directory: { listPublicKeys: () => Promise.resolve(((asked += 1), { keys, lastNumber: 1n })) },
        bus: stack.use(memoryBus({ clock })),
        clock,
        log: memoryLog(),
        pollMs: 60_000,
        silenceMs: 60_000,
        onChange: () => undefined,
      }),
    );
    await followed.refresh();
    expect(followed.isCurrent()).toBe(true);
    expect(['active', 'old', 'lost', 'bundle'].filter((name) => followed.find(name) !== undefined)).toEqual([
      'active',
      'old',
    ]);
    for (let n = 0; n < 50; n += 1) await followed.refresh();
    expect(asked).toBeLessThanOrEqual(9);
  });
});
