/**
 * This replica's folder: tiles that follow from the leaves in the database, and the checkpoint that covers them. It never
 * leads the database: a checkpoint gets here when it is saved there, and only if the tiles that this replica made of the
 * leaves give its root.
 */
import {
  AuditLogError,
  CHECKPOINT_PATH,
  entryOfDigest,
  openLog,
  TileReader,
  type Checkpoint,
  type LogBuilder,
  type TileStore,
} from '@sallyport/audit-log';
import { constantTimeEqual, leafHash } from '@sallyport/crypto';
import { TREE_STEP_LEAVES } from '../domain/limits.ts';
import type { Promised } from '../domain/fence.ts';
import type { FolderStore, LogState, SavedCheckpoint, SealedLeaf, SealReader } from './ports.ts';

export type OwnCopyPorts = {
  readonly tiles: TileStore;
  readonly seals: SealReader;
  readonly folders: Pick<FolderStore, 'noteFolder'>;
  readonly replica: string;
};

/** Runs between chunks of leaves: a long way is visible while it is gone. */
export type OnProgress = () => Promise<void>;

export type OwnCopy = {
  /** Leaves under the checkpoint in the folder, and those of the one that is being put there. */
  coveredSize(): number;
  /** Leaves under the checkpoint in the folder. */
  size(): number;
  /** Leaves that the saved checkpoint, when it was last seen, has beyond the folder's. */
  behind(): number;
  /** The last that this process put there or found there and saved. */
  checkpoint(): SavedCheckpoint | undefined;
  /** Goes on from what the folder has under its checkpoint: `size` leaves. */
  begin(size: number): void;
  /**
   * Brings the folder to the saved checkpoint. Throws `AuditLogError` when leaves, tiles or checkpoints do not fit, or
   * the saved one went back; `verified` says what a note signs, or throws.
   */
  follow(
    state: LogState,
    verified: (saved: SavedCheckpoint) => Promise<Checkpoint>,
    onProgress: OnProgress,
  ): Promise<void>;
  /** The tree as it is, at least as large as the checkpoint. */
  tree(): Promise<LogBuilder>;
  /** Throws `AuditLogError` when the tree of the leaves at this size is not the one that was promised. */
  mustContain(promised: Promised, state: LogState, onProgress: OnProgress): Promise<void>;
  /** Tiles for all leaves up to `size`. */
  extend(size: number, onProgress: OnProgress): Promise<void>;
  /** Before the note of `size` leaves can be read in the folder. */
  willCover(size: number): void;
  /** The note is in the folder. */
  covers(saved: SavedCheckpoint): Promise<void>;
  /** After a failure: opens the tiles anew at the checkpoint. */
  reopen(): void;
};

export function ownCopy({ tiles, seals, folders, replica }: OwnCopyPorts): OwnCopy {
  let builder: LogBuilder | undefined;
  let own: SavedCheckpoint | undefined;
  let ownSize = 0;
  /** Of the largest checkpoint that this process saw saved. */
  let seenSize = 0;
  let covered = 0;

  async function tree(): Promise<LogBuilder> {
    return (builder ??= await openLog(tiles, ownSize));
  }

  async function extend(size: number, onProgress: OnProgress): Promise<void> {
    const log = await tree();
    while (log.size < size) {
      const { size: first } = log;
      const chunk = await seals.sealed(first, Math.min(TREE_STEP_LEAVES, size - first));
      if (chunk.length === 0) throw inconsistent(`leaf ${first} is missing from the database`);
      await log.append(chunk.map((leaf, i) => entryAt(leaf, first + i, seenSize)));
      await onProgress();
    }
  }

  async function covers(saved: SavedCheckpoint): Promise<void> {
    own = saved;
    ownSize = saved.size;
    seenSize = Math.max(seenSize, saved.size);
    covered = Math.max(covered, saved.size);
    await folders.noteFolder(replica, saved.size);
    const log = await tree();
    if (log.size === saved.size) await log.prune();
  }

  return {
    coveredSize: () => covered,
    size: () => ownSize,
    behind: () => Math.max(0, seenSize - ownSize),
    checkpoint: () => own,
    begin(size) {
      ownSize = size;
      covered = size;
      builder = undefined;
    },
    async follow({ saved, leaves: stored }, verified, onProgress) {
      if (saved === undefined || (own !== undefined && isSameNote(own, saved))) return;
      if (saved.size < seenSize)
        throw inconsistent(
          `the checkpoint in the database went back from ${seenSize} leaves to ${saved.size}`,
        );
      seenSize = saved.size;
      if (saved.size < ownSize) return; // an earlier version stopped between its file and the database
      const checkpoint = await verified(saved);
      mustHave(stored, saved.size, 'the checkpoint covers');
      // Beyond it are tiles for a checkpoint that came to nothing: they are made again when theirs comes.
      if (builder !== undefined && builder.size > saved.size) builder = undefined;
      await extend(saved.size, onProgress);
      const log = await tree();
      if (!constantTimeEqual(log.root, checkpoint.root))
        throw inconsistent(
          `the first ${saved.size} leaves in the database are not those of the checkpoint of that size`,
        );
      covered = Math.max(covered, saved.size); // before anyone can read the checkpoint that says so
      await tiles.replace(CHECKPOINT_PATH, saved.note);
      await covers(saved);
    },
    tree,
    async mustContain({ size, root }, { leaves: stored }, onProgress) {
      mustHave(stored, size, 'what was signed covers');
      await extend(size, onProgress);
      const log = await tree();
      const found =
        log.size === size ? log.root : await new TileReader((path) => tiles.read(path), log.size).root(size);
      if (!constantTimeEqual(found, root))
        throw inconsistent(`the first ${size} leaves in the database are not those that were promised`);
    },
    extend,
    willCover: (size) => void (covered = Math.max(covered, size)),
    covers,
    reopen: () => void (builder = undefined),
  };
}

export function inconsistent(what: string): AuditLogError {
  return new AuditLogError('log_inconsistent', what);
}

function mustHave(stored: number, size: number, what: string): void {
  if (stored >= size) return;
  throw inconsistent(`${what} ${size} leaves, the database has ${stored}: leaves were removed`);
}

function isSameNote(a: SavedCheckpoint, b: SavedCheckpoint): boolean {
  return a.size === b.size && constantTimeEqual(a.note, b.note);
}

function entryAt(leaf: SealedLeaf, index: number, signedSize: number): Uint8Array {
  if (leaf.index !== index) throw inconsistent(`leaf ${index} is missing from the database`);
  const entry = entryOfDigest(leaf);
  if (constantTimeEqual(leafHash(entry), leaf.leafHash)) return entry;
  const when = index < signedSize ? 'after' : 'before';
  throw inconsistent(
    `leaf ${index}: its columns do not give its leaf hash; it was changed ${when} it was signed`,
  );
}
