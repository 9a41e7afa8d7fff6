/** What may be told about keys: all versions to people, the public halves to services. Never material. */
import { refText, type KeyRef, type KeyVersion } from '../domain/key.ts';
import { permits, type KeyState } from '../domain/lifecycle.ts';
import { signingKeyOf } from '../domain/signing.ts';
import type { KeyMaterial } from './key-material.ts';
import type { KeyReader, Now } from './ports.ts';
import type { UseCounter } from './use-counter.ts';

export interface DescribedVersion {
  readonly version: number;
  readonly keyId: string;
  readonly state: KeyState;
  readonly createdAt: number;
  readonly deactivatedAt: number | undefined;
  readonly uses: bigint;
}

export interface DescribedKey {
  readonly ref: KeyRef;
  /** Oldest first. */
  readonly versions: readonly DescribedVersion[];
}

export interface PublicKey {
  readonly keyId: string;
  readonly purpose: string;
  readonly algorithm: string;
  /** Raw: 32 bytes of Ed25519, an uncompressed point of 65 bytes on P-256. */
  readonly publicKey: Uint8Array;
  readonly state: KeyState;
  readonly createdAt: number;
  readonly deactivatedAt: number | undefined;
}

/** All keys with all their versions. */
export async function listKeys(ports: {
  readonly keys: Pick<KeyReader, 'list'>;
  readonly uses: Pick<UseCounter, 'used'>;
}): Promise<readonly DescribedKey[]> {
  const byRef = Map.groupBy(await ports.keys.list(), refText);
  return [...byRef.values()].flatMap((versions) => {
    const [first] = versions;
    return first === undefined
      ? []
      : [{ ref: first, versions: versions.map((key) => describe(key, ports.uses)) }];
  });
}

export function describe(key: KeyVersion, uses: Pick<UseCounter, 'used'>): DescribedVersion {
  const { version, keyId, state, createdAt, deactivatedAt } = key;
  return { version, keyId, state, createdAt, deactivatedAt, uses: uses.used(key) };
}

/** Every signing key that may still verify something; `purpose` empty = all. */
export async function listPublicKeys(
  ports: {
    readonly keys: Pick<KeyReader, 'list'>;
    readonly material: Pick<KeyMaterial, 'signing'>;
    readonly now: Now;
  },
  purpose: string,
): Promise<readonly PublicKey[]> {
  const now = ports.now();
  const listed = (await ports.keys.list()).flatMap((key) => {
    const known = key.kind === 'signing' ? signingKeyOf(key.name) : undefined;
    if (known === undefined || !permits(key.state, 'process')) return [];
    if (purpose !== '' && known.purpose !== purpose) return [];
    const { verifiesForMs = Infinity } = known;
    const isOver = key.deactivatedAt !== undefined && now > key.deactivatedAt + verifiesForMs;
    return isOver ? [] : [{ key, purpose: known.purpose }];
  });
  return Promise.all(
    listed.map(async ({ key, purpose: use }) => {
      const { row, publicKey } = await ports.material.signing(key, 'process');
      return {
        keyId: key.keyId,
        purpose: use,
        algorithm: row.name,
        publicKey: row.rawPublicKey(publicKey),
        state: key.state,
        createdAt: key.createdAt,
        deactivatedAt: key.deactivatedAt,
      };
    }),
  );
}
