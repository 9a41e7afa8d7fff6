/**
 * Extension blocks: u16 id ‖ lp16 data, ids strictly ascending. The top bit of an id says that a receiver that does not
 * know it must refuse; others are skipped (docs/protocol.md section 3).
 */
import { Reader, u16, u64 } from './wire.ts';

const CRITICAL = 0x8000;
/** In message headers: the request was sent before; data = u64 first_sent_at. */
const RESEND = 0x8002;
/** The block of a resend: id, length, time. */
export const RESEND_BLOCK_LENGTH = 2 + 2 + 8;

/** Reads one extension's data; false when it does not know the id. */
type ExtensionReader = (id: number, data: Reader) => boolean;

/** Reads an lp16 extension block and records on `reader` what is wrong with it. Never allocates for the empty block. */
export function skipExtensions(reader: Reader, maxBytes: number): void {
  readExtensions(reader, maxBytes, () => false);
}

/** The extensions of a message header: when a resend was first sent (gateway time, ms); undefined for a first sending. */
export function readResend(reader: Reader, maxBytes: number): number | undefined {
  let firstSentAtMs: number | undefined;
  readExtensions(reader, maxBytes, (id, data) => {
    if (id !== RESEND) return false;
    firstSentAtMs = data.u64();
    return true;
  });
  return firstSentAtMs;
}

/** Writes the block of a resend, without its lp16 length, at `at`. */
export function writeResend(out: Uint8Array, at: number, firstSentAtMs: number): void {
  out.set(u16(RESEND), at);
  out.set(u16(8), at + 2);
  out.set(u64(firstSentAtMs), at + 4);
}

function readExtensions(reader: Reader, maxBytes: number, read: ExtensionReader): void {
  const block = reader.lp16(maxBytes);
  if (block.length === 0) return;
  const inner = new Reader(block);
  let previous = -1;
  while (inner.remaining > 0) {
    const id = inner.u16();
    const data = new Reader(inner.lp16());
    if (id <= previous) inner.fail('bad_field');
    previous = id;
    if (inner.cause !== undefined) break;
    if (read(id, data)) {
      const cause = data.end();
      if (cause !== undefined) inner.fail(cause);
    } else if (id >= CRITICAL) {
      inner.fail('unsupported_extension');
    }
  }
  const cause = inner.end();
  if (cause !== undefined) reader.fail(cause);
}
