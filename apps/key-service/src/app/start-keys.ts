/** What must be true of the keys before the first call is taken. */
import { SELF } from '../domain/key-event.ts';
import { signingKey, type KeyVersion } from '../domain/key.ts';
import { SIGNING_KEY_NAMES } from '../domain/signing.ts';
import { keyVersionContext } from '../domain/wrap-context.ts';
import type { KeyReader, RootKey } from './ports.ts';
import { createKey, type RotateKeyPorts } from './rotate-key.ts';

/** The root key is not the one that wrapped what the database holds. */
export class RootKeyMismatch extends Error {
  override readonly name = 'RootKeyMismatch';
}

/** Whether anything in the store depends on a root key: then none may be made anew. */
export function holdsWrappedKeys(versions: readonly KeyVersion[]): boolean {
  return versions.some((key) => key.wrapped !== undefined);
}

/** Throws `RootKeyMismatch` unless the root key opens every version there is. */
export async function checkRootKey(root: RootKey, versions: readonly KeyVersion[]): Promise<void> {
  for (const key of versions) {
    if (key.wrapped === undefined) continue;
    const raw = await root.unwrap(key.wrapped, keyVersionContext(key));
    if (raw === undefined) {
      throw new RootKeyMismatch(
        `the root key does not open ${key.name} version ${key.version}: it is not the root key of this database, ` +
          'or the row was changed. Restore both from the same backup.',
      );
    }
    raw.fill(0);
  }
}

/** Makes the signing keys that are missing, so that the public-key directory is complete from the first start on. */
export async function createSigningKeys(
  ports: RotateKeyPorts & { readonly keys: Pick<KeyReader, 'active'> },
): Promise<void> {
  for (const name of SIGNING_KEY_NAMES) {
    const ref = signingKey(name);
    if (ref !== undefined && (await ports.keys.active(ref)) === undefined) await createKey(ports, ref, SELF);
  }
}
