/** From what a route said to what is recorded and what the client gets. Pure. */
import type { MessageOutcome } from '@sallyport/audit-log';
import { sha256, toHex } from '@sallyport/crypto';
import type { RouteResult } from './route-result.ts';
import { carriedContentType } from './content-type.ts';
import { auditLabel } from './label.ts';
import { refusal, type Reply } from './reply.ts';

export type Conclusion = {
  readonly outcome: MessageOutcome['outcome'];
  readonly status: string;
  readonly responseDigest: string | undefined;
  readonly reply: Reply;
};

/** What a message met: a route's answer, no route of that name, or a session that ended before it was forwarded. */
export type Met = RouteResult | { readonly kind: 'no_route' } | { readonly kind: 'session_ended' };

export function conclude(destination: string, result: Met): Conclusion {
  if (result.kind === 'no_route') {
    const reply = refusal('unknown_destination', `there is no route to "${destination}"`);
    return { outcome: 'refused', status: 'destination_unknown', responseDigest: undefined, reply };
  }
  if (result.kind === 'session_ended') {
    const reply = refusal('unavailable', 'the session ended before the message was forwarded');
    return { outcome: 'refused', status: 'session_ended', responseDigest: undefined, reply };
  }
  const status = auditLabel(result.status, 'none');
  if (result.kind === 'response') {
    const reply: Reply = {
      kind: 'response',
      contentType: carriedContentType(result.contentType),
      payload: result.body,
    };
    return { outcome: 'success', status, responseDigest: toHex(sha256(result.body)), reply };
  }
  const code = result.reason === 'too_large' ? 'response_lost' : result.reason;
  return {
    outcome: result.isWithoutEffect ? 'failure' : 'unknown',
    status,
    responseDigest: undefined,
    reply: refusal(code, result.detail),
  };
}
