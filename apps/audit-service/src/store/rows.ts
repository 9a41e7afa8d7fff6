/** What the tables hold, and back. Rows may have been changed by others: nothing here throws on what it reads. */
import { fromHex, toHex } from '@sallyport/crypto';
import type { Generated } from 'kysely';
import type { FoundRecord, Leaf, NewLeaf, StoredRecord } from '../domain/leaf.ts';

export type RecordRow = {
  leaf_index: bigint;
  item: number;
  time_ms: bigint;
  phase: string;
  class_uid: number;
  activity: string;
  tenant: string;
  principal: string;
  action: string;
  destination: string;
  target: string;
  arguments_digest: Uint8Array;
  decision: string;
  reason: string;
  policy_revision: string;
  outcome: string;
  session_id: Uint8Array;
  correlation: Uint8Array;
  seq: bigint;
};

export type LeafRow = {
  leaf_index: bigint;
  producer: string;
  producer_seq: bigint;
  leaf_hash: Uint8Array;
  body: Uint8Array;
};

export type FenceRow = {
  term: bigint;
  holder: string;
  beat: bigint;
  promised_size: bigint | null;
  promised_root: Uint8Array | null;
};

export type Schema = {
  leaf: LeafRow;
  record: RecordRow;
  checkpoint: { only_row: Generated<boolean>; size: bigint; note: Uint8Array; verifier_key: string };
  commit_turn: { only_row: Generated<boolean> };
  fence: FenceRow & { only_row: Generated<boolean> };
  folder: { replica: string; size: bigint };
};

/** U+0000 as `\0`, a backslash as `\\`: Postgres has no U+0000 in text. */
export function escapeText(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\0', '\\0');
}

export function unescapeText(text: string): string {
  return text.replaceAll(/\\([\\0])/gu, (_, character: string) => (character === '0' ? '\0' : '\\'));
}

export const bytesOfHex = (hex: string): Uint8Array => fromHex(hex) ?? new Uint8Array();

/** Leaves and rows as one JSON text each and one run of bytes: a statement of three parameters, whatever their number. */
export function insertParameters(leaves: readonly NewLeaf[]): {
  readonly leaves: string;
  readonly records: string;
  readonly bytes: Uint8Array;
} {
  const bytes = new Uint8Array(leaves.reduce((sum, { body }) => sum + body.length, 0));
  let offset = 0;
  const leafRows: string[] = [];
  const recordRows: string[] = [];
  for (const leaf of leaves) {
    bytes.set(leaf.body, offset);
    leafRows.push(
      JSON.stringify({
        i: leaf.index,
        p: leaf.producer,
        s: leaf.seq.toString(),
        h: toHex(leaf.leafHash),
        // `substring` counts from 1.
        o: offset + 1,
        l: leaf.body.length,
      }),
    );
    offset += leaf.body.length;
    for (const record of leaf.records) recordRows.push(recordJson(leaf.index, record));
  }
  return { leaves: `[${leafRows.join(',')}]`, records: `[${recordRows.join(',')}]`, bytes };
}

function recordJson(leafIndex: number, record: StoredRecord): string {
  const { seq, destination, target, ...rest } = record;
  return JSON.stringify({
    leafIndex,
    ...rest,
    destination: escapeText(destination),
    target: escapeText(target),
    seq: BigInt.asIntN(64, seq).toString(),
  });
}

export function leafOf(row: LeafRow): Leaf {
  return {
    index: Number(row.leaf_index),
    producer: row.producer,
    seq: row.producer_seq,
    body: row.body,
    leafHash: row.leaf_hash,
  };
}

export function recordOf(row: RecordRow): StoredRecord {
  return {
    item: row.item,
    timeMs: Number(row.time_ms),
    phase: row.phase,
    classUid: row.class_uid,
    activity: row.activity,
    tenant: row.tenant,
    principal: row.principal,
    action: row.action,
    destination: unescapeText(row.destination),
    target: unescapeText(row.target),
    argumentsDigest: toHex(row.arguments_digest),
    decision: row.decision,
    reason: row.reason,
    policyRevision: row.policy_revision,
    outcome: row.outcome,
    sessionId: toHex(row.session_id),
    correlation: toHex(row.correlation),
    seq: BigInt.asUintN(64, row.seq),
  };
}

export type FoundRow = RecordRow & {
  producer: string;
  producer_seq: bigint;
  joined_outcome: string | null;
  joined_leaf: bigint | null;
};

export function foundOf(row: FoundRow): FoundRecord {
  return {
    ...recordOf(row),
    ...(row.joined_outcome === null ? {} : { outcome: row.joined_outcome }),
    ...(row.joined_leaf === null ? {} : { outcomeLeafIndex: Number(row.joined_leaf) }),
    leafIndex: Number(row.leaf_index),
    producer: row.producer,
    producerSeq: row.producer_seq,
  };
}
