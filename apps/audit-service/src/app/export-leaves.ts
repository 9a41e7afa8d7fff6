/** The leaves with everything the database has of them, for whoever verifies the whole log. */
import { CHUNK_LEAVES, EXPORT_BYTES } from '../domain/limits.ts';
import type { Leaf, StoredRecord } from '../domain/leaf.ts';
import type { LeafReader, RecordReader } from './ports.ts';

export type ExportedLeaf = Leaf & { readonly records: readonly StoredRecord[] };

export type ExportPorts = {
  readonly leaves: Pick<LeafReader, 'leaves'>;
  readonly records: Pick<RecordReader, 'ofLeaves'>;
};

/** Bounded batches, in order, of the leaves there are from `from` up to `to` (exclusive). */
export async function* exportLeaves(
  { leaves, records }: ExportPorts,
  from: number,
  to: number,
  signal: AbortSignal,
): AsyncGenerator<readonly ExportedLeaf[], void, undefined> {
  for (let next = from; next < to && !signal.aborted;) {
    const chunk = await leaves.leaves({ from: next, to, limit: CHUNK_LEAVES, maxBytes: EXPORT_BYTES });
    const last = chunk.at(-1);
    if (last === undefined) return;
    const rows = await records.ofLeaves(chunk.map(({ index }) => index));
    yield chunk.map((leaf) => ({ ...leaf, records: rows.get(leaf.index) ?? [] }));
    next = last.index + 1;
  }
}
