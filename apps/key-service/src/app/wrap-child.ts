/** Seals a child key under a version of a domain key. */
import { AES_256_GCM, aead } from '@sallyport/crypto';
import { encodeCiphertext, itemHeader } from '../domain/ciphertext.ts';
import type { KeyVersion } from '../domain/key.ts';
import type { KeyMaterial } from './key-material.ts';
import type { Random } from './ports.ts';

export interface WrapChildPorts {
  readonly material: KeyMaterial;
  readonly random: Random;
}

/** `context` gets the header that will precede the child. The use must have been counted (`ActiveKeys.lend`). */
export async function wrapChild(
  { material, random }: WrapChildPorts,
  parent: KeyVersion,
  child: Uint8Array,
  context: (header: Uint8Array) => Uint8Array,
): Promise<Uint8Array> {
  const key = await material.domain(parent, 'protect');
  const header = itemHeader(parent.version);
  const nonce = random(AES_256_GCM.ivLength);
  const sealed = aead(AES_256_GCM).seal({ key, iv: nonce, aad: context(header), plaintext: child });
  return encodeCiphertext({ header, nonce, sealed });
}
