/** Closed unions of what can be wrong. They go to the audit log; the wire says less (docs/protocol.md section 10). */

/** The bytes do not have the layout. */
export type ShapeCause =
  | 'truncated'
  | 'oversized'
  | 'trailing_bytes'
  | 'unknown_version'
  | 'unknown_type'
  | 'unexpected_type'
  | 'bad_count'
  | 'bad_field'
  | 'unsupported_extension';

/** A handshake ends. */
export type HandshakeCause =
  | ShapeCause
  | 'out_of_order'
  | 'wrong_session'
  | 'no_common_version'
  | 'no_common_suite'
  | 'channel_binding_refused'
  | 'not_offered'
  | 'bad_share'
  | 'unsupported_method'
  | 'sealed_part'
  | 'gateway_certificate'
  | 'gateway_name'
  | 'gateway_delegation'
  | 'gateway_signature'
  | 'psk_proof'
  | 'finished'
  | 'session_key'
  | 'credential_signature'
  | 'client_key'
  | 'binding_mismatch'
  | 'binding_signature'
  | 'binding_validity'
  | 'limits'
  /** No binder of a ResumeHello is under the resumption secret. */
  | 'binder'
  /** The epoch of a ResumeAnswer does not follow the one it resumes. */
  | 'epoch_mismatch'
  /** A peer says to have received what cannot have been sent. */
  | 'received_through'
  | 'alert'
  | 'rejected';

/** A 0x10 frame is refused whole. */
export type MessageCause =
  | ShapeCause
  | 'wrong_session'
  | 'wrong_direction'
  | 'wrong_epoch'
  | 'epoch_exhausted'
  | 'sequence_mismatch'
  /** It belongs to what a resume has closed. */
  | 'sequence_closed'
  | 'stale_time'
  | 'future_time'
  | 'decryption_failed'
  | 'tag_mismatch'
  | 'bad_signature';

/** A frame is not sealed; nothing was consumed. */
export type SealCause =
  'bad_count' | 'bad_field' | 'oversized' | 'window_full' | 'epoch_exhausted' | 'epoch_left';

/** An expected failure, as a value. */
export interface Failure<Cause extends string> {
  readonly ok: false;
  readonly cause: Cause;
}

export function failure<Cause extends string>(cause: Cause): Failure<Cause> {
  return { ok: false, cause };
}
