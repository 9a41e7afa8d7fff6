/** Reading JSON that came from outside: own members only, never the prototype's. */
import type { JsonObject, JsonValue } from './message.ts';

/** Neither null nor a list. Of what `JSON.parse` or `readMessage` gave: members are not looked at. */
export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** An own member of an object; undefined for anything else, so that `constructor` is never found by accident. */
export const member = (value: JsonValue | undefined, name: string): JsonValue | undefined =>
  isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;

/** An own member that is a string; undefined otherwise. */
export const stringMember = (value: JsonValue | undefined, name: string): string | undefined => {
  const found = member(value, name);
  return typeof found === 'string' ? found : undefined;
};

/** An own member that is an object, not a list; undefined otherwise. */
export const objectMember = (value: JsonValue | undefined, name: string): JsonObject | undefined => {
  const found = member(value, name);
  return isObject(found) ? found : undefined;
};

/** A copy without some members; own members stay own, `__proto__` included. */
export const without = (value: JsonObject, ...names: readonly string[]): JsonObject =>
  Object.fromEntries(Object.entries(value).filter(([name]) => !names.includes(name)));
