/** The log's signing key, which never leaves key-service. */
import { keyv1 } from '@sallyport/proto';
import { unavailable } from '@sallyport/service/errors';
import type { ServiceCalls } from '@sallyport/service/grpc';
import type { ReadSigningKeys } from '../app/ports.ts';

export const checkpointPurpose = 'audit-checkpoint';

export type KeyCalls = Pick<ServiceCalls<typeof keyv1.KeyService>, 'sign' | 'listPublicKeys'>;

/** States in which what a key signed before still counts. */
const VERIFYING: ReadonlySet<keyv1.KeyState> = new Set([
  keyv1.KeyState.ACTIVE,
  keyv1.KeyState.SUSPENDED,
  keyv1.KeyState.DEACTIVATED,
]);

export function signingKeys(calls: KeyCalls): ReadSigningKeys {
  return async () => {
    const answer = await calls.listPublicKeys({ purpose: checkpointPurpose });
    const keys = answer.keys.filter(
      ({ purpose, algorithm, publicKey }) =>
        purpose === checkpointPurpose && algorithm === 'Ed25519' && publicKey.length === 32,
    );
    const active = keys.find(({ state }) => state === keyv1.KeyState.ACTIVE);
    if (active === undefined)
      throw unavailable(`key-service has no active Ed25519 key for "${checkpointPurpose}"`);
    return {
      active: active.publicKey,
      earlier: keys
        .filter(({ keyId, state }) => keyId !== active.keyId && VERIFYING.has(state))
        .map(({ publicKey }) => publicKey),
      async sign(message) {
        const { keyId, signature } = await calls.sign({ purpose: checkpointPurpose, message });
        if (keyId !== active.keyId)
          throw unavailable('the checkpoint key was rotated while a checkpoint was signed');
        return signature;
      },
    };
  };
}
