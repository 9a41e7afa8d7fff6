/** OBJECT IDENTIFIERs as dotted decimal. */
import type { Oid } from '../certificate/types.ts';
import { DerError } from './error.ts';

/** From here on one more septet could leave what a number holds exactly. */
const WIDE = 2 ** 46;
/** Nearly all OIDs of a certificate are of these two families: no text is built for them. */
const UNDER_ATTRIBUTES: readonly Oid[] = Array.from({ length: 128 }, (_, arc) => `2.5.4.${arc}`);
const UNDER_EXTENSIONS: readonly Oid[] = Array.from({ length: 128 }, (_, arc) => `2.5.29.${arc}`);

/** X.690 section 8.19. An arc may have 128 bits (a UUID under 2.25) and, so that work is bounded, the OID 64 octets. */
export function oidText(bytes: Uint8Array, start: number, end: number): Oid {
  if (start === end) throw new DerError('an OID without octets', start);
  if (end - start > 64) throw new DerError('an OID of more than 64 octets', start);
  if ((bytes[end - 1] ?? 0) >= 0x80) throw new DerError('an OID whose last arc is cut off', end - 1);
  if (end - start === 3 && bytes[start] === 0x55) {
    if (bytes[start + 1] === 0x1d) return UNDER_EXTENSIONS[bytes[start + 2] ?? 0] ?? '';
    if (bytes[start + 1] === 0x04) return UNDER_ATTRIBUTES[bytes[start + 2] ?? 0] ?? '';
  }
  let text = '';
  let arc = 0;
  let wide: bigint | undefined;
  let arcStart = start;
  for (let index = start; index < end; index += 1) {
    const octet = bytes[index] ?? 0;
    if (index === arcStart && octet === 0x80) throw new DerError('an OID that is not minimal', index);
    if (wide !== undefined) wide = wide * 128n + BigInt(octet & 0x7f);
    else if (arc >= WIDE) wide = BigInt(arc) * 128n + BigInt(octet & 0x7f);
    else arc = arc * 128 + (octet & 0x7f);
    if (octet >= 0x80) continue;
    if (index - arcStart >= 19) throw new DerError('an arc of more than 128 bits', arcStart);
    text += text === '' ? firstArcs(wide ?? arc) : `.${wide ?? arc}`;
    arc = 0;
    wide = undefined;
    arcStart = index + 1;
  }
  return text;
}

/** X.690 section 8.19.4: the first two arcs are one number. */
function firstArcs(both: number | bigint): string {
  if (both < 80) return both < 40 ? `0.${both}` : `1.${Number(both) - 40}`;
  return typeof both === 'bigint' ? `2.${both - 80n}` : `2.${both - 80}`;
}
