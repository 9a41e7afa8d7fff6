/**
 * Where a list of sessions goes on. Opaque to callers; bound to the question it came from, so that a token of another
 * list is refused instead of skipping rows.
 */
import { concatBytes, constantTimeEqual, fromBase64url, sha256, toBase64url, utf8 } from '@sallyport/crypto';
import { SESSION_ID_BYTES } from './limits.ts';

/** The last session of a page. Lists are ordered by time, newest first, then by id. */
export interface PagePosition {
  readonly openedAt: number;
  readonly sessionId: Uint8Array;
}

/** What was asked. */
export interface PageQuestion {
  readonly principal: string | undefined;
  readonly includeEnded: boolean;
}

const VERSION = 1;
const DIGEST_BYTES = 8;
const LENGTH = 1 + DIGEST_BYTES + 8 + SESSION_ID_BYTES;

export function formatPageToken(question: PageQuestion, { openedAt, sessionId }: PagePosition): string {
  const time = new Uint8Array(8);
  new DataView(time.buffer).setBigUint64(0, BigInt(openedAt));
  return toBase64url(concatBytes(Uint8Array.of(VERSION), digestOf(question), time, sessionId));
}

/** The position, or undefined for anything that is not a token of this question. Total. */
export function parsePageToken(question: PageQuestion, token: string): PagePosition | undefined {
  if (token.length > 2 * LENGTH) return undefined;
  const bytes = fromBase64url(token);
  if (bytes?.length !== LENGTH || bytes[0] !== VERSION) return undefined;
  if (!constantTimeEqual(bytes.subarray(1, 1 + DIGEST_BYTES), digestOf(question))) return undefined;
  const time = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(1 + DIGEST_BYTES);
  // 8.64e15 ms is the last instant there is (ECMA-262 section 21.4.1.1).
  if (time > 8_640_000_000_000_000n) return undefined;
  return { openedAt: Number(time), sessionId: bytes.slice(LENGTH - SESSION_ID_BYTES) };
}

function digestOf({ principal, includeEnded }: PageQuestion): Uint8Array {
  return sha256(utf8(JSON.stringify([principal ?? null, includeEnded]))).subarray(0, DIGEST_BYTES);
}
