/** Why a request or a connection did not succeed, for callers who branch on it. */
import type { HandshakeCause, RefusalCode } from '@sallyport/channel';

/**
 * `refusal`: the gateway said no, sealed and signed; `code` says why.
 * `handshake`: the session was not opened; `code` is what was wrong, by our own check or the gateway's word.
 * `timeout`: no answer in time; the request may have taken effect.
 * `connection`: the connection ended; requests under way may have taken effect.
 * `closed`: the session is over, by our own wish or the gateway's (`code`).
 * `usage`: the request could not be sent at all; nothing happened.
 */
export type ChannelErrorKind = 'refusal' | 'handshake' | 'timeout' | 'connection' | 'closed' | 'usage';

export type ChannelErrorCode =
  RefusalCode | HandshakeCause | 'timeout' | 'connection_lost' | 'closed' | 'invalid_request';

export class ChannelError extends Error {
  override readonly name = 'ChannelError';
  readonly kind: ChannelErrorKind;
  readonly code: ChannelErrorCode;
  /** When trying again may help, in milliseconds; undefined = no advice. */
  readonly retryAfterMs: number | undefined;
  /** False = nothing happened for certain; true = it happened, or nobody on this side can tell. */
  readonly mayHaveTakenEffect: boolean;

  constructor(
    kind: ChannelErrorKind,
    code: ChannelErrorCode,
    message: string,
    options: {
      readonly retryAfterMs?: number;
      readonly mayHaveTakenEffect?: boolean;
      readonly cause?: unknown;
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.kind = kind;
    this.code = code;
    this.retryAfterMs = options.retryAfterMs === 0 ? undefined : options.retryAfterMs;
    this.mayHaveTakenEffect = options.mayHaveTakenEffect ?? false;
  }
}
