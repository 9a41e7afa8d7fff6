/** From what a route said to what is recorded and what the client gets. Pure. */
import type { MessageOutcome } from '@sallyport/audit-log';
import { sha256, toHex } from '@sallyport/crypto';
import type { RouteResult } from '../app/ports.ts';
import { carriedContentType } from './content-type.ts';
import { refusal, type Reply } from './reply.ts';

export type Conclusion = {
  readonly outcome: MessageOutcome['outcome'];
  readonly status: string;
  readonly responseDigest: string | undefined;
  readonly reply: Reply;
};

/** `result` is undefined where no route has that name. */
export function conclude(destination: string, result: RouteResult | undefined): Conclusion {
  if (result === undefined) {
    const reply = refusal('unknown_destination', `there is no route to "${destination}"`);
    return { outcome: 'refused', status: 'destination_unknown', responseDigest: undefined, reply };
  }
  const status = statusLabel(result.status);
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

/** A route's word as the record takes it: visible ASCII, at most 64. */
function statusLabel(status: string): string {
  const label = status.replace(/[^\x21-\x7e]/gu, '_').slice(0, 64);
  return label === '' ? 'none' : label;
}
