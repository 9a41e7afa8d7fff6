/** Error codes and the two kinds of response. */
import type { ErrorResponse, JsonObject, JsonValue, RequestId, ResultResponse } from './message.ts';

/** JSON-RPC 2.0 section 5.1. */
export const PARSE_ERROR = -32700;
export const INVALID_REQUEST = -32600;
export const METHOD_NOT_FOUND = -32601;
export const INVALID_PARAMS = -32602;
export const INTERNAL_ERROR = -32603;

/** 2026-07-28 "Error Codes". HTTP 400. */
export const HEADER_MISMATCH = -32020;
/** 2026-07-28 "Error Codes"; `data.requiredCapabilities` names what is missing. HTTP 400. */
export const MISSING_CLIENT_CAPABILITY = -32021;
/** 2026-07-28 "Error Codes"; `data: {supported, requested}`. HTTP 400. */
export const UNSUPPORTED_PROTOCOL_VERSION = -32022;

/** 2025-11-25 "Resources"; never sent in 2026-07-28, which says -32602 instead. */
export const RESOURCE_NOT_FOUND = -32002;
/** 2025-11-25 "Elicitation"; `data.elicitations`. Never sent in 2026-07-28. */
export const URL_ELICITATION_REQUIRED = -32042;

/** Ours, in the range left to implementations: retryable trouble on the way; `data.retryAfterMs`. */
export const RETRY_LATER = -32001;
/** Ours: policy refuses; `data: {reason, requires}`. */
export const REFUSED = -32003;

/** Without an id where the request's could not be read. */
export const errorResponse = (
  id: RequestId | null | undefined,
  code: number,
  message: string,
  data?: JsonValue,
): ErrorResponse => ({
  jsonrpc: '2.0',
  ...(id === undefined ? {} : { id }),
  error: { code, message, ...(data === undefined ? {} : { data }) },
});

/** JSON-RPC 2.0 section 5. `result` becomes part of the answer, not a copy of it. */
export const resultResponse = (id: RequestId, result: JsonObject): ResultResponse => ({
  jsonrpc: '2.0',
  id,
  result,
});
