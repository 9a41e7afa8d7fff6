import type { Infer, Schema } from './schema.ts';

const soon = (): never => {
  throw new Error('in progress');
};

/** Unknown keys are problems. An absent object is read as `{}`, so that its own defaults apply. */
export function object<const F extends Readonly<Record<string, Schema<unknown>>>>(
  _fields: F,
): Schema<{ readonly [K in keyof F]: Infer<F[K]> }> {
  return soon();
}
/** Absent → `default`, or the empty list. */
export function list<T>(
  _item: Schema<T>,
  _options: { readonly minItems?: number; readonly maxItems?: number; readonly default?: readonly T[] } = {},
): Schema<readonly T[]> {
  return soon();
}
/** Free keys, e.g. destination names; each must match `keyPattern`. Absent → the empty record. */
export function record<T>(
  _value: Schema<T>,
  _options: { readonly keyPattern?: RegExp; readonly maxKeys?: number } = {},
): Schema<Readonly<Record<string, T>>> {
  return soon();
}
/** `undefined` when the key is absent. */
export function optional<T>(_schema: Schema<T>): Schema<T | undefined> {
  return soon();
}
