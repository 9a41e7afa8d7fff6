/** The keys that sign access tokens: key-service's directory, followed. They are looked up by name, in memory. */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { ED25519, toBase64url } from '@sallyport/crypto';
import { keyv1 } from '@sallyport/proto';
import { followKeys, type Follower, type FollowKeysOptions } from '@sallyport/service/feed';
import { tokenBucket } from '../../domain/token-bucket.ts';

export const TOKEN_KEY_PURPOSE = 'access-token';

/** RFC 7518 section 3.1, RFC 8037 section 3.1. Nothing else signs a token here, whatever its header says. */
export const TOKEN_ALGORITHMS = ['EdDSA', 'ES256'] as const;
export type TokenAlgorithm = (typeof TOKEN_ALGORITHMS)[number];

export type TokenKey = { readonly algorithm: TokenAlgorithm; readonly key: KeyObject };

export type TokenKeys = {
  /** Undefined for a name that is unknown, or whose key verifies nothing any more. */
  find(keyId: string): TokenKey | undefined;
  /** False while there is nothing to go by: no key was heard of yet, or nobody could say for too long what is compromised. */
  isCurrent(): boolean;
  /** Asks anew, as often as it may; for a name that is not known yet. Never rejects. */
  refresh(): Promise<void>;
};

export type FollowedTokenKeys = TokenKeys & AsyncDisposable & { readonly feed: Follower };

/**
 * How long what is known is believed when key-service cannot be asked: as long as session keys are (DESIGN.md section 12).
 * No token is made meanwhile, and those that exist live for minutes.
 */
const BELIEVED_FOR_MS = 60 * 60_000;
/** Whoever presents names of keys that there are not must not make us ask for each. */
const ASK = { perSecond: 4, burst: 8 } as const;
/** NIST SP 800-57 part 1 section 7.2: a deactivated key still verifies what it signed before. */
const USABLE: ReadonlySet<keyv1.KeyState> = new Set([keyv1.KeyState.ACTIVE, keyv1.KeyState.DEACTIVATED]);

/** `onChange`: a key came, went or changed its state. Rejects with `BusError` when it cannot subscribe. */
export async function followTokenKeys(
  options: Omit<FollowKeysOptions, 'purpose' | 'onKeys'> & { readonly onChange: () => void },
): Promise<FollowedTokenKeys> {
  const { onChange, ...rest } = options;
  let known: ReadonlyMap<string, TokenKey> | undefined;
  const mayAsk = tokenBucket(ASK, () => rest.clock.monotonic());
  const feed = await followKeys({
    deadAfterMs: BELIEVED_FOR_MS,
    ...rest,
    purpose: TOKEN_KEY_PURPOSE,
    onKeys(keys) {
      known = usable(keys);
      onChange();
    },
  });
  return {
    feed,
    find: (keyId) => known?.get(keyId),
    isCurrent: () => known !== undefined && known.size > 0 && !feed.isDead(),
    refresh: async () => (mayAsk.take() ? feed.ask() : undefined),
    [Symbol.asyncDispose]: () => feed[Symbol.asyncDispose](),
  };
}

function usable(keys: readonly keyv1.PublicKey[]): ReadonlyMap<string, TokenKey> {
  const found = new Map<string, TokenKey>();
  for (const { keyId, algorithm, publicKey, purpose, state } of keys) {
    if (purpose !== TOKEN_KEY_PURPOSE || !USABLE.has(state)) continue;
    const key = tokenKey(algorithm, publicKey);
    if (key !== undefined) found.set(keyId, key);
  }
  return found;
}

/** As key.proto writes them. Undefined for what is no key of ours. */
export function tokenKey(algorithm: string, publicKey: Uint8Array): TokenKey | undefined {
  if (algorithm === 'Ed25519') {
    const key = ED25519.publicKeyFromRaw(publicKey);
    return key === undefined ? undefined : { algorithm: 'EdDSA', key };
  }
  if (algorithm === 'P-256') {
    const key = p256(publicKey);
    return key === undefined ? undefined : { algorithm: 'ES256', key };
  }
  return undefined;
}

const COORDINATE_BYTES = 32;
/** SEC 1 section 2.3.3: uncompressed. */
const UNCOMPRESSED = 4;

function p256(point: Uint8Array): KeyObject | undefined {
  if (point.length !== 1 + 2 * COORDINATE_BYTES || point[0] !== UNCOMPRESSED) return undefined;
  try {
    const x = toBase64url(point.subarray(1, 1 + COORDINATE_BYTES));
    const y = toBase64url(point.subarray(1 + COORDINATE_BYTES));
    return createPublicKey({ key: { kty: 'EC', crv: 'P-256', x, y }, format: 'jwk' });
  } catch {
    return undefined; // not on the curve
  }
}
