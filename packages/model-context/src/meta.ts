/** Reserved members of `_meta`. Source: 2026-07-28 "Base protocol", "_meta". */
import { isObject, member, objectMember } from './json.ts';
import type { JsonObject, JsonValue, Message } from './message.ts';

export const META = {
  protocolVersion: 'io.modelcontextprotocol/protocolVersion',
  clientInfo: 'io.modelcontextprotocol/clientInfo',
  clientCapabilities: 'io.modelcontextprotocol/clientCapabilities',
  serverInfo: 'io.modelcontextprotocol/serverInfo',
  logLevel: 'io.modelcontextprotocol/logLevel',
  subscriptionId: 'io.modelcontextprotocol/subscriptionId',
  progressToken: 'progressToken',
} as const;

/** Undefined for responses, and where `params` is absent or no object. */
export const paramsOf = (message: Message): JsonObject | undefined =>
  'method' in message && isObject(message.params) ? message.params : undefined;

/** `params._meta`, where it is an object. */
export const metaOf = (message: Message): JsonObject | undefined => objectMember(paramsOf(message), '_meta');

/** An own member of `params._meta`, unchecked: whatever JSON it is. `name` is one of `META`. */
export const metaMember = (message: Message, name: string): JsonValue | undefined =>
  member(metaOf(message), name);

/** The message with members of `params._meta` set, or taken away where undefined. An empty `_meta` stays away. */
export const withMeta = <M extends Message>(
  message: M,
  changes: Readonly<Record<string, JsonValue | undefined>>,
): M => {
  if (!('method' in message)) return message;
  const entries = Object.entries(metaOf(message) ?? {}).filter(([name]) => !Object.hasOwn(changes, name));
  for (const [name, value] of Object.entries(changes)) if (value !== undefined) entries.push([name, value]);
  const { _meta: _, ...params } = paramsOf(message) ?? {};
  if (entries.length === 0 && message.params === undefined) return message;
  return {
    ...message,
    params: entries.length === 0 ? params : { ...params, _meta: Object.fromEntries(entries) },
  };
};
