/**
 * Extension blocks: u16 id ‖ lp16 data, ids strictly ascending. The top bit of an id says that a receiver that does not
 * know it must refuse; others are skipped. Version 1 knows none yet; docs/protocol.md section 4 reserves some.
 */
import type { Reader } from './wire.ts';
import { Reader as BlockReader } from './wire.ts';

const CRITICAL = 0x8000;

/** Reads an lp16 extension block and records on `reader` what is wrong with it. Never allocates for the empty block. */
export function skipExtensions(reader: Reader, maxBytes: number): void {
  const block = reader.lp16(maxBytes);
  if (block.length === 0) return;
  const inner = new BlockReader(block);
  let previous = -1;
  while (inner.remaining > 0) {
    const id = inner.u16();
    inner.lp16();
    if (id <= previous) inner.fail('bad_field');
    if (id >= CRITICAL) inner.fail('unsupported_extension');
    previous = id;
  }
  const cause = inner.end();
  if (cause !== undefined) reader.fail(cause);
}
