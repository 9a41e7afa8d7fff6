/** Why a request or a connection did not succeed, for callers who branch on it. */
import type { HandshakeCause, RefusalCode } from '@sallyport/channel';

/**
 * `refusal`: the gateway said no, sealed and signed; `code` says why.
 * `handshake`: the session was not opened; `code` is what was wrong, by our own check or the gateway's word.
 * `timeout`: no answer in time.
 * `connection`: the connection could not be made or ended.
 * `closed`: the session or the request is over, by our own wish or the gateway's (`code`).
 * `usage`: the request cannot be sent like this (`invalid_request`, `too_large`) or not now (`busy`).
 */
export type ChannelErrorKind = 'refusal' | 'handshake' | 'timeout' | 'connection' | 'closed' | 'usage';

export type ChannelErrorCode =
  RefusalCode | HandshakeCause | 'timeout' | 'connection_lost' | 'closed' | 'invalid_request';

export type ChannelErrorOptions = {
  readonly retryAfterMs?: number;
  readonly mayHaveTakenEffect?: boolean;
  readonly cause?: unknown;
};

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
    options: ChannelErrorOptions = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.kind = kind;
    this.code = code;
    this.retryAfterMs = options.retryAfterMs === 0 ? undefined : options.retryAfterMs;
    this.mayHaveTakenEffect = options.mayHaveTakenEffect ?? false;
  }

  /** The same, said of a request that was under way when it happened. */
  whileUnderWay(): ChannelError {
    const { kind, code, message, retryAfterMs = 0 } = this;
    return new ChannelError(kind, code, message, { retryAfterMs, mayHaveTakenEffect: true, cause: this });
  }
}
