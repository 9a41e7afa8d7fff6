/** Makes one key version: fresh material, wrapped under its full identity, never kept in the clear. */
import { bytesOf, toHex } from '@sallyport/crypto';
import type { KeyId, KeyIdentity, KeyRef, KeyVersion } from '../domain/key.ts';
import { SYMMETRIC_KEY_BYTES } from '../domain/limits.ts';
import { signingKeyOf } from '../domain/signing.ts';
import { keyVersionContext } from '../domain/wrap-context.ts';
import type { Now, Random, RootKey } from './ports.ts';

export interface NewVersionPorts {
  readonly root: RootKey;
  readonly now: Now;
  readonly random: Random;
}

/** Version `version` of a key, active and not yet stored. */
export async function newVersion(ports: NewVersionPorts, ref: KeyRef, version: number): Promise<KeyVersion> {
  const { root, now, random } = ports;
  const identity: KeyIdentity = {
    tenant: ref.tenant,
    kind: ref.kind,
    name: ref.name,
    version,
    keyId: toHex(random(16)) as KeyId,
  };
  const raw = ref.kind === 'signing' ? rawSigningKey(ref.name) : random(SYMMETRIC_KEY_BYTES);
  try {
    return {
      ...identity,
      state: 'active',
      createdAt: now(),
      deactivatedAt: undefined,
      usesReserved: 0n,
      wrapped: await root.wrap(raw, keyVersionContext(identity)),
    };
  } finally {
    raw.fill(0);
  }
}

function rawSigningKey(name: string): Uint8Array {
  const row = signingKeyOf(name)?.row;
  if (row === undefined) throw new Error(`nothing is known of signing keys named ${name}`);
  return bytesOf(row.generate().privateKey.export({ format: 'raw-private' }));
}
