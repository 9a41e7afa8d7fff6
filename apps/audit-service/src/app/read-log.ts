/** The log as it lies in its folder: checkpoint, tiles, and proofs made of them. Read anew each time, never repaired. */
import {
  AuditLogError,
  CHECKPOINT_PATH,
  claimedSize,
  entryOf,
  parseCheckpoint,
  parseNote,
  parseTilePath,
  readTileAt,
  TileReader,
  type TileStore,
} from '@sallyport/audit-log';
import { invalidArgument, notFound, SallyportError, unavailable } from '@sallyport/service/errors';
import type { Leaf } from '../domain/leaf.ts';
import type { CheckpointReader, LeafReader } from './ports.ts';
import type { LogKeeper } from './keep-log.ts';

export type ReadLogPorts = {
  readonly tiles: Pick<TileStore, 'read'>;
  readonly leaves: Pick<LeafReader, 'leaves' | 'size'>;
  readonly checkpoints: Pick<CheckpointReader, 'saved'>;
  readonly keeper: Pick<LogKeeper, 'coveredSize' | 'findings' | 'verifierKey'>;
};

export async function getCheckpoint({ tiles, checkpoints, keeper }: ReadLogPorts) {
  const note = await tiles.read(CHECKPOINT_PATH);
  const verifierKey = keeper.verifierKey() ?? (await checkpoints.saved())?.verifierKey;
  return { note: note ?? new Uint8Array(), verifierKey: verifierKey ?? '', findings: keeper.findings() };
}

/** A hash tile, an entry bundle or the checkpoint. Throws `SallyportError` `invalid_argument`, `not_found`. */
export async function getTile({ tiles }: ReadLogPorts, path: string): Promise<Uint8Array> {
  if (path !== CHECKPOINT_PATH && parseTilePath(path) === undefined) {
    throw invalidArgument('path is not one of a tiled log (C2SP tlog-tiles).', { field: 'path' });
  }
  const bytes = await readTileAs(tiles, path);
  if (bytes === undefined) throw notFound(`There is no ${path}.`, { field: 'path' });
  return bytes;
}

/** A tile of this size or of an earlier one: a newer checkpoint may be stored, and its partial tiles alone kept. */
const readTileAs = (tiles: Pick<TileStore, 'read'>, path: string): Promise<Uint8Array | undefined> =>
  readTileAt(
    (each) => tiles.read(each),
    path,
    async () => claimedSize(await tiles.read(CHECKPOINT_PATH)),
  );

export type Proof = {
  readonly entry: Uint8Array;
  readonly body: Uint8Array;
  readonly path: readonly Uint8Array[];
  readonly note: Uint8Array;
};

/**
 * Throws `SallyportError`: `not_found` for a leaf that is not there, `unavailable` for one that no checkpoint covers yet,
 * `log_inconsistent` when the stored log gives no proof.
 */
export async function getProof(ports: ReadLogPorts, index: number): Promise<Proof> {
  const leaf = await leafAt(ports, index);
  const note = await ports.tiles.read(CHECKPOINT_PATH);
  const parsed = note && parseNote(note);
  const checkpoint = parsed && parseCheckpoint(parsed.text);
  if (note === undefined) throw unavailable('There is no checkpoint yet.');
  if (checkpoint === undefined)
    throw new SallyportError('log_inconsistent', 'The stored checkpoint is not readable.');
  if (index >= checkpoint.size) throw unavailable(`Leaf ${index} is not under a checkpoint yet; try again.`);
  try {
    const reader = new TileReader((path) => readTileAs(ports.tiles, path), checkpoint.size);
    return { entry: entryOf(leaf), body: leaf.body, path: await reader.inclusionPath(index), note };
  } catch (error) {
    // RangeError: a producer or sequence that no entry can have, so it was changed.
    if (!(error instanceof AuditLogError || error instanceof RangeError)) throw error;
    throw new SallyportError('log_inconsistent', `The stored log gives no proof of leaf ${index}.`, {
      cause: error,
    });
  }
}

async function leafAt({ leaves }: ReadLogPorts, index: number): Promise<Leaf> {
  const [leaf] = await leaves.leaves({ from: index, to: index + 1, limit: 1, maxBytes: 0 });
  if (leaf === undefined) throw notFound(`There is no leaf ${index}.`, { field: 'leaf_index' });
  return leaf;
}

/** Where an export ends when nobody says: at the newest checkpoint; of a log that does not fit, all there is. */
export async function exportEnd({ leaves, keeper, checkpoints }: ReadLogPorts): Promise<number> {
  if (keeper.findings().length > 0) return leaves.size();
  const covered = keeper.coveredSize();
  return covered > 0 ? covered : ((await checkpoints.saved())?.size ?? leaves.size());
}
