/**
 * Verifies a whole log against nothing but the log's public key: signature, history, entries, bodies, tiles, rows and
 * completeness. One pass over the leaves in blocks of 256, so the memory it needs does not grow with the log; a pass
 * over the leaf hashes goes before it, to know whether the tiles are what was signed.
 */
import { constantTimeEqual } from '@sallyport/crypto';
import { decodeEvent } from '../event/codec.ts';
import { recordsOfDecoded } from '../event/records.ts';
import { TreeEdge } from '../log/edge.ts';
import { parseVerifierKey } from '../log/note.ts';
import { CompactRange } from '../log/range.ts';
import { TILE_WIDTH } from '../log/tile-path.ts';
import { splitHashes } from '../log/tile-reader.ts';
import type { Checkpoint } from '../log/types.ts';
import { checkCheckpoint } from './check-checkpoint.ts';
import { BundleReader } from './bundle-reader.ts';
import { checkLeaf, derivedEntry } from './check-leaf.ts';
import { checkRows } from './check-rows.ts';
import { checkHashTile, checkLength, readTile, REBUILD, reportTile } from './check-tiles.ts';
import { Findings, sameBytes } from './findings.ts';
import { LeafCursor } from './leaf-cursor.ts';
import { Sequences } from './sequences.ts';
import type { LogSource, VerifyReport } from './types.ts';

export interface VerifyOptions {
  /** The log's key, `<name>+<id>+<base64>` (C2SP signed-note), from a place that the log's owner does not write to. */
  readonly verifierKey: string;
  /** Earlier keys of the same log. */
  readonly earlierKeys?: readonly string[];
  /** What an earlier verification returned: the log may only have grown since. */
  readonly previous?: Checkpoint;
  /** Checkpoints of it that others hold, their signatures verified: all of them must be of this one history. */
  readonly alsoSigned?: readonly Checkpoint[];
  /** Findings kept in the report; all are counted. Default 100. */
  readonly maxFindings?: number;
  /** Hears how far it is, once for each block. */
  readonly onProgress?: (leaves: number, size: number) => void;
}

/** Throws RangeError for a malformed verifier key, and what the source throws; everything else is in the report. */
export async function verifyLog(source: LogSource, options: VerifyOptions): Promise<VerifyReport> {
  const keys = [options.verifierKey, ...(options.earlierKeys ?? [])].map((text) => {
    const key = parseVerifierKey(text);
    if (key === undefined) throw new RangeError('not a verifier key: <name>+<key id>+<base64>');
    return key;
  });
  const findings = new Findings(options.maxFindings ?? 100);
  const { size, signed } = await checkCheckpoint(source, keys, findings);
  const tilesAreSigned = signed !== undefined && sameBytes(await rootOfLeafTiles(source, size), signed.root);
  await using cursor = new LeafCursor(source);
  const { previous, alsoSigned = [] } = options;
  const others = previous === undefined ? alsoSigned : [previous, ...alsoSigned];
  const pass = new Pass(source, size, tilesAreSigned, cursor, others, findings);
  for (const other of others) {
    if (other.size <= size) continue;
    const what = `an earlier checkpoint had ${other.size} leaves, this one has ${size}`;
    findings.add({
      kind: 'consistency',
      where: 'checkpoint line 2',
      what,
      next: SHRUNK,
      line: 2,
      contradicts: other,
    });
  }
  pass.compareOthers();
  for (let start = 0; start < size; start += TILE_WIDTH) {
    await pass.block(start);
    options.onProgress?.(Math.min(start + TILE_WIDTH, size), size);
  }
  const root = await pass.finishTree();
  if (signed !== undefined && root !== undefined && !constantTimeEqual(root, signed.root)) {
    const what = `the signed root is not that of the ${size} entries`;
    findings.add({ kind: 'consistency', where: 'checkpoint line 3', what, next: REWRITTEN, line: 3 });
  }
  const { producers, recordedGaps } = pass.sequences.finish();
  return {
    ok: findings.count === 0,
    ...(signed === undefined ? {} : { checkpoint: signed }),
    leaves: pass.leaves,
    pending: await cursor.countRest(),
    producers,
    recordedGaps,
    findings: findings.kept,
    findingCount: findings.count,
  };
}

const SHRUNK = 'Leaves were cut off the end of the log. Keep both checkpoints: together they prove it.';
const FORKED =
  'The history before that checkpoint was rewritten. Keep both checkpoints: together they prove it.';
const REWRITTEN =
  'Entries were changed everywhere at once, after they had been signed. Compare with a backup or an archive.';

class Pass {
  readonly sequences: Sequences;
  leaves = 0;
  readonly #source: LogSource;
  readonly #size: number;
  readonly #tilesAreSigned: boolean;
  readonly #cursor: LeafCursor;
  readonly #others: readonly Checkpoint[];
  readonly #findings: Findings;
  readonly #edge = new TreeEdge();
  /** False when a leaf is nowhere to be found: then there is no root to compare. */
  #complete = true;

  constructor(
    source: LogSource,
    size: number,
    tilesAreSigned: boolean,
    cursor: LeafCursor,
    others: readonly Checkpoint[],
    findings: Findings,
  ) {
    this.#source = source;
    this.#size = size;
    this.#tilesAreSigned = tilesAreSigned;
    this.#cursor = cursor;
    this.#others = others;
    this.#findings = findings;
    this.sequences = new Sequences(findings);
  }

  async block(start: number): Promise<void> {
    const findings = this.#findings;
    const index = start / TILE_WIDTH;
    const width = Math.min(this.#size - start, TILE_WIDTH);
    const bundle = await readTile(this.#source, 'entries', index, this.#size, findings);
    const tile = await readTile(this.#source, 0, index, this.#size, findings);
    if (tile !== undefined) checkLength(tile, findings);
    const entries = bundle && new BundleReader(bundle);
    let isCutOff = false;
    for (let position = 0; position < width; position++) {
      const hash = tile?.bytes.slice(position * 32, position * 32 + 32);
      const leaf = await this.#cursor.at(start + position, this.#size, findings);
      const stored = tile !== undefined && hash?.length === 32 ? { path: tile.path, hash } : undefined;
      const offset = entries?.offset ?? 0;
      const entry = entries?.next(leaf && derivedEntry(leaf), stored?.hash);
      if (bundle !== undefined && entry === undefined && !isCutOff) {
        isCutOff = true;
        reportTile('entry_bundle', bundle.path, offset, position, 'is cut off', findings);
      }
      const verdict = checkLeaf(
        {
          index: start + position,
          ...(leaf === undefined ? {} : { leaf }),
          ...(entry === undefined ? {} : { bundle: entry }),
          ...(stored === undefined ? {} : { tile: stored }),
        },
        this.#tilesAreSigned,
        findings,
      );
      if (leaf !== undefined) this.leaves += 1;
      if (verdict.fields !== undefined) {
        this.sequences.saw(verdict.fields.producer, verdict.fields.seq, start + position);
      }
      if (leaf !== undefined && verdict.bodyHolds) {
        const decoded = decodeEvent(leaf.body);
        if (decoded.ok) this.sequences.recorded(decoded.event, leaf.producer);
        checkRows(leaf, recordsOfDecoded(decoded), findings);
      }
      await this.#grow(verdict.hash);
    }
    if (bundle === undefined || entries === undefined || entries.rest === 0) return;
    if (bundle.width > width) return; // it goes on beyond this log's size
    findings.add({
      kind: 'entry_bundle',
      where: `${bundle.path} byte ${entries.offset}`,
      what: `${entries.rest} bytes follow the last entry`,
      next: REBUILD,
      tile: bundle.path,
      offset: entries.offset,
    });
  }

  /** The tree as it is now with what was signed elsewhere at this size. */
  compareOthers(): void {
    if (!this.#complete) return;
    for (const contradicts of this.#others) {
      const { root, size } = contradicts;
      if (size !== this.#edge.size || constantTimeEqual(this.#edge.root(), root)) continue;
      const what = `the first ${size} leaves are not those of the earlier checkpoint of that size`;
      this.#findings.add({
        kind: 'consistency',
        where: `leaves 0 to ${size}`,
        what,
        next: FORKED,
        contradicts,
      });
    }
  }

  async finishTree(): Promise<Uint8Array | undefined> {
    if (!this.#complete) return undefined;
    for (const tile of this.#edge.partialTiles()) {
      if (tile.level > 0) await checkHashTile(this.#source, tile, this.#size, this.#findings);
    }
    return this.#edge.root();
  }

  async #grow(hash: Uint8Array | undefined): Promise<void> {
    if (hash === undefined) this.#complete = false;
    if (!this.#complete || hash === undefined) return;
    for (const tile of this.#edge.append(hash)) {
      if (tile.level > 0) await checkHashTile(this.#source, tile, this.#size, this.#findings);
    }
    this.compareOthers();
  }
}

/** The root that the stored leaf hashes give; undefined when some are missing. */
async function rootOfLeafTiles(source: LogSource, size: number): Promise<Uint8Array | undefined> {
  const range = new CompactRange();
  for (let start = 0; start < size; start += TILE_WIDTH) {
    const tile = await readTile(source, 0, start / TILE_WIDTH, size);
    const width = Math.min(size - start, TILE_WIDTH);
    if (tile === undefined || tile.bytes.length < width * 32) return undefined;
    for (const hash of splitHashes(tile.bytes.subarray(0, width * 32))) range.push(hash);
  }
  return range.root();
}
