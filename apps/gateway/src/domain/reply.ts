/** What goes back for a request: a response or a refusal, and the form in which the ledger keeps it for a resend. */
import { encodeRefusal, type OutgoingMessage, type RefusalCode } from '@sallyport/channel';
import { concatBytes, utf8 } from '@sallyport/crypto';

export type Reply =
  | { readonly kind: 'response'; readonly contentType: string; readonly payload: Uint8Array }
  /** `code`: absent in what was kept for a resend. */
  | { readonly kind: 'refusal'; readonly payload: Uint8Array; readonly code?: RefusalCode };

const RESPONSE = 1;
const REFUSAL = 2;
const MAX_DETAIL_LENGTH = 500;

/** `detail` is for the person at the other end; what does not fit or is not plain text is cut away. */
export function refusal(code: RefusalCode, detail: string, retryAfterMs = 0): Reply {
  const plain = detail.replace(/[^\x20-\x7e]/gu, '?').slice(0, MAX_DETAIL_LENGTH);
  return { kind: 'refusal', code, payload: encodeRefusal({ code, retryAfterMs, detail: plain }) };
}

/** The message that carries a reply. */
export function replyMessage(correlation: Uint8Array, reply: Reply, trace: string): OutgoingMessage {
  return {
    kind: reply.kind,
    correlation,
    destination: '',
    contentType: reply.kind === 'response' ? reply.contentType : '',
    trace,
    payload: reply.payload,
  };
}

/** u8 kind ‖ u8 length ‖ content type ‖ payload. Read back only by `decodeReply`. */
export function encodeReply(reply: Reply): Uint8Array {
  const contentType = utf8(reply.kind === 'response' ? reply.contentType : '');
  const kind = reply.kind === 'response' ? RESPONSE : REFUSAL;
  return concatBytes(Uint8Array.of(kind, contentType.length), contentType, reply.payload);
}

/** Undefined for bytes that `encodeReply` did not make. */
export function decodeReply(bytes: Uint8Array): Reply | undefined {
  const [kind, length = 0] = bytes;
  const end = 2 + length;
  if (bytes.length < end) return undefined;
  const payload = bytes.subarray(end);
  if (kind === REFUSAL) return { kind: 'refusal', payload };
  if (kind !== RESPONSE) return undefined;
  return { kind: 'response', contentType: Buffer.from(bytes.subarray(2, end)).toString('latin1'), payload };
}
