/**
 * From bytes to a message, totally: bounded depth and number of members, no member name twice, one message at a time.
 *
 * `JSON.parse` does the grammar. What it does not tell, one pass over the text does: outside of strings, every colon of a
 * valid JSON text is one member, so when the parsed value has fewer members than the text has colons, a name was given twice
 * (escaped or not). That is why this costs microseconds and no second parser can disagree with the first.
 *
 * Sources: JSON-RPC 2.0 sections 4 and 5; 2025-11-25 and 2026-07-28 "Base protocol" (ids are strings or integers, never null;
 * params are objects; no batches since 2025-06-18).
 */
import { INVALID_PARAMS, INVALID_REQUEST, PARSE_ERROR } from './errors.ts';
import { isObject, member } from './json.ts';
import type { JsonObject, JsonValue, Message, RequestId } from './message.ts';

export type ParseBounds = {
  /** Nesting of objects and arrays. */
  readonly maxDepth: number;
  /** Members of all objects together. */
  readonly maxMembers: number;
  /** UTF-16 units of a string id. */
  readonly maxIdLength: number;
  /** UTF-16 units of a method name. */
  readonly maxMethodLength: number;
};
export const PARSE_BOUNDS: ParseBounds = {
  maxDepth: 64,
  maxMembers: 10_000,
  maxIdLength: 256,
  maxMethodLength: 128,
};

export type ParseProblem = {
  readonly ok: false;
  readonly code: typeof PARSE_ERROR | typeof INVALID_REQUEST | typeof INVALID_PARAMS;
  /** For a person; contains nothing of the message. */
  readonly detail: string;
  /** Where it could be read. */
  readonly id?: RequestId;
};
export type Parsed = { readonly ok: true; readonly message: Message } | ParseProblem;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Never throws. Bytes must be UTF-8 without a byte order mark (RFC 8259 section 8.1); their number is bounded by who read them. */
export const parseMessage = (source: Uint8Array | string, bounds: Partial<ParseBounds> = {}): Parsed => {
  const limits = { ...PARSE_BOUNDS, ...bounds };
  let text: string;
  let value: JsonValue;
  try {
    text = typeof source === 'string' ? source : decoder.decode(source);
  } catch {
    return problem(PARSE_ERROR, 'The message is not UTF-8.');
  }
  const scanned = scan(text, limits);
  if (typeof scanned === 'string') return problem(INVALID_REQUEST, scanned);
  try {
    value = JSON.parse(text) as JsonValue;
  } catch {
    return problem(PARSE_ERROR, 'The message is not JSON.');
  }
  const counted = countMembers(value);
  if (counted === 'not finite') return problem(INVALID_REQUEST, 'A number is out of range.');
  if (counted !== scanned) return problem(INVALID_REQUEST, 'A member name is given twice in one object.');
  return shape(value, limits);
};

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;

/** Number of members, or what is wrong. Right for valid JSON; for anything else `JSON.parse` refuses afterwards. */
const scan = (text: string, bounds: ParseBounds): number | string => {
  let depth = 0;
  let members = 0;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit === QUOTE) {
      at = endOfString(text, at);
    } else if (unit === COLON) {
      members += 1;
      if (members > bounds.maxMembers) return `The message has more than ${bounds.maxMembers} members.`;
    } else if (unit === 0x7b || unit === 0x5b /* { [ */) {
      depth += 1;
      if (depth > bounds.maxDepth) return `The message is nested more than ${bounds.maxDepth} deep.`;
    } else if (unit === 0x7d || unit === 0x5d /* } ] */) {
      depth -= 1;
    }
  }
  return members;
};

/** Index of the closing quote; the text's length where there is none. */
const endOfString = (text: string, opening: number): number => {
  for (let from = opening + 1; ;) {
    const quote = text.indexOf('"', from);
    if (quote === -1) return text.length;
    let before = quote - 1;
    while (text.charCodeAt(before) === BACKSLASH) before -= 1;
    // An even number of backslashes escape each other, not the quote.
    if ((quote - before) % 2 === 1) return quote;
    from = quote + 1;
  }
};

/** `1e999` parses to Infinity, which has no JSON: what would be sent on is not what was decided on. */
const countMembers = (value: JsonValue): number | 'not finite' => {
  if (typeof value === 'number') return Number.isFinite(value) ? 0 : 'not finite';
  if (typeof value !== 'object' || value === null) return 0;
  const children: readonly JsonValue[] = Array.isArray(value) ? value : Object.values(value as JsonObject);
  let members = Array.isArray(value) ? 0 : children.length;
  for (const child of children) {
    const inner = countMembers(child);
    if (inner === 'not finite') return inner;
    members += inner;
  }
  return members;
};

const shape = (value: JsonValue, bounds: ParseBounds): Parsed => {
  if (Array.isArray(value)) return problem(INVALID_REQUEST, 'Batches are not part of this protocol.');
  if (!isObject(value)) return problem(INVALID_REQUEST, 'A message is an object.');
  const id = member(value, 'id');
  const hasId = Object.hasOwn(value, 'id');
  const readableId = isId(id, bounds) ? id : undefined;
  const invalid = (detail: string, code: ParseProblem['code'] = INVALID_REQUEST): Parsed =>
    problem(code, detail, readableId);

  if (member(value, 'jsonrpc') !== '2.0') return invalid('`jsonrpc` must be "2.0".');
  const isError = Object.hasOwn(value, 'error');
  if (hasId && readableId === undefined && !(isError && id === null)) {
    return invalid(`\`id\` must be an integer or a string of at most ${bounds.maxIdLength}.`);
  }
  if (Object.hasOwn(value, 'method')) {
    const method = member(value, 'method');
    if (typeof method !== 'string' || method === '' || method.length > bounds.maxMethodLength) {
      return invalid(`\`method\` must be a string of at most ${bounds.maxMethodLength}.`);
    }
    if (!hasOnly(value, 'jsonrpc', 'id', 'method', 'params'))
      return invalid('Unknown member beside `method`.');
    if (Object.hasOwn(value, 'params') && !isObject(member(value, 'params'))) {
      return invalid('`params` must be an object.', INVALID_PARAMS);
    }
    if (metaIsNoObject(member(value, 'params'))) return invalid('`_meta` must be an object.', INVALID_PARAMS);
    return { ok: true, message: value as unknown as Message };
  }
  if (Object.hasOwn(value, 'result')) {
    if (!hasId || !hasOnly(value, 'jsonrpc', 'id', 'result'))
      return invalid('A result has an `id` and nothing else.');
    if (!isObject(member(value, 'result'))) return invalid('`result` must be an object.');
    return { ok: true, message: value as unknown as Message };
  }
  if (!isError) return invalid('A message has a `method`, a `result` or an `error`.');
  const error = member(value, 'error');
  if (!hasOnly(value, 'jsonrpc', 'id', 'error')) return invalid('Unknown member beside `error`.');
  if (!Number.isSafeInteger(member(error, 'code')) || typeof member(error, 'message') !== 'string') {
    return invalid('`error` must have an integer `code` and a `message`.');
  }
  return { ok: true, message: value as unknown as Message };
};

const metaIsNoObject = (params: JsonValue | undefined): boolean =>
  isObject(params) && Object.hasOwn(params, '_meta') && !isObject(params['_meta']);

const isId = (id: JsonValue | undefined, bounds: ParseBounds): id is RequestId =>
  typeof id === 'string' ? id.length <= bounds.maxIdLength : Number.isSafeInteger(id);

const hasOnly = (value: JsonObject, ...names: readonly string[]): boolean =>
  Object.keys(value).every((name) => names.includes(name));

const problem = (code: ParseProblem['code'], detail: string, id?: RequestId): ParseProblem => ({
  ok: false,
  code,
  detail,
  ...(id === undefined ? {} : { id }),
});
