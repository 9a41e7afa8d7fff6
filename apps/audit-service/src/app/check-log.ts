/**
 * Whether the three stored forms of the log are one log: the leaves in the database, the tiles, and the signed checkpoint
 * in its two places. One pass over the leaf hashes. Bodies and rows are the verifier's (`sallyport audit verify`).
 *
 * What it must not mistake for damage: leaves beyond the checkpoint; tiles beyond it; a folder that is behind because
 * other replicas went on; a new replica's empty folder, and one that was being filled; a checkpoint file that is newer
 * than the database's copy, as an earlier version could leave it.
 */
import {
  AuditLogError,
  CHECKPOINT_PATH,
  TILE_WIDTH,
  TileReader,
  tilePath,
  verifyCheckpoint,
  type Checkpoint,
  type TileStore,
} from '@sallyport/audit-log';
import { constantTimeEqual } from '@sallyport/crypto';
import { MAX_FINDINGS } from '../domain/limits.ts';
import { RunningRoot } from '../domain/running-root.ts';
import type { CheckpointReader, FolderStore, LeafReader } from './ports.ts';

type VerifierKeys = Parameters<typeof verifyCheckpoint>[1];

export type CheckLogPorts = {
  readonly tiles: TileStore;
  readonly leaves: Pick<LeafReader, 'hashes' | 'size'>;
  readonly checkpoints: Pick<CheckpointReader, 'saved'>;
  readonly folders: FolderStore;
  /** Whether nothing at all is in the folder. */
  readonly isFolderEmpty: () => Promise<boolean>;
  readonly replica: string;
  /** All that may have signed. */
  readonly keys: VerifierKeys;
  readonly origin: string;
};

export type CheckedLog = {
  /** Leaves that the folder's checkpoint covers; 0 when there is none. */
  readonly size: number;
  /** Empty when everything fits. */
  readonly findings: readonly string[];
  /** The folder is gone that had this many leaves: it is built again from the database. */
  readonly lostSize?: number;
};

export async function checkLog(ports: CheckLogPorts): Promise<CheckedLog> {
  const { folders, replica, tiles } = ports;
  const findings: string[] = [];
  const add = (text: string) =>
    void (findings.length < MAX_FINDINGS && !findings.includes(text) && findings.push(text));
  const file = await tiles.read(CHECKPOINT_PATH);
  const saved = await ports.checkpoints.saved();
  const inFile = file && readCheckpoint('checkpoint file', file, ports, add);
  const inDatabase = saved && readCheckpoint('checkpoint in the database', saved.note, ports, add);
  if (saved !== undefined && inDatabase !== undefined && inDatabase.size !== saved.size) {
    add(`checkpoint in the database: its column size says ${saved.size}, what was signed ${inDatabase.size}`);
  }
  const had = await folders.folderSize(replica);
  // A folder that was never heard of is that of the only replica there was before replicas were counted, or it is new.
  const isBlank = file === undefined && (saved === undefined || (await ports.isFolderEmpty()));
  const expected = isBlank ? 0 : (had ?? saved?.size ?? 0);
  if (file === undefined && expected > 0) {
    add(`the checkpoint file is missing; the database has a checkpoint of ${expected} leaves`);
  }
  if (inFile !== undefined && inFile.size < expected) {
    add(`the checkpoint file has ${inFile.size} leaves, the database's copy ${expected}: the file went back`);
  }
  const size = inFile?.size ?? 0;
  const largest = Math.max(size, inDatabase?.size ?? 0);
  const stored = await ports.leaves.size();
  if (stored < largest) {
    add(`the checkpoint covers ${largest} leaves, the database has ${stored}: leaves were removed`);
  }
  // A checkpoint that is beyond the folder's is compared when the folder gets there.
  const checkpoints = [inFile, inDatabase]
    .filter((each) => each !== undefined)
    .filter((each) => each.size <= size);
  await comparePass(ports, checkpoints, size, add);
  if (findings.length > 0) return { size, findings };
  if (had === undefined || isBlank) await folders.noteFolder(replica, size);
  return { size, findings, ...(isBlank && had !== undefined && had > 0 ? { lostSize: had } : {}) };
}

function readCheckpoint(
  what: string,
  note: Uint8Array,
  { keys, origin }: CheckLogPorts,
  add: (text: string) => void,
): Checkpoint | undefined {
  const verified = verifyCheckpoint(note, keys);
  if (!verified.ok) add(`${what}: it does not verify (${verified.problem})`);
  else if (verified.checkpoint.origin !== origin)
    add(`${what}: it is of another log, ${verified.checkpoint.origin}`);
  else return verified.checkpoint;
  return undefined;
}

/** Database against level-0 tiles leaf by leaf, and both against the signed roots. */
async function comparePass(
  { tiles, leaves }: CheckLogPorts,
  checkpoints: readonly Checkpoint[],
  size: number,
  add: (text: string) => void,
): Promise<void> {
  const root = new RunningRoot();
  // A new one each time: a reader keeps every tile it read.
  const reader = () => new TileReader((path) => tiles.read(path), size);
  const compareRoot = () => {
    for (const checkpoint of checkpoints) {
      if (checkpoint.size === root.size && !constantTimeEqual(root.root(), checkpoint.root)) {
        add(`the first ${root.size} leaves in the database are not those of the checkpoint of that size`);
      }
    }
  };
  compareRoot();
  for (let from = 0; from < size; from += TILE_WIDTH) {
    const rows = await leaves.hashes(from, Math.min(TILE_WIDTH, size - from));
    const tile = await readInconsistent(add, () => reader().hashes(0, from / TILE_WIDTH));
    for (const { index, leafHash } of rows) {
      if (index !== root.size) {
        add(`leaf ${root.size} is missing from the database`);
        return;
      }
      const inTile = tile?.[index % TILE_WIDTH];
      if (inTile !== undefined && !constantTimeEqual(inTile, leafHash)) {
        const path = tilePath(0, Math.floor(index / TILE_WIDTH));
        add(`leaf ${index}: column leaf_hash and ${path} (hash ${index % TILE_WIDTH}) differ`);
      }
      root.push(leafHash);
      compareRoot();
    }
    if (rows.length < Math.min(TILE_WIDTH, size - from)) break; // said already: leaves were removed
  }
  for (const checkpoint of checkpoints) {
    const tileRoot = await readInconsistent(add, () => reader().root(checkpoint.size));
    if (tileRoot !== undefined && !constantTimeEqual(tileRoot, checkpoint.root)) {
      add(`the tiles do not give the root of the checkpoint of ${checkpoint.size} leaves`);
    }
  }
}

/** A tile that is missing or misshapen is a finding; a disk that cannot be read is an error. */
async function readInconsistent<T>(
  add: (text: string) => void,
  read: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof AuditLogError)) throw error;
    add(error.message);
    return undefined;
  }
}
