/**
 * Trace contexts of an event (W3C Trace Context, `traceparent`): which traces the recorded messages belong to. Unsigned
 * advice in a signed log: it says what the sender wrote, decides nothing, and never makes an event unreadable.
 */
import { utf8 } from '@sallyport/crypto';
import type { AuditEvent } from './event.ts';
import { MAX_TRACED_MESSAGES } from './limits.ts';

/** https://www.w3.org/TR/trace-context/ section 3.2, version 00, ids not all zero. */
const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The attribute, or nothing for what is no context. */
export function traced(traceparent: string | undefined): { readonly traceparent?: string } {
  return traceparent !== undefined && TRACEPARENT.test(traceparent) ? { traceparent } : {};
}

/** The same messages, without the contexts that are too many. */
export function boundedTraces<M extends { readonly traceparent?: string }>(messages: readonly M[]): M[] {
  let room = MAX_TRACED_MESSAGES;
  return messages.map((message) => {
    if (message.traceparent === undefined) return message;
    if (room > 0) {
      room -= 1;
      return message;
    }
    const { traceparent: _, ...rest } = message;
    return rest as M;
  });
}

/** The contexts in an event that are well-formed, in its own order; none for most. */
export function tracesOf(event: AuditEvent): string[] {
  const found = [event.traceparent, ...messagesOf(event).map(({ traceparent }) => traceparent)];
  return found
    .filter((text) => text !== undefined && TRACEPARENT.test(text))
    .slice(0, MAX_TRACED_MESSAGES) as string[];
}

function messagesOf(event: AuditEvent): readonly { readonly traceparent?: string }[] {
  switch (event.type) {
    case 'sallyport.audit.frame_decision':
    case 'sallyport.audit.frame_outcome':
      return event.data.unmapped.messages;
    default:
      return [];
  }
}

const MARK = Buffer.from(utf8('"traceparent":"00-'));

/** False for a body that has no trace context; true for one that is worth decoding for it. Costs a search of its bytes. */
export function mayBeTraced(body: Uint8Array): boolean {
  return Buffer.from(body.buffer, body.byteOffset, body.length).includes(MARK);
}
