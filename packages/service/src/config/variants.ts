/** A mapping whose other keys depend on one of them. */
import { isRawMap } from './raw.ts';
import { childNode, invalid, type Infer, type Schema } from './schema.ts';

type Variants = Readonly<Record<string, Schema<object>>>;
type Variant<V extends Variants> = {
  [K in keyof V]: { readonly kind: K } & Infer<V[K]>;
}[keyof V];

/** `kind` names the variant; the other keys are that variant's. Without `kind`: `fallback`, or a problem. */
export function variants<const V extends Variants>(
  kinds: V,
  fallback?: keyof V & string,
): Schema<Variant<V>> {
  const names = Object.keys(kinds);
  const expects = `a mapping whose kind is one of ${names.join(', ')}`;
  return {
    expects,
    read(node, context) {
      const map = node.raw?.value;
      if (map === undefined || !isRawMap(map) || node.raw === undefined)
        return context.problem(node, 'is not a mapping', `Write ${expects}.`);
      const given = map.get('kind');
      const kind = given === undefined ? fallback : given.value;
      if (typeof kind !== 'string' || !Object.hasOwn(kinds, kind)) {
        const at = childNode(node, 'kind', given);
        const what = given === undefined ? 'is missing' : 'is none of the values allowed here';
        return context.problem(at, what, `Write one of ${names.join(', ')}.`);
      }
      const rest = new Map([...map].filter(([key]) => key !== 'kind'));
      const value = kinds[kind]?.read({ ...node, raw: { ...node.raw, value: rest } }, context);
      if (value === undefined || value === invalid) return invalid;
      return { kind, ...value } as Variant<V>;
    },
  };
}
