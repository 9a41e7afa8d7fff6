/** Schemas made of schemas. */
import { isRawList, isRawMap, type RawMap } from './raw.ts';
import {
  childNode,
  invalid,
  type ConfigContext,
  type ConfigNode,
  type Infer,
  type Invalid,
  type Schema,
} from './schema.ts';
import { closest } from './suggest.ts';

const none: RawMap = new Map();

function mapOf(node: ConfigNode, context: ConfigContext): RawMap | Invalid {
  if (node.raw === undefined) return none;
  if (isRawMap(node.raw.value)) return node.raw.value;
  const what = node.raw.value === null ? 'is empty' : 'is not a mapping';
  return context.problem(node, what, 'Write keys below it, indented, or remove it.');
}

/** Unknown keys are problems. An absent object is read as `{}`, so that its own defaults apply. */
export function object<const F extends Readonly<Record<string, Schema<unknown>>>>(
  fields: F,
): Schema<{ readonly [K in keyof F]: Infer<F[K]> }> {
  const names = Object.keys(fields);
  return {
    expects: `a mapping with the keys ${names.join(', ')}`,
    read(node, context) {
      const map = mapOf(node, context);
      if (map === invalid) return invalid;
      for (const [key, raw] of map) {
        if (Object.hasOwn(fields, key)) continue;
        const meant = closest(key, names);
        const known = `Known here: ${names.join(', ')}.`;
        const hint = meant === undefined ? `Remove it. ${known}` : `Did you mean ${meant}?`;
        context.problem(childNode(node, key, raw), 'is not a known key', hint);
      }
      const values = Object.entries(fields).map(
        ([key, schema]) => [key, schema.read(childNode(node, key, map.get(key)), context)] as const,
      );
      if (values.some(([, value]) => value === invalid)) return invalid;
      return Object.fromEntries(values) as { readonly [K in keyof F]: Infer<F[K]> };
    },
  };
}

interface ListOptions<T> {
  readonly minItems?: number;
  /** Default 1000. */
  readonly maxItems?: number;
  readonly default?: readonly T[];
}

/** Absent → `default`, or the empty list. */
export function list<T>(item: Schema<T>, options: ListOptions<T> = {}): Schema<readonly T[]> {
  const { minItems = 0, maxItems = 1000, default: fallback = [] } = options;
  return {
    expects: 'a list',
    read(node, context) {
      if (node.raw === undefined) {
        if (fallback.length >= minItems) return fallback;
        return context.problem(node, 'is missing', `Write a list of at least ${minItems}: ${item.expects}.`);
      }
      const { value } = node.raw;
      if (!isRawList(value)) {
        return context.problem(node, 'is not a list', `Write one item per line after "- ": ${item.expects}.`);
      }
      if (value.length < minItems)
        return context.problem(node, `has fewer than ${minItems} items`, 'Add some.');
      if (value.length > maxItems)
        return context.problem(node, `has more than ${maxItems} items`, 'Remove some.');
      const items = value.map((raw, index) =>
        item.read({ raw, where: raw.where, key: `${node.key}[${index}]` }, context),
      );
      return items.every((read): read is Exclude<typeof read, Invalid> => read !== invalid) ? items : invalid;
    },
  };
}

interface RecordOptions {
  /** Default: a letter or digit, then letters, digits, `.`, `_` and `-`, 64 characters in all. */
  readonly keyPattern?: RegExp;
  /** Default 1000. */
  readonly maxKeys?: number;
}

/** Free keys, e.g. destination names. Absent → the empty record. The result has no prototype. */
export function record<T>(
  value: Schema<T>,
  options: RecordOptions = {},
): Schema<Readonly<Record<string, T>>> {
  const { keyPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, maxKeys = 1000 } = options;
  return {
    expects: 'a mapping',
    read(node, context) {
      const map = mapOf(node, context);
      if (map === invalid) return invalid;
      if (map.size > maxKeys) return context.problem(node, `has more than ${maxKeys} keys`, 'Remove some.');
      const result: Record<string, T> = Object.create(null) as Record<string, T>;
      let valid = true;
      for (const [key, raw] of map) {
        const child = childNode(node, key, raw);
        if (!keyPattern.test(key)) {
          context.problem(
            child,
            'is not a name allowed here',
            `Use a name that matches ${keyPattern.source}.`,
          );
          valid = false;
          continue;
        }
        const read = value.read(child, context);
        if (read === invalid) valid = false;
        else result[key] = read;
      }
      return valid ? result : invalid;
    },
  };
}

/** `undefined` when the key is absent (and its environment variable, if any, unset). */
export function optional<T>(schema: Schema<T>): Schema<T | undefined> {
  return {
    expects: schema.expects,
    read(node, context) {
      const fromEnvironment = schema.env === undefined ? undefined : context.environment[schema.env];
      const absent = node.raw === undefined && (fromEnvironment === undefined || fromEnvironment === '');
      return absent ? undefined : schema.read(node, context);
    },
  };
}
