/** Signs with the active key of a purpose that belongs to the caller. The key never leaves. */
import { tooLarge } from '@sallyport/service/errors';
import { MAX_SIGN_BYTES } from '../domain/limits.ts';
import type { ActiveKeys } from './active-keys.ts';
import { ownSigningKey } from './authority.ts';
import type { KeyMaterial } from './key-material.ts';

export interface SignPorts {
  readonly active: ActiveKeys;
  readonly material: KeyMaterial;
}

export interface Signature {
  readonly keyId: string;
  /** 64 bytes. */
  readonly signature: Uint8Array;
}

/**
 * Signs exactly `message`: separating one purpose's messages from another's is the caller's format. `algorithm`: `Ed25519`,
 * which it is by default, or `P-256` where the purpose has such a key.
 */
export async function sign(
  { active, material }: SignPorts,
  caller: string,
  purpose: string,
  message: Uint8Array,
  algorithm = '',
): Promise<Signature> {
  const ref = ownSigningKey(purpose, algorithm, caller);
  if (message.length > MAX_SIGN_BYTES)
    throw tooLarge(`at most ${MAX_SIGN_BYTES} bytes`, { field: 'message' });
  const version = await active.lend(ref, 1, { kind: 'service', name: caller });
  const { privateKey, row } = await material.signing(version, 'protect');
  return { keyId: version.keyId, signature: row.sign(privateKey, message) };
}
