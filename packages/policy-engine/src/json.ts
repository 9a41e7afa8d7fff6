/**
 * JSON values as facts: one spelling per value, bounded in depth and length.
 *
 * The spelling (members sorted by code unit, no white space) is also the form over which OPA hashes `.manifest` and
 * `data.json` of a bundle, so the plain SHA-256 of our files is OPA's hash of them (OPA, bundle/hash.go).
 */

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;
export type JsonObject = { readonly [name: string]: JsonValue };

const MAX_DEPTH = 8;

/**
 * The one spelling of `value`, or undefined when it is not plain JSON (a function, a class instance, NaN, a hole),
 * nests deeper than 8, or is longer than `maxLength` UTF-16 units. Terminates on cycles: they are deeper than 8.
 */
export function canonicalJson(value: unknown, maxLength: number): string | undefined {
  const budget = { left: maxLength };
  return write(value, MAX_DEPTH, budget);
}

export function isJsonObject(value: unknown): value is JsonObject {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function write(value: unknown, depth: number, budget: { left: number }): string | undefined {
  if (Array.isArray(value))
    return writeAll('[', ']', value, (item) => write(item, depth - 1, budget), depth, budget);
  if (isJsonObject(value)) {
    // A member that is named undefined is still a member of the object: it makes the value not plain JSON.
    const member = (name: string): string | undefined => {
      const label = spend(`${JSON.stringify(name)}:`, budget);
      const text = write(value[name], depth - 1, budget);
      return label === undefined || text === undefined ? undefined : `${label}${text}`;
    };
    return writeAll('{', '}', Object.keys(value).sort(), member, depth, budget);
  }
  const isScalar = value === null || typeof value === 'boolean' || typeof value === 'string';
  return isScalar || Number.isFinite(value) ? spend(JSON.stringify(value), budget) : undefined;
}

function writeAll<T>(
  open: string,
  close: string,
  items: readonly T[],
  writeItem: (item: T) => string | undefined,
  depth: number,
  budget: { left: number },
): string | undefined {
  budget.left -= items.length + 2;
  if (depth === 0 || budget.left < 0) return undefined;
  const texts: string[] = [];
  for (let index = 0; index < items.length; index += 1) {
    // Indexed, so that a hole is seen as undefined and refused.
    const text = writeItem(items[index] as T);
    if (text === undefined) return undefined;
    texts.push(text);
  }
  return open + texts.join(',') + close;
}

function spend(text: string, budget: { left: number }): string | undefined {
  budget.left -= text.length;
  return budget.left < 0 ? undefined : text;
}
