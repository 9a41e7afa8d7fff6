/**
 * Nonces for DPoP proofs (RFC 9449 section 8), asked for only when the guard of proofs cannot know what it saw: a proof
 * that bears one was certainly made after it, whatever the client's clock says. This process's alone; they are their own
 * memory.
 */
import {
  constantTimeEqual,
  hmacSha256,
  randomBytes,
  secretKey,
  toBase64url,
  fromBase64url,
} from '@sallyport/crypto';

export type ProofNonces = {
  make(): string;
  /** When it was made, in milliseconds; undefined for what is not of here, or too old. */
  madeAtMs(nonce: string): number | undefined;
};

const TIME_BYTES = 8;
const TAG_BYTES = 16;
const MAX_AGE_MS = 120_000;

export function proofNonces(now: () => number): ProofNonces {
  const key = secretKey(randomBytes(32));
  const tag = (time: Uint8Array): Uint8Array => hmacSha256(key, time).subarray(0, TAG_BYTES);
  return {
    make() {
      const time = new Uint8Array(TIME_BYTES);
      new DataView(time.buffer).setFloat64(0, now());
      return toBase64url(Buffer.concat([time, tag(time)]));
    },
    madeAtMs(nonce) {
      const bytes = fromBase64url(nonce);
      if (bytes?.length !== TIME_BYTES + TAG_BYTES) return undefined;
      const time = bytes.subarray(0, TIME_BYTES);
      if (!constantTimeEqual(bytes.subarray(TIME_BYTES), tag(time))) return undefined;
      const madeAtMs = new DataView(time.buffer, time.byteOffset, TIME_BYTES).getFloat64(0);
      return madeAtMs > now() - MAX_AGE_MS ? madeAtMs : undefined;
    },
  };
}
