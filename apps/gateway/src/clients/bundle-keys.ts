/** The keys that may sign bundles: key-service's directory, followed while that works and asked when it does not. */
import type { KeyObject } from 'node:crypto';
import { ED25519 } from '@sallyport/crypto';
import type { BundleKeys } from '@sallyport/policy-engine';
import { keyv1 } from '@sallyport/proto';
import { followKeys, type Follower, type FollowKeysOptions } from '@sallyport/service/feed';

const PURPOSE = 'policy-bundle';
const CALL_DEADLINE_MS = 2_000;

/** NIST SP 800-57 part 1 section 7.2: a deactivated key still verifies what it signed before. */
const USABLE: ReadonlySet<keyv1.KeyState> = new Set([keyv1.KeyState.ACTIVE, keyv1.KeyState.DEACTIVATED]);

export type FollowedBundleKeys = AsyncDisposable & {
  /** Rejects when nobody can be asked and what was known may be old. */
  keys(): Promise<BundleKeys>;
  readonly feed: Follower;
};

/** Rejects with `BusError` when it cannot subscribe. */
export async function followBundleKeys(
  options: Omit<FollowKeysOptions, 'purpose' | 'onKeys'>,
): Promise<FollowedBundleKeys> {
  let known: BundleKeys | undefined;
  const feed = await followKeys({
    ...options,
    purpose: PURPOSE,
    onKeys: (keys) => void (known = usable(keys)),
  });
  return {
    feed,
    async keys() {
      const { state, lag } = feed.status();
      if (known !== undefined && state === 'following' && lag === 0n) return known;
      const { keys } = await options.directory.listPublicKeys(
        { purpose: PURPOSE },
        { deadlineMs: CALL_DEADLINE_MS },
      );
      return usable(keys);
    },
    [Symbol.asyncDispose]: () => feed[Symbol.asyncDispose](),
  };
}

function usable(keys: readonly keyv1.PublicKey[]): BundleKeys {
  const found = new Map<string, KeyObject>();
  for (const { keyId, publicKey, state } of keys) {
    const key = USABLE.has(state) ? ED25519.publicKeyFromRaw(publicKey) : undefined;
    if (key !== undefined) found.set(keyId, key);
  }
  return found;
}
