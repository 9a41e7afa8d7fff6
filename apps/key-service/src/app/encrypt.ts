/** Seals small secrets of a service under its own domain key. All items or none. */
import { AES_256_GCM, aead } from '@sallyport/crypto';
import { invalidArgument, tooLarge } from '@sallyport/service/errors';
import { encodeCiphertext, itemHeader } from '../domain/ciphertext.ts';
import { MAX_AAD_BYTES, MAX_BATCH_BYTES, MAX_BATCH_ITEMS, MAX_PLAINTEXT_BYTES } from '../domain/limits.ts';
import { itemContext } from '../domain/wrap-context.ts';
import type { ActiveKeys } from './active-keys.ts';
import { ownDomainKey } from './authority.ts';
import type { KeyMaterial } from './key-material.ts';
import type { Random } from './ports.ts';

export interface EncryptPorts {
  readonly active: ActiveKeys;
  readonly material: KeyMaterial;
  readonly random: Random;
}

export interface PlainItem {
  readonly plaintext: Uint8Array;
  readonly aad: Uint8Array;
}

/** Ciphertexts in the order of the items. Throws `SallyportError`; no message holds any of the data. */
export async function encrypt(
  ports: EncryptPorts,
  caller: string,
  name: string,
  items: readonly PlainItem[],
): Promise<readonly Uint8Array[]> {
  const ref = ownDomainKey(name, caller);
  checkBatch(items.map(({ plaintext, aad }) => ({ body: plaintext, aad })));
  items.forEach(({ plaintext }, index) => {
    if (plaintext.length > MAX_PLAINTEXT_BYTES) {
      throw tooLarge(`at most ${MAX_PLAINTEXT_BYTES} bytes`, { field: `items[${index}].plaintext` });
    }
  });
  const version = await ports.active.lend(ref, items.length, { kind: 'service', name: caller });
  const key = await ports.material.domain(version, 'protect');
  const header = itemHeader(version.version);
  return items.map(({ plaintext, aad }) => {
    const nonce = ports.random(AES_256_GCM.ivLength); // NIST SP 800-38D section 8.2.2: random, and counted
    const sealed = aead(AES_256_GCM).seal({
      key,
      iv: nonce,
      aad: itemContext(version, header, aad),
      plaintext,
    });
    return encodeCiphertext({ header, nonce, sealed });
  });
}

/** What Encrypt and Decrypt ask of every batch. Throws `invalid_argument` or `too_large`. */
export function checkBatch(items: readonly { readonly body: Uint8Array; readonly aad: Uint8Array }[]): void {
  if (items.length === 0) throw invalidArgument('at least one item', { field: 'items' });
  if (items.length > MAX_BATCH_ITEMS) throw tooLarge(`at most ${MAX_BATCH_ITEMS} items`, { field: 'items' });
  let total = 0;
  items.forEach(({ body, aad }, index) => {
    checkAad(aad, `items[${index}].aad`);
    total += body.length + aad.length;
  });
  if (total > MAX_BATCH_BYTES) throw tooLarge(`at most ${MAX_BATCH_BYTES} bytes in all`, { field: 'items' });
}

/** Associated data is mandatory: what is sealed says where it belongs. */
export function checkAad(aad: Uint8Array, field: string): void {
  if (aad.length === 0) throw invalidArgument('associated data of at least one byte', { field });
  if (aad.length > MAX_AAD_BYTES) throw tooLarge(`at most ${MAX_AAD_BYTES} bytes`, { field });
}
