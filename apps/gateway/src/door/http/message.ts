/** From the head and the body of a POST to a message whose headers agree with it, or the answer that refuses it. */
import { hash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import {
  checkHeaders,
  eraOf,
  parseMessage,
  revisionOf,
  REVISIONS,
  UNSUPPORTED_PROTOCOL_VERSION,
  type JsonValue,
  type Message,
  type RequestId,
  type Revision,
} from '@sallyport/model-context';

export type Received = {
  readonly message: Message;
  readonly revision: Revision;
  readonly parameterHeaders: Readonly<Record<string, string>>;
  /** Hex SHA-256 of the body. */
  readonly requestDigest: string;
};

export type RefusedMessage = {
  readonly status: 400;
  readonly cause: 'malformed' | 'revision' | 'headers';
  readonly id: RequestId | undefined;
  readonly code: number;
  readonly message: string;
  readonly data?: JsonValue;
};

/**
 * `headers` with lower-case names; `body` is the whole of it, kept by nobody. Total: whatever it is, a message or a
 * refusal.
 */
export function receive(headers: IncomingHttpHeaders, body: Uint8Array): Received | RefusedMessage {
  const parsed = parseMessage(body);
  if (!parsed.ok)
    return { status: 400, cause: 'malformed', id: parsed.id, code: parsed.code, message: parsed.detail };
  const { message } = parsed;
  const id = 'id' in message ? (message.id ?? undefined) : undefined;
  const spoken = revisionOf(headers, message);
  if (!spoken.ok) return { ...spoken.problem, cause: 'revision', id };
  const { revision } = spoken;
  const mismatch = eraOf(revision) === 'stateless' ? checkHeaders(headers, message) : undefined;
  if (mismatch !== undefined) return { ...mismatch, cause: 'headers', id };
  return {
    message,
    revision,
    parameterHeaders: parametersIn(headers),
    requestDigest: hash('sha256', body, 'hex'),
  };
}

/** Of a GET or DELETE, which have no body to say it. */
export function revisionOfHead(headers: IncomingHttpHeaders): Revision | RefusedMessage {
  const said = headers['mcp-protocol-version'];
  if (said === undefined) return '2025-03-26'; // 2025-11-25 "Transports", Protocol Version Header
  const known = REVISIONS.find((revision) => revision === said);
  if (known !== undefined) return known;
  return {
    status: 400,
    cause: 'revision',
    id: undefined,
    code: UNSUPPORTED_PROTOCOL_VERSION,
    message: 'Unsupported protocol version',
    data: { supported: REVISIONS, requested: String(said).slice(0, 64) },
  };
}

const PARAMETER = 'mcp-param-';

function parametersIn(headers: IncomingHttpHeaders): Readonly<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers))
    if (name.startsWith(PARAMETER) && typeof value === 'string') found[name] = value;
  return found;
}

/** Whether `accept` takes this media type (RFC 9110 section 12.5.1); an absent header takes everything. */
export function accepts(accept: string | undefined, type: string): boolean {
  if (accept === undefined) return true;
  const [group] = type.split('/', 1);
  return accept.split(',').some((part) => {
    const [range = '', ...parameters] = part.split(';').map((text) => text.trim().toLowerCase());
    if (parameters.some((text) => /^q=0(?:\.0{0,3})?$/u.test(text))) return false;
    return range === type || range === '*/*' || range === `${group}/*`;
  });
}

/** `application/json`, in UTF-8 where it says so. */
export function isJson(contentType: string | undefined): boolean {
  return /^application\/json(?:\s*;\s*charset="?utf-8"?)?\s*$/iu.test(contentType ?? '');
}
