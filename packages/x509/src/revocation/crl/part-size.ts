/** A list may be large for its entries alone: what becomes values at once is bounded, before anybody has vouched for it. */
import type { DerReader } from '../../der/reader.ts';

/** Of the issuer's name, of the list's extensions, and of those of one entry: as much as a whole certificate may have. */
const MAX_PART_BYTES = 65_536;

/** Looks at the length of the next element, and refuses a part that is larger. */
export function boundPart(reader: DerReader): void {
  const { bytes, offset, end } = reader;
  if (end - offset <= MAX_PART_BYTES) return;
  const first = bytes[offset + 1] ?? 0;
  const isSmall = first < 0x80 || first === 0x81 || first === 0x82;
  if (!isSmall) reader.fail(`more than ${MAX_PART_BYTES} octets that are not entries`);
}
