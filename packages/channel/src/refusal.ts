/** The payload of a refusal (kind 3), of Reject and of a closing session: why not, for the authenticated peer. */
import { concatBytes, fromUtf8, utf8 } from '@sallyport/crypto';
import { failure, type Failure, type ShapeCause } from './causes.ts';
import { nameOf } from './constants.ts';
import { lp16, Reader, u16, u32 } from './wire.ts';

/** Numbers are final; new ones are added at the end. docs/protocol.md section 9. */
export const REFUSAL = Object.freeze({
  denied: 1,
  duplicate: 2,
  stale: 3,
  too_far_ahead: 4,
  expired: 5,
  unknown_destination: 6,
  upstream_failed: 7,
  upstream_timeout: 8,
  outcome_unknown: 9,
  correlation_reuse: 10,
  response_lost: 11,
  running: 12,
  busy: 13,
  epoch_required: 14,
  content_required: 15,
  too_large: 16,
  unavailable: 17,
  internal: 18,
  revoked: 19,
  superseded: 20,
  unsupported: 21,
});
export type RefusalCode = keyof typeof REFUSAL;

const MAX_DETAIL_BYTES = 512;

export interface Refusal {
  readonly code: RefusalCode;
  /** When trying again may help; 0 = no advice. */
  readonly retryAfterMs: number;
  /** For a person, at most 512 bytes of UTF-8; never the cause of a cryptographic failure. */
  readonly detail: string;
}

/** Throws RangeError when the detail is longer than 512 bytes. */
export function encodeRefusal(refusal: Refusal): Uint8Array {
  const detail = utf8(refusal.detail);
  if (detail.length > MAX_DETAIL_BYTES)
    throw new RangeError(`a detail has at most ${MAX_DETAIL_BYTES} bytes`);
  return concatBytes(u16(REFUSAL[refusal.code]), u32(refusal.retryAfterMs), lp16(detail));
}

/** Total. A code of a later version reads as `internal`: it still refuses. */
export function parseRefusal(payload: Uint8Array): ({ ok: true } & Refusal) | Failure<ShapeCause> {
  const reader = new Reader(payload);
  const code = nameOf(REFUSAL, reader.u16()) ?? 'internal';
  const retryAfterMs = reader.u32();
  const detail = fromUtf8(reader.lp16(MAX_DETAIL_BYTES));
  if (detail === undefined) reader.fail('bad_field');
  const cause = reader.end();
  return cause === undefined && detail !== undefined
    ? { ok: true, code, retryAfterMs, detail }
    : failure(cause ?? 'bad_field');
}
