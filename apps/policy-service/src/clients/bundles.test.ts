import { PolicyEngine, verifyBundle } from '@sallyport/policy-engine';
import { describe, expect, test } from 'vitest';
import { binding, fakeKeys, role, stateWith } from '../../test/support.ts';
import { limits } from '../domain/limits.ts';
import { planPutRole } from '../domain/plan-roles.ts';
import { applied } from '../domain/policy-state.ts';
import { ED25519 } from '@sallyport/crypto';
import { signedBundles } from './bundles.ts';
import { readPolicyModule } from './policy-module.ts';

const module = await readPolicyModule();
const bundlesWith = (keys = fakeKeys()) =>
  signedBundles({ keys, wasm: module.wasm, tenant: 'default', pinning: 'first-use', monotonicMs: () => 0 });
const state = stateWith(module.roles, [binding('user:alice', 'sender')]);

test('what is built opens and decides', async () => {
  const bundles = bundlesWith();
  const built = await bundles.build(state);
  const evaluate = await bundles.open({ ...built, builtAtMs: 0 });
  const resource = { kind: 'destination', name: 'echo' };
  const ask = { principal: 'user:alice', tenant: 'default', method: 'psk', action: 'message.send', resource };
  expect(evaluate(ask)).toMatchObject({ allowed: true, revision: 1n, roles: ['guest', 'sender'] });
});

describe('is not opened', () => {
  test('under another key', async () => {
    const built = await bundlesWith().build(state);
    const publicKey = ED25519.rawPublicKey(ED25519.generate().publicKey);
    await expect(bundlesWith().open({ ...built, publicKey, builtAtMs: 0 })).rejects.toThrow(
      'signature_invalid',
    );
  });

  test('under the name of another key', async () => {
    const built = await bundlesWith().build(state);
    await expect(bundlesWith().open({ ...built, keyId: 'other', builtAtMs: 0 })).rejects.toThrow(
      'key_unknown',
    );
  });

  test('as another revision', async () => {
    const built = await bundlesWith().build(state);
    await expect(bundlesWith().open({ ...built, revision: 2n, builtAtMs: 0 })).rejects.toThrow(
      'revision 1, not 2',
    );
  });

  test('with a key that is none', async () => {
    const built = await bundlesWith().build(state);
    const publicKey = new Uint8Array(32);
    await expect(bundlesWith().open({ ...built, publicKey, builtAtMs: 0 })).rejects.toThrow('key_unknown');
  });
});

test('a key-service without a bundle key is unavailable', async () => {
  const keys = { ...fakeKeys(), listPublicKeys: async () => ({ keys: [] }) as never };
  await expect(bundlesWith(keys).build(state)).rejects.toMatchObject({ reason: 'unavailable' });
});

test('the largest policy that is accepted makes a bundle that gateways load, within a message of theirs', async () => {
  let largest = stateWith(
    module.roles,
    Array.from({ length: limits.bindings }, (_, i) => binding(`user:${i}${'u'.repeat(50)}`, 'sender')),
  );
  for (let i = 0; ; i += 1) {
    const permissions = Array.from({ length: limits.permissionsPerRole }, (_, p) => ({
      action: `a${i}.b${p}.*`,
      resource: `${p}${'"'.repeat(50)}${i}`,
    }));
    const plan = planPutRole(largest, role(`r${i}`, { permissions }));
    if (plan.kind !== 'change') break;
    largest = applied(largest, plan.changes);
  }
  const keys = fakeKeys();
  const built = await bundlesWith(keys).build(largest);
  expect(built.bundle.length).toBeLessThan(4 * 1024 * 1024);
  const key = ED25519.publicKeyFromRaw(built.publicKey);
  const verified = await verifyBundle(built.bundle, new Map(key === undefined ? [] : [[built.keyId, key]]));
  if (!verified.ok) throw new Error(verified.problem);
  expect(await new PolicyEngine({ monotonicMs: () => 0 }).load(verified.bundle)).toEqual({ ok: true });
});
