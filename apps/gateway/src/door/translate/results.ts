/** Results and errors of one era in the words of the other. Pure. */
import {
  HEADER_MISMATCH,
  INTERNAL_ERROR,
  INVALID_PARAMS,
  isObject,
  member,
  META,
  METHOD_NOT_FOUND,
  MISSING_CLIENT_CAPABILITY,
  objectMember,
  RESOURCE_NOT_FOUND,
  stringMember,
  UNSUPPORTED_PROTOCOL_VERSION,
  without,
  type ErrorResponse,
  type JsonObject,
  type JsonValue,
  type Response,
} from '@sallyport/model-context';

/** 2026-07-28 "Caching": results that must say how long they keep. */
const CACHEABLE: ReadonlySet<string> = new Set([
  'server/discover',
  'tools/list',
  'prompts/list',
  'resources/list',
  'resources/templates/list',
  'resources/read',
]);

/** Nothing is known about how long a session server's answer keeps, or for whom it is. */
export function resultForStateless(
  method: string,
  result: JsonObject,
  serverInfo: JsonValue | undefined,
): JsonObject {
  const known = objectMember(result, '_meta');
  const meta = serverInfo === undefined ? known : { ...known, [META.serverInfo]: serverInfo };
  return {
    ...(CACHEABLE.has(method) ? { ttlMs: 0, cacheScope: 'private' } : {}),
    ...result,
    ...(meta === undefined ? {} : { _meta: meta }),
    resultType: 'complete',
  };
}

/** -32002 (not found) becomes -32602; everything else stays. */
export function errorForStateless(error: ErrorResponse['error']): ErrorResponse['error'] {
  return error.code === RESOURCE_NOT_FOUND ? { ...error, code: INVALID_PARAMS } : error;
}

/** HTTP status of a response that stands alone. 2026-07-28 "Streamable HTTP" and "Base protocol". */
export function statelessStatus(response: Response): number {
  if (!('error' in response)) return 200;
  if (response.error.code === METHOD_NOT_FOUND) return 404;
  return response.error.code === MISSING_CLIENT_CAPABILITY ? 400 : 200;
}

/** A result of 2026-07-28 without what earlier revisions do not have. The given one is not changed. */
export function resultForSession(method: string, result: JsonObject): JsonObject {
  const meta = objectMember(result, '_meta');
  const keptMeta = meta === undefined ? undefined : without(meta, META.serverInfo);
  const plain = without(result, 'resultType', 'ttlMs', 'cacheScope', '_meta');
  const kept =
    keptMeta === undefined || Object.keys(keptMeta).length === 0 ? plain : { ...plain, _meta: keptMeta };
  return method === 'tools/call' ? withObjectStructure(kept) : kept;
}

/** `structuredContent` may be any JSON in 2026-07-28 and must be an object before: then it is told as text. */
function withObjectStructure(result: JsonObject): JsonObject {
  const structured = member(result, 'structuredContent');
  if (structured === undefined || isObject(structured)) return result;
  const content = member(result, 'content');
  const rest = without(result, 'structuredContent');
  return Array.isArray(content) && content.length > 0
    ? rest
    : { ...rest, content: [{ type: 'text', text: JSON.stringify(structured) }] };
}

/** An error of 2026-07-28 in the codes of earlier revisions; most stay the same object. */
export function errorForSession(method: string, error: ErrorResponse['error']): ErrorResponse['error'] {
  // 2026-07-28 tells a resource that is not there from other bad parameters by `data.uri` alone.
  if (
    method === 'resources/read' &&
    error.code === INVALID_PARAMS &&
    stringMember(error.data, 'uri') !== undefined
  ) {
    return { ...error, code: RESOURCE_NOT_FOUND };
  }
  // Between gateway and server: nothing that a client of this era did or could mend.
  if (error.code === HEADER_MISMATCH || error.code === UNSUPPORTED_PROTOCOL_VERSION) {
    return { ...error, code: INTERNAL_ERROR };
  }
  return error;
}

/** RFC 5424 section 6.2.1 in the words of the protocol, least severe first. */
const LEVELS = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'] as const;

/** Undefined: no level. */
export const severityOf = (level: JsonValue | undefined): number | undefined => {
  const at = typeof level === 'string' ? (LEVELS as readonly string[]).indexOf(level) : -1;
  return at === -1 ? undefined : at;
};
