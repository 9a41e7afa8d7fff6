/** What a refusal means for the request it answers (docs/protocol.md section 9.1). */
import { parseRefusal, type RefusalCode } from '@sallyport/channel';
import { ChannelError } from './errors.ts';

/** `waits`: a first message under the same correlation is or will be answered; this is not the end of the request. */
type Meaning = 'nothing_happened' | 'may_have_happened' | 'waits';

const MEANING = {
  denied: 'nothing_happened',
  // Somebody sent our own bytes again, and the guard refused the copy. The first one is answered for itself. A request
  // that we sent once, on a carrier that keeps order, is never stale.
  duplicate: 'waits',
  running: 'waits',
  stale: 'waits',
  // The guard has not used up its sequence: a copy of the frame may still be taken, as long as it is fresh.
  too_far_ahead: 'may_have_happened',
  expired: 'nothing_happened',
  unknown_destination: 'nothing_happened',
  upstream_failed: 'may_have_happened',
  upstream_timeout: 'may_have_happened',
  outcome_unknown: 'may_have_happened',
  correlation_reuse: 'may_have_happened',
  response_lost: 'may_have_happened',
  busy: 'nothing_happened',
  epoch_required: 'nothing_happened',
  content_required: 'nothing_happened',
  too_large: 'nothing_happened',
  unavailable: 'nothing_happened',
  // Also what a code of a later version reads as.
  internal: 'may_have_happened',
  revoked: 'nothing_happened',
  superseded: 'nothing_happened',
  unsupported: 'nothing_happened',
} as const satisfies Record<RefusalCode, Meaning>;

/** Whether a gateway that ends a session with this reason would take it on again, there or elsewhere. */
export function isResumable(code: RefusalCode): boolean {
  // Superseded by nobody that we know of: if another holds the session, the resume will not verify.
  return code === 'epoch_required' || code === 'superseded' || code === 'unavailable';
}

const ASKED_AGAIN: ReadonlySet<RefusalCode> = new Set(['running', 'unavailable', 'busy']);
/** What refuses a message before anybody looks whether its request is known. Of a resend it says nothing of the first. */
const UNSEEN: ReadonlySet<RefusalCode> = new Set([
  'expired',
  'epoch_required',
  'superseded',
  'revoked',
  'unsupported',
]);
/** First pause and longest before asking again. */
const ASK_AFTER_MS = 100;
const ASK_AT_MOST_MS = 2_000;

/**
 * How long to wait before asking again, where a refusal of a resend does not say what became of its request: it is being
 * worked on, or the gateway could not look. Undefined where it is an answer.
 */
export function askAgainAfterMs(payload: Uint8Array, asked: number): number | undefined {
  const parsed = parseRefusal(payload);
  if (!parsed.ok || !ASKED_AGAIN.has(parsed.code)) return undefined;
  const pauseMs = Math.min(ASK_AT_MOST_MS, ASK_AFTER_MS * 2 ** Math.min(asked, 8));
  return Math.min(ASK_AT_MOST_MS, Math.max(pauseMs, parsed.retryAfterMs));
}

/** The error that ends the request, or undefined where the refusal is of a copy. */
export function refusalError(payload: Uint8Array, isResend: boolean): ChannelError | undefined {
  const parsed = parseRefusal(payload);
  if (!parsed.ok) {
    return new ChannelError('refusal', 'internal', 'the gateway refused, and its reason cannot be read', {
      mayHaveTakenEffect: true,
    });
  }
  const { code, retryAfterMs, detail } = parsed;
  const meaning = MEANING[code];
  if (meaning === 'waits') return undefined;
  const message = detail === '' ? `the gateway refused: ${code}` : detail;
  return new ChannelError('refusal', code, message, {
    retryAfterMs,
    mayHaveTakenEffect: meaning === 'may_have_happened' || (isResend && UNSEEN.has(code)),
  });
}
