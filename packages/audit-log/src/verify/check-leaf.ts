/**
 * One leaf: what the database has, what the entry bundle has, what the hash tile has.
 *
 * When the root of the hash tiles is the signed one they are the truth. Otherwise two of the three that agree are
 * believed against the third, and the signed root at the end shows whether that was right.
 */
import { leafHash, sha256 } from '@sallyport/crypto';
import { encodeBundle } from '../log/bundle.ts';
import { entryOf, isProducer, parseEntry } from '../log/entry.ts';
import type { EntryFields } from '../log/entry.ts';
import type { BundledEntry } from './bundle-reader.ts';
import { leafName } from './check-rows.ts';
import { reportTile } from './check-tiles.ts';
import { firstDifference, sameBytes, shown } from './findings.ts';
import type { Findings } from './findings.ts';
import type { LogLeaf } from './types.ts';

/** The stored forms of one leaf; what is missing has been reported already. */
export interface LeafForms {
  readonly index: number;
  readonly leaf?: LogLeaf;
  readonly bundle?: BundledEntry;
  readonly tile?: { readonly path: string; readonly hash: Uint8Array };
}

export interface LeafVerdict {
  /** The hash the tree goes on with; undefined when nothing is left of the leaf. */
  readonly hash?: Uint8Array;
  /** The body is the one that the log commits to. */
  readonly bodyHolds: boolean;
  /** Producer and sequence, from wherever they can be believed. */
  readonly fields?: Pick<EntryFields, 'producer' | 'seq'>;
}

export function checkLeaf(forms: LeafForms, tilesAreSigned: boolean, findings: Findings): LeafVerdict {
  const { index, leaf, bundle, tile } = forms;
  const position = index % 256;
  const ownEntry = leaf && derivedEntry(leaf);
  const own = ownEntry && leafHash(ownEntry);
  const bundled = bundle && leafHash(bundle.entry);
  const stored = tile?.hash;

  const hash = tilesAreSigned ? stored : majority(own, bundled, stored);
  const ownHolds = sameBytes(own, hash);
  const bundleHolds = bundle?.framed === true && sameBytes(bundled, hash);
  if (leaf !== undefined && !ownHolds) {
    reportLeaf(leaf, bundle && bundleHolds ? parseEntry(bundle.entry) : undefined, findings);
  }
  if (bundle !== undefined && !bundleHolds) {
    const known = ownEntry !== undefined && ownHolds ? encodeBundle([ownEntry]) : undefined;
    const offset = bundle.offset + (known === undefined ? 2 : firstDifference(bundle.raw, known));
    reportTile(
      'entry_bundle',
      bundle.path,
      offset,
      position,
      `(leaf ${index}) is not the one that was logged`,
      findings,
    );
  }
  if (tile !== undefined && hash !== undefined && !sameBytes(stored, hash)) {
    const offset = position * 32 + firstDifference(tile.hash, hash);
    reportTile(
      'hash_tile',
      tile.path,
      offset,
      position,
      `(leaf ${index}) is not the hash of its entry`,
      findings,
    );
  }
  if (leaf?.leafHash !== undefined && hash !== undefined && !sameBytes(leaf.leafHash, hash)) {
    reportColumn(leaf, 'leaf_hash', 'the stored leaf hash is not that of the log', findings);
  }
  const entryFields = bundle !== undefined && bundleHolds ? parseEntry(bundle.entry) : undefined;
  const fields = entryFields ?? (ownHolds ? leaf : undefined);
  return {
    bodyHolds: ownHolds,
    ...(hash === undefined ? {} : { hash }),
    ...(fields === undefined ? {} : { fields }),
  };
}

/** A value that two have; else the tile's, which a tile above it can confirm; else any. */
function majority(
  own: Uint8Array | undefined,
  bundled: Uint8Array | undefined,
  stored: Uint8Array | undefined,
): Uint8Array | undefined {
  if (sameBytes(own, bundled)) return own;
  return stored ?? bundled ?? own;
}

/** The entry that the database's columns and body give; undefined when they can give none. */
export function derivedEntry(leaf: LogLeaf): Uint8Array | undefined {
  return isProducer(leaf.producer) && leaf.seq >= 1n && leaf.seq < 1n << 64n ? entryOf(leaf) : undefined;
}

/** Says which part of a stored leaf differs from what was logged. */
function reportLeaf(leaf: LogLeaf, logged: EntryFields | undefined, findings: Findings): void {
  if (logged === undefined) {
    reportBody(leaf, 'producer, seq and body are not those of the leaf in the log', findings);
    return;
  }
  if (leaf.producer !== logged.producer) {
    const what = `the database says ${shown(leaf.producer)}, the log ${shown(logged.producer)}`;
    reportColumn(leaf, 'producer', what, findings);
  }
  if (leaf.seq !== logged.seq) {
    reportColumn(leaf, 'producer_seq', `the database says ${leaf.seq}, the log ${logged.seq}`, findings);
  }
  if (!sameBytes(sha256(leaf.body), logged.bodyDigest)) {
    reportBody(
      leaf,
      `the body (${leaf.body.length} bytes) does not have the digest that was logged`,
      findings,
    );
  }
}

function reportBody(leaf: LogLeaf, what: string, findings: Findings): void {
  const { index: leafIndex, producer, seq } = leaf;
  const next =
    'The event was changed after it was logged, so its rows cannot be checked. Restore it from an archive or a backup.';
  findings.add({
    kind: 'body',
    where: `${leafName(leaf)}, body`,
    what,
    next,
    leafIndex,
    producer,
    seq,
    column: 'body',
  });
}

function reportColumn(leaf: LogLeaf, column: string, what: string, findings: Findings): void {
  const { index: leafIndex, producer, seq } = leaf;
  const next = 'The column was changed in the database; the log is the truth.';
  findings.add({
    kind: 'leaf',
    where: `${leafName(leaf)}, column ${column}`,
    what,
    next,
    leafIndex,
    producer,
    seq,
    column,
  });
}
