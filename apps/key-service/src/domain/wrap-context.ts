/**
 * Associated data of everything this service seals: a label and every part of the identity, each with its length.
 *
 * A wrapped key moved to another row, tenant, name or version, or taken for a key of another sort, does not open.
 */
import { concatBytes, utf8 } from '@sallyport/crypto';
import type { KeyIdentity, KeyName, TenantId } from './key.ts';

/** What is sealed; no two sorts share a label. */
type Label = 'key version' | 'item' | 'session key' | 'data key row' | 'data key';

function context(label: Label, ...fields: readonly (string | Uint8Array)[]): Uint8Array {
  const parts = [utf8('sallyport1 key-service\0')];
  for (const field of [label, ...fields]) {
    const bytes = typeof field === 'string' ? utf8(field) : field;
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, bytes.length);
    parts.push(length, bytes);
  }
  return concatBytes(...parts);
}

/** A key version under the root key. */
export function keyVersionContext(key: KeyIdentity): Uint8Array {
  return context('key version', key.tenant, key.kind, key.name, String(key.version), key.keyId);
}

/** What a caller sealed. `header` is the ciphertext's own first bytes. */
export function itemContext(key: KeyIdentity, header: Uint8Array, aad: Uint8Array): Uint8Array {
  return context('item', key.tenant, key.name, key.keyId, header, aad);
}

/** A session key under its tenant's domain key, for one binding: SHA-256 of its bytes. */
export function sessionKeyContext(
  parent: KeyIdentity,
  header: Uint8Array,
  sessionId: Uint8Array,
  bindingDigest: Uint8Array,
): Uint8Array {
  return context('session key', parent.tenant, parent.name, parent.keyId, header, sessionId, bindingDigest);
}

/** The row's half of a data key, under its domain key. */
export function dataKeyRowContext(
  parent: KeyIdentity,
  header: Uint8Array,
  dataKeyId: Uint8Array,
): Uint8Array {
  return context('data key row', parent.tenant, parent.name, parent.keyId, header, dataKeyId);
}

/** The caller's half of a data key, under the row's. Outlives rotations of the domain key, so it names none. */
export function dataKeyContext(
  owner: { readonly tenant: TenantId; readonly name: KeyName },
  header: Uint8Array,
  aad: Uint8Array,
): Uint8Array {
  return context('data key', owner.tenant, owner.name, header, aad);
}
