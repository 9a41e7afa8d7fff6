/** Signing with the policy-bundle key, which never leaves key-service. */
import { create } from '@bufbuild/protobuf';
import { keyv1 } from '@sallyport/proto';
import type { ServiceCalls } from '@sallyport/service/grpc';
import { unavailable } from '@sallyport/service/errors';

export const bundlePurpose = 'policy-bundle';

export type KeyCalls = Pick<ServiceCalls<typeof keyv1.KeyService>, 'sign' | 'listPublicKeys'>;

export type BundleKey = {
  readonly keyId: string;
  /** Ed25519, raw, 32 bytes. */
  readonly publicKey: Uint8Array;
};

/** The key that signs now. Throws `SallyportError`. */
export async function activeBundleKey(keys: KeyCalls): Promise<BundleKey> {
  const answer = await keys.listPublicKeys({ purpose: bundlePurpose });
  const active = answer.keys.find(
    (key) =>
      key.purpose === bundlePurpose && key.state === keyv1.KeyState.ACTIVE && key.algorithm === 'Ed25519',
  );
  if (active === undefined) {
    throw unavailable(`key-service has no active Ed25519 key for "${bundlePurpose}".`);
  }
  return { keyId: active.keyId, publicKey: active.publicKey };
}

/** Signs with `key`. Throws `unavailable` when another key signed: it was rotated in between, so begin again. */
export async function signWith(keys: KeyCalls, key: BundleKey, message: Uint8Array): Promise<Uint8Array> {
  const answer = await keys.sign(create(keyv1.SignRequestSchema, { purpose: bundlePurpose, message }));
  if (answer.keyId !== key.keyId) {
    throw unavailable('The bundle key was rotated while a bundle was being signed.');
  }
  return answer.signature;
}
