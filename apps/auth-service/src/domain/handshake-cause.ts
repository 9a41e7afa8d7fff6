/** Why a handshake is refused: for the audit log and the metrics, never for the one who tried. */
import type { HandshakeCause as ChannelCause } from '@sallyport/channel';
import type { PskProblem } from './psk.ts';

export type ChainCause =
  | 'chain_length'
  | 'certificate_unreadable'
  | 'certificate_is_ca'
  | 'certificate_usage'
  | 'certificate_expired'
  | 'certificate_not_yet_valid'
  | 'certificate_issuer'
  | 'certificate_untrusted'
  | 'certificate_name'
  | 'certificate_trust_domain'
  | 'certificate_kind'
  | 'certificate_algorithm'
  | 'certificate_constraints'
  | 'certificate_policy'
  | 'certificate_extension'
  | 'certificate_profile'
  | 'certificate_limit'
  | 'certificate_revoked'
  | 'certificate_revocation_unknown'
  | 'certificate_denied';

export type HandshakeCause =
  | ChannelCause
  | PskProblem
  | ChainCause
  /** The chain in ServerHello, as `ChainCause`. */
  | `gateway_${ChainCause}`
  /** The gateway in the handshake is not the one that calls. */
  | 'gateway_other'
  | 'hello_time'
  | 'session_reused'
  /** The gateway proved to know the key, and the client never answered. */
  | 'abandoned_after_proof';
