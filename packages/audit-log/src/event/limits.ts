/**
 * Bounds of an audit event, chosen so that a full frame always fits.
 *
 * The largest event is the decision of 256 messages. A message costs at most 6 × 255 bytes of destination (JSON
 * writes a control character as `\u00XX`, six bytes for one), 32 of correlation, 64 each of action, reason, policy
 * revision and digest, 20 of sequence, and under 140 of attribute names: below 1,980 bytes, so 256 of them stay below
 * 507,000. At most 32 of them bear a trace context of 74 bytes. `MAX_EVENT_BYTES` leaves the envelope 14 KiB more than that;
 * it needs less than 8 KiB.
 *
 * An operation adds at most 6 × 255 bytes of target, 64 of digest and under 60 of attribute names: below 1,660. So only
 * events of at most 128 messages may name operations: 128 × 3,640 bytes are less than the largest event without them.
 */

/** Bytes of an encoded event. The log's leaf commits to its digest, so this bound is not the leaf's. */
export const MAX_EVENT_BYTES = 512 * 1024;
/** Messages of one frame (the channel's own limit). */
export const MAX_FRAME_MESSAGES = 256;
/** Messages of one frame that may bear a trace context. */
export const MAX_TRACED_MESSAGES = 32;
/** Messages of one event, when any of them names its operation. */
export const MAX_OPERATION_MESSAGES = 128;
/** UTF-8 bytes of a destination (the channel's own limit). */
export const MAX_DESTINATION_BYTES = 255;
/** UTF-8 bytes of an operation's target, as it is written. */
export const MAX_TARGET_BYTES = 255;
/** Characters of an action, reason, policy revision, digest: visible ASCII. */
export const MAX_LABEL_LENGTH = 64;
/** Characters of a principal, SPIFFE id, event id, producer: visible ASCII. */
export const MAX_IDENTIFIER_LENGTH = 255;
/** UTF-16 units of a sentence for people: at most 6 KiB once encoded. */
export const MAX_SENTENCE_LENGTH = 512;
