/** Entry bundles: log entries, each after its length as a big-endian uint16 (C2SP tlog-tiles, "Log entries"). */
import { concatBytes } from '@sallyport/crypto';

const MAX_ENTRY_BYTES = 0xffff;

/** Throws RangeError for an entry above 65,535 bytes. */
export function encodeBundle(entries: readonly Uint8Array[]): Uint8Array {
  return concatBytes(...entries.flatMap((entry) => [lengthOf(entry), entry]));
}

/** Exactly `count` entries and nothing after them, or undefined. The entries are views. */
export function parseBundle(bytes: Uint8Array, count: number): Uint8Array[] | undefined {
  const { entries, end } = scanBundle(bytes, count);
  return entries.length === count && end === bytes.length ? entries.map(({ entry }) => entry) : undefined;
}

export interface BundleScan {
  readonly entries: readonly { readonly offset: number; readonly entry: Uint8Array }[];
  /** Offset after the last whole entry. */
  readonly end: number;
}

/** As many entries as there are, at most `count`. */
export function scanBundle(bytes: Uint8Array, count: number): BundleScan {
  const entries: { readonly offset: number; readonly entry: Uint8Array }[] = [];
  let end = 0;
  while (entries.length < count && end + 2 <= bytes.length) {
    const start = end + 2;
    const length = ((bytes[end] ?? 0) << 8) | (bytes[end + 1] ?? 0);
    if (start + length > bytes.length) break;
    entries.push({ offset: end, entry: bytes.subarray(start, start + length) });
    end = start + length;
  }
  return { entries, end };
}

function lengthOf(entry: Uint8Array): Uint8Array {
  if (entry.length > MAX_ENTRY_BYTES)
    throw new RangeError(`log entry of ${entry.length} bytes; at most 65535`);
  return Uint8Array.of(entry.length >> 8, entry.length & 0xff);
}
