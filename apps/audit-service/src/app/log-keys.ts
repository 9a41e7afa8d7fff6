/** The keys of the log: what key-service said last, asked again when it may have changed. */
import { formatVerifierKey, parseVerifierKey, verifyCheckpoint } from '@sallyport/audit-log';
import type { Checkpoint, VerifierKey } from '@sallyport/audit-log';
import { inconsistent } from './own-copy.ts';
import type { ReadSigningKeys, SavedCheckpoint, SigningKeys } from './ports.ts';

export type LogKeys = {
  /** All that may have signed. Throws `SallyportError` only while nothing is known. */
  verifying(): Promise<readonly VerifierKey[]>;
  /** Throws `SallyportError`. */
  forSigning(): Promise<SigningKeys & { readonly earlierKeys: readonly VerifierKey[] }>;
  /** Of the key that signs, as far as is known. */
  activeVerifierKey(): string | undefined;
  /** Asks key-service now. Throws `SallyportError`. */
  renew(): Promise<void>;
  /** The next signature asks first. */
  forget(): void;
  /** What a saved note signs. Throws `AuditLogError` when it is not a checkpoint of this log. */
  verified(saved: SavedCheckpoint): Promise<Checkpoint>;
};

export function logKeys(readKeys: ReadSigningKeys, origin: string): LogKeys {
  let known: SigningKeys | undefined;
  let isFresh = false;

  async function renew(): Promise<void> {
    known = await readKeys();
    isFresh = true;
  }

  async function verifying(): Promise<readonly VerifierKey[]> {
    if (known === undefined) await renew();
    return known === undefined
      ? []
      : [known.active, ...known.earlier].map((key) => verifierKeyOf(origin, key));
  }

  return {
    verifying,
    renew,
    async forSigning() {
      if (!isFresh || known === undefined) await renew();
      const signing = known;
      if (signing === undefined) throw new Error('there is no signing key');
      return { ...signing, earlierKeys: signing.earlier.map((key) => verifierKeyOf(origin, key)) };
    },
    activeVerifierKey: () => known && formatVerifierKey(origin, known.active),
    forget: () => void (isFresh = false),
    async verified(saved) {
      let result = verifyCheckpoint(saved.note, await verifying());
      if (!result.ok && result.problem === 'unknown_key') {
        await renew(); // signed by a key that came after what is known here
        result = verifyCheckpoint(saved.note, await verifying());
      }
      const what = 'checkpoint in the database';
      if (!result.ok) throw inconsistent(`${what}: it does not verify (${result.problem})`);
      const { checkpoint } = result;
      if (checkpoint.origin !== origin)
        throw inconsistent(`${what}: it is of another log, ${checkpoint.origin}`);
      if (checkpoint.size !== saved.size)
        throw inconsistent(`${what}: its column size says ${saved.size}, what was signed ${checkpoint.size}`);
      return checkpoint;
    },
  };
}

function verifierKeyOf(origin: string, publicKey: Uint8Array): VerifierKey {
  const key = parseVerifierKey(formatVerifierKey(origin, publicKey));
  if (key === undefined) throw new TypeError('not an origin of a log');
  return key;
}
