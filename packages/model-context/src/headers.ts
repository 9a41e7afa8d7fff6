/**
 * Headers of 2026-07-28 that repeat what the body says, checked and made.
 * Source: 2026-07-28 "Streamable HTTP", "Request Metadata" and "Server Validation" (SEP-2243); tasks: SEP-2663.
 */
import { HEADER_MISMATCH, INVALID_PARAMS, INVALID_REQUEST, UNSUPPORTED_PROTOCOL_VERSION } from './errors.ts';
import { decodeHeaderValue, encodeHeaderValue } from './header-value.ts';
import { isObject, member, stringMember } from './json.ts';
import {
  isNotification,
  isRequest,
  isResponse,
  REVISIONS,
  type JsonObject,
  type JsonValue,
  type Message,
  type Revision,
} from './message.ts';
import { META, metaMember, paramsOf } from './meta.ts';
import { mirroredValue, toolHeaders, type ToolHeader } from './tool-headers.ts';

/** Names in lower case, as Node's `request.headers`. */
export type HeaderSource = Readonly<Record<string, string | readonly string[] | undefined>>;

/** To be answered with this HTTP status and an error response. */
export type HeaderProblem = {
  readonly status: 400;
  readonly code: number;
  readonly message: string;
  readonly data?: JsonValue;
};

/** Which member of `params` the header `Mcp-Name` repeats. */
const NAME_SOURCE: ReadonlyMap<string, string> = new Map([
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri'],
  ['tasks/get', 'taskId'],
  ['tasks/update', 'taskId'],
  ['tasks/cancel', 'taskId'],
]);

/**
 * Which revision a POST is in: the body decides, `_meta` naming a version makes it stateless; without it the header, or
 * 2025-03-26 where there is none. A version that nobody here speaks is a problem, as is a header that denies the body's.
 */
export const revisionOf = (
  headers: HeaderSource,
  message: Message,
):
  | { readonly ok: true; readonly revision: Revision }
  | { readonly ok: false; readonly problem: HeaderProblem } => {
  const header = one(headers, 'mcp-protocol-version');
  const claimed = metaMember(message, META.protocolVersion);
  if (claimed !== undefined) {
    if (typeof claimed !== 'string')
      return refuse(INVALID_PARAMS, `_meta.${META.protocolVersion} must be a string.`);
    if (header !== undefined && header !== claimed) {
      return refuse(
        HEADER_MISMATCH,
        'Header mismatch: MCP-Protocol-Version is not the version that the body names.',
      );
    }
    return claimed === '2026-07-28' ? { ok: true, revision: claimed } : unsupported(claimed);
  }
  if ('method' in message && message.method === 'initialize') {
    // The version is negotiated in the body; a header here is only what the client hopes for.
    return { ok: true, revision: header !== undefined && isSession(header) ? header : '2025-11-25' };
  }
  if (header === undefined) return { ok: true, revision: '2025-03-26' }; // 2025-11-25 "Transports", version header
  if (header === '2026-07-28') return { ok: true, revision: header };
  return isSession(header) ? { ok: true, revision: header } : unsupported(header);
};

const isSession = (version: string): version is Revision =>
  version !== '2026-07-28' && (REVISIONS as readonly string[]).includes(version);

const refuse = (
  code: number,
  message: string,
  data?: JsonValue,
): { readonly ok: false; readonly problem: HeaderProblem } => ({
  ok: false,
  problem: { status: 400, code, message, ...(data === undefined ? {} : { data }) },
});
const unsupported = (requested: string): ReturnType<typeof refuse> =>
  refuse(UNSUPPORTED_PROTOCOL_VERSION, 'Unsupported protocol version', {
    supported: REVISIONS,
    requested: requested.slice(0, 64),
  });

/**
 * Everything that 2026-07-28 demands of one POST. Undefined: it agrees. `inputSchema` is the called tool's, where known.
 * Notifications need no headers, but those that are there must agree.
 */
export const checkHeaders = (
  headers: HeaderSource,
  message: Message,
  inputSchema?: JsonValue,
): HeaderProblem | undefined => {
  if (isResponse(message)) {
    return { status: 400, code: INVALID_REQUEST, message: 'A client sends no responses in this revision.' };
  }
  return (
    checkVersion(headers, message) ??
    checkMethod(headers, message) ??
    checkName(headers, message) ??
    checkMeta(message) ??
    (inputSchema === undefined ? undefined : checkParameters(headers, message, inputSchema))
  );
};

const checkVersion = (headers: HeaderSource, message: Message): HeaderProblem | undefined => {
  const header = one(headers, 'mcp-protocol-version');
  if (header === undefined)
    return isRequest(message) ? mismatch('MCP-Protocol-Version is missing') : undefined;
  const claimed = metaMember(message, META.protocolVersion);
  // Without a version in the body the request is malformed, which `checkMeta` says.
  if (claimed === undefined || claimed === header) return undefined;
  return mismatch('MCP-Protocol-Version is not the version that the body names');
};

const checkMethod = (headers: HeaderSource, message: Message): HeaderProblem | undefined => {
  if (!('method' in message)) return undefined;
  const header = one(headers, 'mcp-method');
  if (header === undefined) return isRequest(message) ? mismatch('Mcp-Method is missing') : undefined;
  return header === message.method ? undefined : mismatch('Mcp-Method is not the method of the body');
};

const checkName = (headers: HeaderSource, message: Message): HeaderProblem | undefined => {
  if (!('method' in message)) return undefined;
  const source = NAME_SOURCE.get(message.method);
  if (source === undefined) return undefined;
  const named = stringMember(paramsOf(message), source);
  const header = one(headers, 'mcp-name');
  if (header === undefined) {
    return named !== undefined && isRequest(message) ? mismatch('Mcp-Name is missing') : undefined;
  }
  const decoded = decodeHeaderValue(header);
  if (decoded === undefined) return mismatch('Mcp-Name has characters or an encoding that are not allowed');
  return decoded === named ? undefined : mismatch(`Mcp-Name is not \`params.${source}\` of the body`);
};

/** 2026-07-28 "Base protocol": version and capabilities are on every request. */
const checkMeta = (message: Message): HeaderProblem | undefined => {
  if (isNotification(message)) return undefined;
  const missing = (name: string): HeaderProblem => ({
    status: 400,
    code: INVALID_PARAMS,
    message: `Invalid params: _meta.${name} is required.`,
  });
  if (typeof metaMember(message, META.protocolVersion) !== 'string') return missing(META.protocolVersion);
  if (!isObject(metaMember(message, META.clientCapabilities))) return missing(META.clientCapabilities);
  return undefined;
};

/** `Mcp-Param-*` of a call alone; `inputSchema` is the called tool's. Undefined: they agree with the body. */
export const checkParameters = (
  headers: HeaderSource,
  message: Message,
  inputSchema: JsonValue,
): HeaderProblem | undefined => {
  if (!('method' in message) || message.method !== 'tools/call') return undefined;
  const args = member(paramsOf(message), 'arguments');
  for (const declared of toolHeaders(inputSchema).headers) {
    const value = mirroredValue(args, declared);
    if (value === undefined) continue;
    const text = textOf(value);
    if (text === undefined) continue; // not a primitive: the tool's own schema refuses it
    const name = `Mcp-Param-${declared.name}`;
    const header = one(headers, name.toLowerCase());
    if (header === undefined) return mismatch(`${name} is missing`);
    const decoded = decodeHeaderValue(header);
    if (decoded === undefined) return mismatch(`${name} has characters or an encoding that are not allowed`);
    if (!agrees(declared, decoded, value, text)) return mismatch(`${name} is not the argument of the body`);
  }
  return undefined;
};

/** Numbers compare as numbers (`42.0` and `42`), anything else as text. */
const agrees = (declared: ToolHeader, decoded: string, value: JsonValue, text: string): boolean =>
  (declared.type === 'integer' || declared.type === 'number') &&
  typeof value === 'number' &&
  /^-?\d{1,32}(?:\.\d{1,32})?$/.test(decoded)
    ? Number(decoded) === value
    : decoded === text;

const textOf = (value: JsonValue): string | undefined => {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return value ? 'true' : 'false';
  if (typeof value !== 'number' || (Number.isInteger(value) && !Number.isSafeInteger(value)))
    return undefined;
  return String(value);
};

/** A header given twice is refused like one that disagrees: nobody can say which of them another reader took. */
const one = (headers: HeaderSource, name: string): string | undefined => {
  const value = Object.hasOwn(headers, name) ? headers[name] : undefined;
  return typeof value === 'string' || value === undefined ? value : '\0';
};

const mismatch = (what: string): HeaderProblem => ({
  status: 400,
  code: HEADER_MISMATCH,
  message: `Header mismatch: ${what}.`,
});

/** Headers of a 2026-07-28 POST of our own, names as written there. `inputSchema` is the called tool's, where known. */
export const mirrorHeaders = (message: Message, inputSchema?: JsonValue): Record<string, string> => {
  const headers: Record<string, string> = {};
  const version = metaMember(message, META.protocolVersion);
  if (typeof version === 'string') headers['MCP-Protocol-Version'] = version;
  if (!('method' in message)) return headers;
  headers['Mcp-Method'] = message.method;
  const params: JsonObject | undefined = paramsOf(message);
  const source = NAME_SOURCE.get(message.method);
  const named = source === undefined ? undefined : stringMember(params, source);
  if (named !== undefined) headers['Mcp-Name'] = encodeHeaderValue(named);
  if (message.method !== 'tools/call' || inputSchema === undefined) return headers;
  for (const declared of toolHeaders(inputSchema).headers) {
    const text = textOf(mirroredValue(member(params, 'arguments'), declared) ?? null);
    if (text !== undefined) headers[`Mcp-Param-${declared.name}`] = encodeHeaderValue(text);
  }
  return headers;
};
