/** `x-mcp-header` in a tool's `inputSchema`. Source: 2026-07-28 "Streamable HTTP", "Schema Extension" (SEP-2243). */
import { isObject, member, stringMember } from './json.ts';
import type { JsonValue } from './message.ts';

export type ToolHeader = {
  /** The part after `Mcp-Param-`, as declared. */
  readonly name: string;
  /** Member names from the arguments' root to the value. */
  readonly path: readonly string[];
  readonly type: 'string' | 'integer' | 'boolean' | 'number';
};
export type ToolHeaders = {
  /** What is declared well, up to the first fault. */
  readonly headers: readonly ToolHeader[];
  /** A client leaves a tool with a fault out of its list. */
  readonly fault?: string;
};

/** A schema without this word has no headers. */
export const HEADER_ANNOTATION = 'x-mcp-header';
/** RFC 9110 section 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const MAX_DEPTH = 64;
const MAX_HEADERS = 64;

/** Total: any JSON is an answer, and a schema without the annotation is one without headers. */
export const toolHeaders = (inputSchema: JsonValue | undefined): ToolHeaders => {
  const headers: ToolHeader[] = [];
  const seen = new Set<string>();

  const visit = (schema: JsonValue, path: readonly string[], isReachable: boolean): string | undefined => {
    if (path.length > MAX_DEPTH) return `${path.slice(0, 4).join('.')}…: nested too deep`;
    if (Array.isArray(schema)) return first(schema, (branch) => visit(branch as JsonValue, path, false));
    if (!isObject(schema)) return undefined;
    const fault = Object.hasOwn(schema, HEADER_ANNOTATION) ? declare(schema, path, isReachable) : undefined;
    if (fault !== undefined) return fault;
    return first(Object.entries(schema), ([keyword, value]) => {
      if (keyword === 'properties' && isObject(value)) {
        return first(Object.entries(value), ([name, child]) => visit(child, [...path, name], isReachable));
      }
      if (DATA.has(keyword)) return undefined;
      if (MAPS.has(keyword) && isObject(value)) {
        return first(Object.values(value), (child) => visit(child, path, false));
      }
      return visit(value, path, false);
    });
  };

  const declare = (schema: JsonValue, path: readonly string[], isReachable: boolean): string | undefined => {
    const at = path.length === 0 ? 'the root' : path.join('.');
    if (!isReachable || path.length === 0)
      return `${at}: ${HEADER_ANNOTATION} is only for what \`properties\` alone lead to`;
    const name = member(schema, HEADER_ANNOTATION);
    if (typeof name !== 'string' || !TOKEN.test(name))
      return `${at}: ${HEADER_ANNOTATION} must be an HTTP token`;
    if (seen.has(name.toLowerCase())) return `${at}: ${HEADER_ANNOTATION} ${name} is declared twice`;
    const type = stringMember(schema, 'type');
    if (type !== 'string' && type !== 'integer' && type !== 'boolean' && type !== 'number') {
      return `${at}: ${HEADER_ANNOTATION} is only for string, integer and boolean`;
    }
    if (headers.length === MAX_HEADERS) return `more than ${MAX_HEADERS} headers`;
    seen.add(name.toLowerCase());
    headers.push({ name, path, type });
    // Not permitted, yet a server that declares it must compare it all the same.
    return type === 'number' ? `${at}: ${HEADER_ANNOTATION} is not for type number` : undefined;
  };

  const fault = visit(inputSchema ?? null, [], true);
  return { headers, ...(fault === undefined ? {} : { fault }) };
};

/** Keywords whose value is data, not a schema. */
const DATA: ReadonlySet<string> = new Set(['default', 'const', 'enum', 'examples', HEADER_ANNOTATION]);
/** Keywords whose value is an object of schemas by name. */
const MAPS: ReadonlySet<string> = new Set(['patternProperties', 'dependentSchemas', '$defs', 'definitions']);

const first = <T>(items: readonly T[], test: (item: T) => string | undefined): string | undefined => {
  for (const item of items) {
    const found = test(item);
    if (found !== undefined) return found;
  }
  return undefined;
};

/** The value in a call's arguments that a header mirrors; undefined where there is none or it is null. */
export const mirroredValue = (args: JsonValue | undefined, header: ToolHeader): JsonValue | undefined => {
  let value = args;
  for (const name of header.path) value = member(value, name);
  return value ?? undefined;
};
