/**
 * A key for data that its owner keeps elsewhere, in two halves: the owner's blob is sealed under a key of this row, the
 * row's key under a domain key. Erasing the row makes the blob noise, whoever copied it, and the domain key with it.
 */
import type { KeyId, KeyName, TenantId } from './key.ts';

export interface DataKey {
  /** 16 random bytes in hex. */
  readonly dataKeyId: string;
  readonly tenant: TenantId;
  /** The domain key's name: whoever owns it owns this. */
  readonly name: KeyName;
  /** The domain key version that wraps the row's key. */
  readonly parent: KeyId;
  /** `undefined` once destroyed. */
  readonly wrapped: Uint8Array | undefined;
  readonly createdAt: number;
  readonly destroyedAt: number | undefined;
}
