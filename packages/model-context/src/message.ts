/**
 * Messages of the Model Context Protocol: JSON-RPC 2.0, one message at a time (batches ended with revision 2025-06-18).
 *
 * Source: https://modelcontextprotocol.io/specification, revisions 2025-11-25 and 2026-07-28, "Base protocol".
 */

export type JsonValue = string | number | boolean | null | JsonArray | JsonObject;
export type JsonArray = readonly JsonValue[];
export type JsonObject = { readonly [member: string]: JsonValue };

export type RequestId = string | number;

export type Request = {
  readonly jsonrpc: '2.0';
  readonly id: RequestId;
  readonly method: string;
  readonly params?: JsonObject;
};

export type Notification = {
  readonly jsonrpc: '2.0';
  readonly method: string;
  readonly params?: JsonObject;
};

export type ResultResponse = {
  readonly jsonrpc: '2.0';
  readonly id: RequestId;
  readonly result: JsonObject;
};

export type ErrorResponse = {
  readonly jsonrpc: '2.0';
  /** Absent or null where the request could not be read. */
  readonly id?: RequestId | null;
  readonly error: { readonly code: number; readonly message: string; readonly data?: JsonValue };
};

export type Response = ResultResponse | ErrorResponse;
export type Message = Request | Notification | Response;

/** Asks for an answer: a method and an id. The parameter must be a message already. */
export const isRequest = (message: Message): message is Request => 'method' in message && 'id' in message;
/** A method without an id: nobody answers it. The parameter must be a message already. */
export const isNotification = (message: Message): message is Notification =>
  'method' in message && !('id' in message);
/** A result or an error. The parameter must be a message already. */
export const isResponse = (message: Message): message is Response => !('method' in message);

/** The revisions spoken here, the newest first. `2026-07-28` is stateless, the others begin with `initialize`. */
export const REVISIONS = ['2026-07-28', '2025-11-25', '2025-06-18', '2025-03-26'] as const;
export type Revision = (typeof REVISIONS)[number];
/** `stateless`: every request carries what it needs (2026-07-28). `session`: `initialize` first, then a session id. */
export type Era = 'stateless' | 'session';
/** Which of the two ways to speak a revision has. */
export const eraOf = (revision: Revision): Era => (revision === '2026-07-28' ? 'stateless' : 'session');
