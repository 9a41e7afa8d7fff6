/** A schema whose value is looked at once more: keys that must fit together, files that must hold what they should. */
import { isRawMap } from './raw.ts';
import { childNode, invalid, type ConfigNode, type Infer, type Schema } from './schema.ts';

export interface Complaint {
  /** Path of the key below this node, e.g. `['nats', 'caFile']`; empty for the node itself. */
  readonly key: readonly string[];
  readonly what: string;
  readonly hint: string;
}

/** Reads as `schema` does; what `look` complains of is reported where the key was written, and the value is refused. */
export function checked<S extends Schema<unknown>>(
  schema: S,
  look: (value: Infer<S>) => readonly Complaint[],
): Schema<Infer<S>> {
  return {
    ...schema,
    read(node, context) {
      const value = schema.read(node, context);
      if (value === invalid) return invalid;
      const complaints = look(value as Infer<S>);
      for (const { key, what, hint } of complaints) context.problem(nodeAt(node, key), what, hint);
      return complaints.length > 0 ? invalid : (value as Infer<S>);
    },
  };
}

function nodeAt(node: ConfigNode, keys: readonly string[]): ConfigNode {
  return keys.reduce((parent, key) => {
    const value = parent.raw?.value;
    const raw = value !== undefined && isRawMap(value) ? value.get(key) : undefined;
    return childNode(parent, key, raw);
  }, node);
}
