/** Audit events as bytes: UTF-8 JSON, bounded, with no second reading. */
import { fromUtf8, utf8 } from '@sallyport/crypto';
import { AuditLogError } from '../errors.ts';
import type { AuditEvent } from './event.ts';
import { MAX_EVENT_BYTES } from './limits.ts';
import { eventShape } from './schema.ts';

/** UTF-8 JSON of an event. Throws `too_large` above `MAX_EVENT_BYTES`, which no built event reaches. */
export function encodeEvent(event: AuditEvent): Uint8Array {
  const bytes = utf8(JSON.stringify(event));
  if (bytes.length > MAX_EVENT_BYTES) {
    throw new AuditLogError('too_large', `audit event of ${bytes.length} bytes; at most ${MAX_EVENT_BYTES}`);
  }
  return bytes;
}

export type DecodedEvent =
  | { readonly ok: true; readonly event: AuditEvent }
  /** `where`: the first attribute that does not fit, "$" for the whole. */
  | { readonly ok: false; readonly where: string };

const REFUSED: DecodedEvent = { ok: false, where: '$' };

/**
 * The event of a body, whatever the bytes are. Only the one text that `encodeEvent` would write is accepted: with a
 * repeated attribute or other spellings, two readers could see two events under one signed hash.
 */
export function decodeEvent(body: Uint8Array): DecodedEvent {
  if (body.length > MAX_EVENT_BYTES) return REFUSED;
  const text = fromUtf8(body);
  if (text === undefined) return REFUSED;
  let value: unknown;
  try {
    value = JSON.parse(text);
    if (JSON.stringify(value) !== text) return REFUSED;
  } catch {
    return REFUSED; // not JSON, or nested deeper than the engine follows
  }
  return isEvent(value) ? { ok: true, event: value } : { ok: false, where: eventShape(value, '$') ?? '$' };
}

function isEvent(value: unknown): value is AuditEvent {
  return eventShape(value, '$') === undefined;
}
