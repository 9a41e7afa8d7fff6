/**
 * Byte values of a whole statement in one transferable buffer.
 *
 * Structured cloning copies the entire `ArrayBuffer` behind a view (8 KiB for a small `Buffer`) and pays per object, so
 * a batch of a thousand keys would cost a thousand buffers. Here they travel as one, and the receiver gets copies of its
 * own: nothing pins, or can see, its neighbours.
 */
export interface PackedRows {
  /** Byte values are replaced by `null`. */
  readonly rows: readonly (readonly unknown[])[];
  readonly arena: ArrayBuffer;
  /** Four numbers per byte value: row, column, offset, length. */
  readonly places: Uint32Array<ArrayBuffer>;
}

export function packRows(rows: readonly (readonly unknown[])[]): PackedRows {
  const found: { row: number; column: number; bytes: Uint8Array }[] = [];
  let total = 0;
  const packed = rows.map((values, row) => {
    let copy: unknown[] | undefined;
    values.forEach((value, column) => {
      if (!(value instanceof Uint8Array)) return;
      copy ??= [...values];
      copy[column] = null;
      found.push({ row, column, bytes: value });
      total += value.length;
    });
    return copy ?? values;
  });
  const arena = new ArrayBuffer(total);
  const target = new Uint8Array(arena);
  const places = new Uint32Array(found.length * 4);
  let offset = 0;
  found.forEach(({ row, column, bytes }, index) => {
    target.set(bytes, offset);
    places.set([row, column, offset, bytes.length], index * 4);
    offset += bytes.length;
  });
  return { rows: packed, arena, places };
}

/** Puts the bytes back, each in a buffer of its own. */
export function unpackRows(packed: PackedRows): unknown[][] {
  const rows = packed.rows.map((values) => [...values]);
  const { places } = packed;
  const source = new Uint8Array(packed.arena);
  for (let at = 0; at < places.length; at += 4) {
    const [row = 0, column = 0, offset = 0, length = 0] = places.subarray(at, at + 4);
    const target = rows[row];
    if (target !== undefined) target[column] = source.slice(offset, offset + length);
  }
  return rows;
}
