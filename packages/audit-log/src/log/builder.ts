/**
 * Grows a log: entries in, tiles and bundles out.
 *
 * The database decides which entry is which leaf; tiles follow from it and can be built again at any time. Tiles are
 * written before a checkpoint speaks of them, so after a crash there may be more of them than it covers, never fewer.
 */
import { concatBytes, constantTimeEqual, leafHash } from '@sallyport/crypto';
import { AuditLogError } from '../errors.ts';
import { encodeBundle, parseBundle } from './bundle.ts';
import { TreeEdge } from './edge.ts';
import type { HashTile } from './edge.ts';
import { hashesAtLevel, TILE_WIDTH, tilePath } from './tile-path.ts';
import { TileReader } from './tile-reader.ts';
import type { TileStore } from './types.ts';

export interface LogBuilder {
  readonly size: number;
  readonly root: Uint8Array;
  /**
   * Adds entries (see `entryOf`) and writes every tile and bundle the new size has. One call at a time. Throws
   * `tile_conflict` when the store already has another history. After an error the builder refuses to go on: open the
   * log again at the size that is known.
   */
  append(entries: readonly Uint8Array[]): Promise<{ readonly size: number; readonly root: Uint8Array }>;
  /**
   * Removes the partial tiles of every other size than this one: call it once a checkpoint of this size is stored. What
   * is left is exactly what the checkpoint covers, so a verifier reads every byte there is.
   */
  prune(): Promise<void>;
}

/**
 * Continues a log of `size` leaves from its right-edge tiles; 0 begins one. Throws AuditLogError `log_inconsistent`
 * with the tile's path when they are missing, misshapen, or do not hold the entries of their bundle.
 */
export async function openLog(store: TileStore, size: number): Promise<LogBuilder> {
  const reader = new TileReader((path) => store.read(path), size);
  const levels: (readonly Uint8Array[])[] = [];
  for (let level = 0, count = size; count > 0; level++, count = hashesAtLevel(size, level)) {
    levels.push(count % TILE_WIDTH === 0 ? [] : await reader.hashes(level, Math.floor(count / TILE_WIDTH)));
  }
  const entries = await readEdgeEntries(store, size);
  for (const [i, entry] of entries.entries()) {
    const hash = levels[0]?.[i];
    if (hash !== undefined && constantTimeEqual(leafHash(entry), hash)) continue;
    const path = tilePath(0, Math.floor(size / TILE_WIDTH), entries.length);
    throw new AuditLogError('log_inconsistent', `${path}: hash ${i} is not that of its entry`, {
      file: path,
      offset: i * 32,
    });
  }
  return new TileBuilder(store, new TreeEdge(size, levels), entries, (path, bytes) =>
    store.create(path, bytes),
  );
}

/** Builds all tiles and bundles anew from the entries, in order, replacing what differs. The checkpoint is not touched. */
export async function rebuildLog(
  store: TileStore,
  entries: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<LogBuilder> {
  const builder = new TileBuilder(store, new TreeEdge(), [], (path, bytes) => store.replace(path, bytes));
  let chunk: Uint8Array[] = [];
  for await (const entry of entries) {
    chunk.push(entry);
    if (chunk.length < TILE_WIDTH) continue;
    await builder.append(chunk);
    chunk = [];
  }
  const { size } = await builder.append(chunk);
  return openLog(store, size);
}

/** Of files written at the same time. */
const MAX_QUEUED = 16;

class TileBuilder implements LogBuilder {
  readonly #store: TileStore;
  readonly #write: (path: string, bytes: Uint8Array) => Promise<void>;
  readonly #edge: TreeEdge;
  #entries: Uint8Array[];
  /** Partial tiles on the store, by the path of the full tile that will replace them. */
  readonly #partials = new Map<string, string[]>();
  readonly #queued: [path: string, bytes: Uint8Array][] = [];
  #usable = true;
  /** Whether partial tiles of sizes that this builder never had may lie about: an earlier process left them. */
  #mayHaveStrays = true;

  constructor(
    store: TileStore,
    edge: TreeEdge,
    entries: readonly Uint8Array[],
    write: (path: string, bytes: Uint8Array) => Promise<void>,
  ) {
    this.#store = store;
    this.#write = write;
    this.#edge = edge;
    this.#entries = [...entries];
    for (const { level, index, hashes } of edge.partialTiles())
      this.#notePartial(level, index, hashes.length);
    if (entries.length > 0) this.#notePartial('entries', this.#bundleIndex(), entries.length);
  }

  get size(): number {
    return this.#edge.size;
  }

  get root(): Uint8Array {
    return this.#edge.root();
  }

  async append(
    entries: readonly Uint8Array[],
  ): Promise<{ readonly size: number; readonly root: Uint8Array }> {
    if (!this.#usable)
      throw new AuditLogError('log_inconsistent', 'an append failed before: open the log again');
    this.#usable = false;
    const full: string[] = [];
    for (const entry of entries) {
      const index = this.#bundleIndex();
      this.#entries.push(entry);
      if (this.#entries.length === TILE_WIDTH) {
        await this.#queue(tilePath('entries', index), encodeBundle(this.#entries));
        full.push(tilePath('entries', index));
        this.#entries = [];
      }
      for (const tile of this.#edge.append(leafHash(entry))) full.push(await this.#queueTile(tile));
    }
    if (entries.length > 0) await this.#queuePartials();
    await this.#flush();
    for (const path of full) {
      for (const partial of this.#partials.get(path) ?? []) await this.#store.remove(partial);
      this.#partials.delete(path);
    }
    this.#usable = true;
    return { size: this.size, root: this.root };
  }

  async prune(): Promise<void> {
    const current = new Set<string>();
    for (const { level, index, hashes } of this.#edge.partialTiles())
      current.add(tilePath(level, index, hashes.length));
    if (this.#entries.length > 0) current.add(tilePath('entries', this.#bundleIndex(), this.#entries.length));
    if (this.#mayHaveStrays) {
      for (const path of this.#edgePaths()) if (!current.has(path)) await this.#store.remove(path);
      this.#mayHaveStrays = false;
    }
    for (const [full, partials] of this.#partials) {
      for (const path of partials) if (!current.has(path)) await this.#store.remove(path);
      const kept = partials.filter((path) => current.has(path));
      if (kept.length === 0) this.#partials.delete(full);
      else this.#partials.set(full, kept);
    }
  }

  /** Every partial tile that the right edge could have, at this size or another. */
  *#edgePaths(): Generator<string> {
    const edges: [number | 'entries', number][] = [['entries', this.size]];
    for (let level = 0, count = this.size; count > 0; level++, count = hashesAtLevel(this.size, level))
      edges.push([level, count]);
    for (const [level, count] of edges) {
      const index = Math.floor(count / TILE_WIDTH);
      for (let width = 1; width < TILE_WIDTH; width++) yield tilePath(level, index, width);
    }
  }

  async #queuePartials(): Promise<void> {
    for (const tile of this.#edge.partialTiles()) {
      await this.#queueTile(tile);
      this.#notePartial(tile.level, tile.index, tile.hashes.length);
    }
    if (this.#entries.length === 0) return;
    const index = this.#bundleIndex();
    await this.#queue(tilePath('entries', index, this.#entries.length), encodeBundle(this.#entries));
    this.#notePartial('entries', index, this.#entries.length);
  }

  async #queueTile({ level, index, hashes }: HashTile): Promise<string> {
    const path = tilePath(level, index, hashes.length);
    await this.#queue(path, concatBytes(...hashes));
    return path;
  }

  /** Tiles may be written in any order, since no checkpoint speaks of them yet: several at once share the disk's flushes. */
  async #queue(path: string, bytes: Uint8Array): Promise<void> {
    this.#queued.push([path, bytes]);
    if (this.#queued.length >= MAX_QUEUED) await this.#flush();
  }

  async #flush(): Promise<void> {
    const writes = this.#queued.splice(0).map(async ([path, bytes]) => this.#write(path, bytes));
    for (const result of await Promise.allSettled(writes)) {
      if (result.status === 'rejected') throw result.reason;
    }
  }

  #notePartial(level: number | 'entries', index: number, width: number): void {
    const full = tilePath(level, index);
    const path = tilePath(level, index, width);
    const known = this.#partials.get(full) ?? [];
    if (!known.includes(path)) this.#partials.set(full, [...known, path]);
  }

  #bundleIndex(): number {
    return Math.floor(this.#edge.size / TILE_WIDTH);
  }
}

async function readEdgeEntries(store: TileStore, size: number): Promise<Uint8Array[]> {
  const width = size % TILE_WIDTH;
  if (width === 0) return [];
  const index = Math.floor(size / TILE_WIDTH);
  const path = tilePath('entries', index, width);
  const partial = await store.read(path);
  const whole = partial === undefined ? await store.read(tilePath('entries', index)) : undefined;
  const entries =
    partial === undefined
      ? whole && parseBundle(whole, TILE_WIDTH)?.slice(0, width)
      : parseBundle(partial, width);
  if (entries !== undefined) return entries;
  const what = partial === undefined ? 'is missing' : `does not hold ${width} entries`;
  throw new AuditLogError('log_inconsistent', `${path} ${what}`, { file: path });
}
