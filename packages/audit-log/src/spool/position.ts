/**
 * The small file that says how far the spool has been acknowledged, replaced atomically.
 *
 * `head` is a lower bound of what was durable when it was written. Should recovery find less, durable records are gone
 * and the spool says so instead of giving their numbers out again.
 */
import { crc32 } from 'node:zlib';
import { fromUtf8, utf8 } from '@sallyport/crypto';

export interface SpoolPosition {
  readonly producer: string;
  readonly acknowledged: bigint;
  readonly head: bigint;
}

const TITLE = 'sallyport-spool-position/1';
const DECIMAL = /^(?:0|[1-9][0-9]{0,19})$/;

export function encodePosition(position: SpoolPosition): Uint8Array {
  const text = `${TITLE}\n${position.producer}\n${position.acknowledged}\n${position.head}\n`;
  return utf8(`${text}${crc32(text)}\n`);
}

/** The position, or undefined when the bytes are not one. */
export function parsePosition(bytes: Uint8Array): SpoolPosition | undefined {
  const text = fromUtf8(bytes);
  const [title, producer, acknowledged, head, check, end, ...more] = text?.split('\n') ?? [];
  if (title !== TITLE || producer === undefined || acknowledged === undefined || head === undefined) {
    return undefined;
  }
  if (!DECIMAL.test(acknowledged) || !DECIMAL.test(head) || end !== '' || more.length > 0) return undefined;
  if (check !== String(crc32(`${title}\n${producer}\n${acknowledged}\n${head}\n`))) return undefined;
  const position = { producer, acknowledged: BigInt(acknowledged), head: BigInt(head) };
  return position.acknowledged <= position.head ? position : undefined;
}
