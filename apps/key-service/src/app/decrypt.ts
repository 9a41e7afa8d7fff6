/** Opens what Encrypt sealed and what GenerateDataKey wrapped. All items or none. */
import { aead, fromHex, secretKey, toHex } from '@sallyport/crypto';
import { SallyportError } from '@sallyport/service/errors';
import { parseCiphertext, type Item, type WrappedDataKey } from '../domain/ciphertext.ts';
import type { KeyRef, KeyVersion } from '../domain/key.ts';
import { dataKeyContext, dataKeyRowContext, itemContext } from '../domain/wrap-context.ts';
import { ownDomainKey } from './authority.ts';
import { checkBatch } from './encrypt.ts';
import type { KeyMaterial } from './key-material.ts';
import type { DataKeyStore, KeyReader } from './ports.ts';

export interface DecryptPorts {
  readonly keys: Pick<KeyReader, 'version' | 'byId'>;
  readonly dataKeys: Pick<DataKeyStore, 'find'>;
  readonly material: KeyMaterial;
}

export interface SealedItem {
  readonly ciphertext: Uint8Array;
  readonly aad: Uint8Array;
}

/**
 * Plaintexts in the order of the items. Throws `decryption_failed` for any item that does not open, whatever the cause;
 * `key_unusable` when the key it names may no longer open anything.
 */
export async function decrypt(
  ports: DecryptPorts,
  caller: string,
  name: string,
  items: readonly SealedItem[],
): Promise<readonly Uint8Array[]> {
  const ref = ownDomainKey(name, caller);
  checkBatch(items.map(({ ciphertext, aad }) => ({ body: ciphertext, aad })));
  const versions = new Map<number, Promise<KeyVersion | undefined>>();
  const plaintexts: Uint8Array[] = [];
  try {
    for (const [index, { ciphertext, aad }] of items.entries()) {
      const parsed = parseCiphertext(ciphertext);
      const plaintext =
        parsed &&
        (parsed.kind === 'item'
          ? await openItem(ports, ref, parsed, aad, versions)
          : await openDataKey(ports, ref, parsed, aad));
      if (plaintext === undefined) throw failed(index);
      plaintexts.push(plaintext);
    }
  } catch (error) {
    for (const plaintext of plaintexts) plaintext.fill(0);
    throw error;
  }
  return plaintexts;
}

async function openItem(
  { keys, material }: DecryptPorts,
  ref: KeyRef,
  item: Item,
  aad: Uint8Array,
  versions: Map<number, Promise<KeyVersion | undefined>>,
): Promise<Uint8Array | undefined> {
  const reading = versions.get(item.keyVersion) ?? keys.version(ref, item.keyVersion);
  versions.set(item.keyVersion, reading);
  const version = await reading;
  if (version === undefined) return undefined;
  const key = await material.domain(version, 'process');
  const context = itemContext(version, item.header, aad);
  return aead(item.aead).open({ key, iv: item.nonce, aad: context, sealed: item.sealed });
}

async function openDataKey(
  { keys, dataKeys, material }: DecryptPorts,
  ref: KeyRef,
  wrapped: WrappedDataKey,
  aad: Uint8Array,
): Promise<Uint8Array | undefined> {
  const row = await dataKeys.find(toHex(wrapped.dataKeyId));
  if (row === undefined || row.tenant !== ref.tenant || row.name !== ref.name) return undefined;
  if (row.wrapped === undefined) throw new SallyportError('key_unusable', 'this data key was destroyed');
  const rowKey = await openDataKeyRow({ keys, material }, row.dataKeyId, row.parent, row.wrapped);
  if (rowKey === undefined) return undefined;
  try {
    return aead(wrapped.aead).open({
      key: secretKey(rowKey),
      iv: wrapped.nonce,
      aad: dataKeyContext(ref, wrapped.header, aad),
      sealed: wrapped.sealed,
    });
  } finally {
    rowKey.fill(0);
  }
}

async function openDataKeyRow(
  { keys, material }: Pick<DecryptPorts, 'keys' | 'material'>,
  dataKeyId: string,
  parentId: KeyVersion['keyId'],
  wrapped: Uint8Array,
): Promise<Uint8Array | undefined> {
  const parent = await keys.byId(parentId);
  const item = parseCiphertext(wrapped);
  const id = fromHex(dataKeyId);
  if (parent === undefined || item?.kind !== 'item' || id === undefined) return undefined;
  const key = await material.domain(parent, 'process');
  const context = dataKeyRowContext(parent, item.header, id);
  return aead(item.aead).open({ key, iv: item.nonce, aad: context, sealed: item.sealed });
}

function failed(index: number): SallyportError {
  return new SallyportError('decryption_failed', 'this item does not open under this key', {
    field: `items[${index}]`,
  });
}
