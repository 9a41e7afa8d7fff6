/**
 * Nonces for DPoP proofs (RFC 9449 section 8), asked for only when the guard of proofs cannot know what it saw. A nonce names
 * the histories that the gateway had met when it made it: a proof that bears it was made after they began, whatever anybody's
 * clock says, so whether it was used stands in them. They are their own memory:
 *
 *     u8 1 | u8 length ‖ wrapped data key | f64 milliseconds since 1970 | 8 bytes of each history | tag 16
 *
 * in base64url; the tag is HMAC-SHA-256 over all before it, under a data key that every replica can have opened
 * (clients/data-keys.ts). While there is none the key is this process's own, and its wrapped form empty.
 */
import type { KeyObject } from 'node:crypto';
import {
  constantTimeEqual,
  hmacSha256,
  randomBytes,
  secretKey,
  toBase64url,
  fromBase64url,
  utf8,
} from '@sallyport/crypto';
import { dataKeys, type SealingKey } from '../../clients/data-keys.ts';
import type { HandlePorts } from '../handles.ts';
import { HISTORY_BYTES } from '../ports.ts';
import { strangeKeys, type OpenNamedKey } from '../strange-keys.ts';
import { MAX_PROOF_ID_CHARS } from './dpop.ts';

export type ProofNonces = {
  /** Has the shared key fetched, so that the first nonce is good everywhere. Rejects when key-service is away. */
  warm(): Promise<void>;
  /** At once: without a shared key it is good here only. `histories`: as `ProofGuard` names them; the first that fit. */
  make(histories: readonly string[]): string;
  /** The histories that a nonce names; none for what no gateway made for anybody within two minutes. Never rejects. */
  open(nonce: string, principal: Parameters<OpenNamedKey>[0]): Promise<ReadonlySet<string>>;
};

const LAYOUT = 1;
const HEADER_BYTES = 2;
const TIME_BYTES = 8;
const TAG_BYTES = 16;
const MAX_BYTES = (MAX_PROOF_ID_CHARS / 4) * 3;
const MAX_AGE_MS = 120_000;
/** Of clocks of gateways. */
const AHEAD_MS = 10_000;
const HOUR_MS = 3_600_000;
const LABEL = utf8('sallyport1 dpop nonce');
const DATA_KEY = {
  name: 'gateway/handle',
  aad: LABEL,
  freshMs: HOUR_MS,
  lifeMs: 2 * HOUR_MS,
  maxSeals: Number.MAX_SAFE_INTEGER,
} as const;
const NONE: ReadonlySet<string> = new Set();

/** Asks key-service for nothing until it is warmed or a nonce is made. */
export function proofNonces({ keys, now, monotonic }: HandlePorts): ProofNonces {
  const shared = dataKeys(keys, DATA_KEY, monotonic);
  const openNamed = strangeKeys(shared, monotonic);
  const own: SealingKey = { wrapped: new Uint8Array(), key: secretKey(randomBytes(32)) };
  let current = own;

  async function refresh(): Promise<void> {
    try {
      current = await shared.sealing();
    } catch (error) {
      current = own;
      throw error;
    }
  }

  return {
    warm: refresh,

    make(histories) {
      refresh().catch(() => undefined);
      const { key, wrapped } = current;
      const used = HEADER_BYTES + wrapped.length + TIME_BYTES + TAG_BYTES;
      const fitting = histories.slice(0, Math.max(0, Math.floor((MAX_BYTES - used) / HISTORY_BYTES)));
      const time = Buffer.alloc(TIME_BYTES);
      time.writeDoubleBE(now());
      const said = Buffer.concat([
        Uint8Array.of(LAYOUT, wrapped.length),
        wrapped,
        time,
        ...fitting.map((history) => Buffer.from(history, 'base64url')),
      ]);
      return toBase64url(Buffer.concat([said, tagOf(key, said)]));
    },

    async open(nonce, principal) {
      const bytes = fromBase64url(nonce);
      if (bytes === undefined || bytes[0] !== LAYOUT) return NONE;
      const timeAt = HEADER_BYTES + (bytes[1] ?? 0);
      const historiesAt = timeAt + TIME_BYTES;
      const tagAt = bytes.length - TAG_BYTES;
      if (tagAt < historiesAt || (tagAt - historiesAt) % HISTORY_BYTES !== 0) return NONE;
      const madeAtMs = new DataView(bytes.buffer, bytes.byteOffset + timeAt, TIME_BYTES).getFloat64(0);
      const nowMs = now();
      // Before the key, which may cost a call. NaN is neither.
      if (!(madeAtMs > nowMs - MAX_AGE_MS && madeAtMs < nowMs + AHEAD_MS)) return NONE;
      const wrapped = bytes.subarray(HEADER_BYTES, timeAt);
      const key = wrapped.length === 0 ? own.key : await openNamed(principal, wrapped).catch(() => undefined);
      if (key === undefined) return NONE;
      if (!constantTimeEqual(bytes.subarray(tagAt), tagOf(key, bytes.subarray(0, tagAt)))) return NONE;
      const histories = new Set<string>();
      for (let at = historiesAt; at < tagAt; at += HISTORY_BYTES)
        histories.add(toBase64url(bytes.subarray(at, at + HISTORY_BYTES)));
      return histories;
    },
  };
}

const tagOf = (key: KeyObject, said: Uint8Array): Uint8Array =>
  hmacSha256(key, LABEL, said).subarray(0, TAG_BYTES);
