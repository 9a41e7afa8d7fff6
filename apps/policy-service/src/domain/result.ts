/** A refusal is an expected outcome: a value that says what is wrong, where, and what to do next. */
export type Refusal = {
  readonly kind: 'malformed' | 'unknown' | 'inconsistent' | 'conflict' | 'too-large';
  /** Path of the offending field in the request, e.g. `role.inherits[2]`. */
  readonly field: string;
  readonly message: string;
};

export type Result<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly refusal: Refusal };

export const accept = <T>(value: T): Result<T> => ({ ok: true, value });

export const refuse = (
  kind: Refusal['kind'],
  field: string,
  message: string,
): { readonly ok: false; readonly refusal: Refusal } => ({ ok: false, refusal: { kind, field, message } });

/** All values, or the first refusal. */
export function all<I, T>(
  items: readonly I[],
  parse: (item: I, index: number) => Result<T>,
): Result<readonly T[]> {
  const values: T[] = [];
  for (const [index, item] of items.entries()) {
    const result = parse(item, index);
    if (!result.ok) return result;
    values.push(result.value);
  }
  return accept(values);
}

/** Caller input as it may stand in a message: quoted, and short whatever its length. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
