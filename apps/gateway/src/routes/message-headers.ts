/**
 * What a destination is told beside the body: who sent it, what allowed it, and where it is recorded. The names and their
 * meaning are public (README, "What a destination is told").
 */
import { parseTraceparent } from '@sallyport/service/telemetry';
import type { RouteRequest } from '../app/ports.ts';

export const DEFAULT_CONTENT_TYPE = 'application/octet-stream';

/** Names that a configured credential must not take. */
export const OWN_HEADER =
  /^(?:sallyport-.*|idempotency-key|traceparent|tracestate|content-type|content-length)$/iu;

/** Every value is visible ASCII: no client can begin another header. */
export function messageHeaders(message: RouteRequest): Record<string, string> {
  const { evidence } = message;
  return {
    'Content-Type': contentType(message.contentType),
    'Sallyport-Principal': visible(message.principal),
    'Sallyport-Tenant': visible(message.tenant),
    'Sallyport-Destination': encoded(message.destination),
    'Sallyport-Session': visible(evidence.sessionId),
    'Sallyport-Correlation': visible(evidence.correlation),
    'Sallyport-Sequence': String(evidence.sequence),
    'Sallyport-Message-Digest': visible(evidence.digest),
    'Sallyport-Policy-Revision': visible(evidence.policyRevision),
    ...traceHeader(message.traceparent),
  };
}

/** A client's text: passed on if it is what it should be. */
export function traceHeader(text: string | undefined): Record<string, string> {
  return text === undefined || parseTraceparent(text) === undefined ? {} : { traceparent: text };
}

function contentType(text: string): string {
  return /^[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?$/u.test(text) ? text : DEFAULT_CONTENT_TYPE;
}

/** These are ours and plain already; should one ever not be, it is made so. */
export function visible(text: string): string {
  return /^[\x21-\x7e]+$/u.test(text) ? text : encoded(text);
}

function encoded(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}
