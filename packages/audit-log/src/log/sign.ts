/** Signs the next checkpoint, after making sure that it extends the one that was signed before. */
import { constantTimeEqual, verifyConsistency } from '@sallyport/crypto';
import { AuditLogError } from '../errors.ts';
import type { LogBuilder } from './builder.ts';
import { formatCheckpoint, verifyCheckpoint } from './checkpoint.ts';
import { noteKeyId, signNote, verifyNote } from './note.ts';
import type { VerifierKey } from './note.ts';
import { CHECKPOINT_PATH } from './tile-path.ts';
import { TileReader } from './tile-reader.ts';
import type { Checkpoint, NoteSigner, TileStore } from './types.ts';

export interface SignCheckpointOptions {
  readonly store: TileStore;
  readonly log: Pick<LogBuilder, 'size' | 'root'>;
  /** Its name is the log's origin. */
  readonly signer: NoteSigner;
  /** Earlier keys of this log that may have signed the stored checkpoint. */
  readonly earlierKeys?: readonly VerifierKey[];
  /** For a log with more than one possible writer: each may throw, and then nothing follows. */
  readonly fence?: SigningFence;
}

export interface SigningFence {
  /** Before the signature: makes it known that this tree may be signed, or finds that another writer has gone on. */
  promise(next: Checkpoint): Promise<void>;
  /** After it, and before anyone can read the note here: stores it where all writers look. */
  keep(next: Checkpoint, note: Uint8Array): Promise<void>;
}

/**
 * Signs the log as it is now and stores the note. When the stored checkpoint says the same already, that one is
 * returned. Throws AuditLogError `log_inconsistent` and signs nothing when the stored checkpoint is not ours, is ahead,
 * or is not a prefix of the tiles: two signed checkpoints that contradict each other would end all trust in the log.
 */
export async function signCheckpoint(
  options: SignCheckpointOptions,
): Promise<{ readonly checkpoint: Checkpoint; readonly note: Uint8Array }> {
  const { store, log, signer, fence } = options;
  const key: VerifierKey = {
    name: signer.name,
    keyId: noteKeyId(signer.name, signer.publicKey),
    publicKey: signer.publicKey,
  };
  const next: Checkpoint = { origin: signer.name, size: log.size, root: log.root };
  const stored = await store.read(CHECKPOINT_PATH);
  const previous = stored && (await checkExtends(store, stored, [key, ...(options.earlierKeys ?? [])], next));
  const isSigned =
    previous?.size === next.size &&
    previous.signedBy.some(({ keyId }) => constantTimeEqual(keyId, key.keyId));
  await fence?.promise(next);
  const note = isSigned && stored !== undefined ? stored : await signNote(formatCheckpoint(next), [signer]);
  // A signer that answers with something else must not replace a checkpoint that holds.
  if (!verifyNote(note, [key]).ok)
    throw inconsistent('the signature made for the new checkpoint does not verify');
  await fence?.keep(next, note);
  if (note !== stored) await store.replace(CHECKPOINT_PATH, note);
  return { checkpoint: next, note };
}

async function checkExtends(
  store: TileStore,
  stored: Uint8Array,
  keys: readonly VerifierKey[],
  next: Checkpoint,
) {
  const verified = verifyCheckpoint(stored, keys);
  if (!verified.ok) throw inconsistent(`the stored checkpoint is not one of this log (${verified.problem})`);
  const previous = verified.checkpoint;
  if (previous.size > next.size) {
    throw inconsistent(
      `the stored checkpoint has ${previous.size} leaves, the log only ${next.size}: it has shrunk`,
    );
  }
  const reader = new TileReader((path) => store.read(path), next.size);
  const [root, proof] = [await reader.root(), await reader.consistencyProof(previous.size)];
  const continues =
    constantTimeEqual(root, next.root) &&
    verifyConsistency({
      oldSize: previous.size,
      oldRoot: previous.root,
      newSize: next.size,
      newRoot: next.root,
      proof,
    });
  if (!continues) {
    throw inconsistent(
      `the tiles do not continue the stored checkpoint of ${previous.size} leaves: history differs`,
    );
  }
  return { size: previous.size, signedBy: verified.signedBy };
}

function inconsistent(what: string): AuditLogError {
  const next = 'Nothing was signed. Run the verifier before anything else, and keep the files.';
  return new AuditLogError('log_inconsistent', `${what}. ${next}`, { file: CHECKPOINT_PATH });
}
