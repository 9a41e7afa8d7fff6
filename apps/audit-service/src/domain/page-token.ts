/**
 * Page tokens: where a query stopped, and of which query it is. Opaque to callers and not secret: a forged one can only
 * name a place in what its caller may read anyway, and one of another query is refused.
 */
import { fromBase64url, sha256, toBase64url, utf8 } from '@sallyport/crypto';
import type { Position, RecordFilter } from './leaf.ts';

const BYTES = 20; // leaf index 8, item 4, digest of the query 8

export function formatPageToken(position: Position, filter: RecordFilter): string {
  const bytes = new Uint8Array(BYTES);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(position.leafIndex));
  view.setUint32(8, position.item);
  bytes.set(digestOf(filter), 12);
  return toBase64url(bytes);
}

/** The position, or undefined when the text is not a token of this very query. */
export function parsePageToken(text: string, filter: RecordFilter): Position | undefined {
  const bytes = text.length > 64 ? undefined : fromBase64url(text);
  if (bytes?.length !== BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const leafIndex = Number(view.getBigUint64(0));
  const item = view.getUint32(8);
  // int4 in the table; 256 messages in a frame.
  if (!Number.isSafeInteger(leafIndex) || item > 0x7fffffff) return undefined;
  const own = digestOf(filter);
  return own.every((byte, i) => byte === bytes[12 + i]) ? { leafIndex, item } : undefined;
}

function digestOf(filter: RecordFilter): Uint8Array {
  const named = Object.entries(filter).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return sha256(utf8(JSON.stringify(named))).subarray(0, 8);
}
