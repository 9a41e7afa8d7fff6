/**
 * Alert, frame 0x7f, in clear: u16 code ‖ u32 retry_after_ms (docs/protocol.md section 9). Nobody vouches for it: a
 * handshake ends by it, an established session takes it as news about the carrier at most.
 */
import { concatBytes } from '@sallyport/crypto';
import { failure, type Failure, type HandshakeCause, type MessageCause, type ShapeCause } from './causes.ts';
import { FRAME_TYPE, nameOf, SID_LENGTH } from './constants.ts';
import { encodeFrame } from './frame.ts';
import { Reader, u16, u32 } from './wire.ts';

export const ALERT = Object.freeze({
  invalid_message: 1,
  busy: 2,
  unsupported: 3,
  unknown_session: 4,
  closing: 5,
});
export type AlertCode = keyof typeof ALERT;

export interface Alert {
  readonly code: AlertCode;
  /** 0 = no advice. */
  readonly retryAfterMs: number;
}

/** Negotiation may say that it failed; everything else is one code. */
export function alertFor(cause: HandshakeCause | MessageCause): 'unsupported' | 'invalid_message' {
  switch (cause) {
    case 'unknown_version':
    case 'no_common_version':
    case 'no_common_suite':
    case 'channel_binding_refused':
    case 'unsupported_method':
    case 'unsupported_extension':
      return 'unsupported';
    default:
      return 'invalid_message';
  }
}

/** The whole frame. `sid` is all zero when no session is concerned. */
export function encodeAlert(sid: Uint8Array | undefined, code: AlertCode, retryAfterMs = 0): Uint8Array {
  const body = concatBytes(u16(ALERT[code]), u32(retryAfterMs));
  return encodeFrame(FRAME_TYPE.alert, sid ?? new Uint8Array(SID_LENGTH), body);
}

/** Total; of a frame's body. An unknown code reads as `invalid_message`. */
export function parseAlert(body: Uint8Array): ({ ok: true } & Alert) | Failure<ShapeCause> {
  const reader = new Reader(body);
  const code = nameOf(ALERT, reader.u16()) ?? 'invalid_message';
  const retryAfterMs = reader.u32();
  const cause = reader.end();
  return cause === undefined ? { ok: true, code, retryAfterMs } : failure(cause);
}
