/**
 * A log entry: small, and a commitment to the event's body.
 *
 *     sallyport-audit/1\n<producer>\n<seq>\n<base64 of SHA-256(body)>\n
 *
 * Bodies are kept apart, so they can be large, and one day erased, while every proof stays valid.
 */
import { fromUtf8, sha256, utf8 } from '@sallyport/crypto';
import { MAX_IDENTIFIER_LENGTH } from '../event/limits.ts';
import { VALUE } from '../event/values.ts';
import { fromBase64, toBase64 } from './base64.ts';

const TITLE = 'sallyport-audit/1';

export interface EntryFields {
  readonly producer: string;
  readonly seq: bigint;
  /** SHA-256, 32 bytes. */
  readonly bodyDigest: Uint8Array;
}

/** The entry of a spool record. The leaf of the log is `leafHash(entryOf(…))`. Throws RangeError on a bad producer or seq. */
export function entryOf(record: {
  readonly producer: string;
  readonly seq: bigint;
  readonly body: Uint8Array;
}): Uint8Array {
  const { producer, seq, body } = record;
  return entryOfDigest({ producer, seq, bodyDigest: sha256(body) });
}

/** The same where the digest is known already. Throws RangeError on fields that no entry can have. */
export function entryOfDigest({ producer, seq, bodyDigest }: EntryFields): Uint8Array {
  if (!isProducer(producer))
    throw new RangeError(`not a producer: ${JSON.stringify(producer.slice(0, 300))}`);
  if (seq < 1n || seq > VALUE.maxU64) throw new RangeError(`not a producer sequence: ${seq}`);
  if (bodyDigest.length !== 32) throw new RangeError('a SHA-256 has 32 bytes');
  return utf8(`${TITLE}\n${producer}\n${seq}\n${toBase64(bodyDigest)}\n`);
}

/** What an entry commits to, or undefined when the bytes are not one. */
export function parseEntry(entry: Uint8Array): EntryFields | undefined {
  const [title, producer, seq, digest, end, ...more] = fromUtf8(entry)?.split('\n') ?? [];
  if (title !== TITLE || producer === undefined || seq === undefined || digest === undefined)
    return undefined;
  if (end !== '' || more.length > 0 || !isProducer(producer)) return undefined;
  if (!VALUE.decimal.test(seq) || seq === '0' || BigInt(seq) > VALUE.maxU64) return undefined;
  const bodyDigest = fromBase64(digest);
  return bodyDigest?.length === 32 ? { producer, seq: BigInt(seq), bodyDigest } : undefined;
}

/** Names a spool: 1 to 255 visible ASCII characters. */
export function isProducer(text: string): boolean {
  return text.length <= MAX_IDENTIFIER_LENGTH && VALUE.visibleAscii.test(text);
}
