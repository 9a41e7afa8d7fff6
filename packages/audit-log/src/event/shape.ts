/**
 * A small structural checker: names the first attribute that does not have its type.
 *
 * Unknown attributes pass: an older reader must be able to record what a newer producer says.
 */

/** The path of the first misfit ("data.user.uid"), or undefined when the value fits. */
export type Shape = (value: unknown, path: string) => string | undefined;

export function text(maxLength: number, pattern?: RegExp): Shape {
  return (value, path) =>
    typeof value === 'string' &&
    value.length <= maxLength &&
    value.isWellFormed() &&
    (pattern === undefined || pattern.test(value))
      ? undefined
      : path;
}

export function oneOf(...values: readonly (string | number | boolean)[]): Shape {
  return (value, path) => (values.some((allowed) => allowed === value) ? undefined : path);
}

export function integer(min: number, max: number): Shape {
  return (value, path) =>
    typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max
      ? undefined
      : path;
}

export const positive: Shape = (value, path) =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 ? undefined : path;

export function listOf(element: Shape, min: number, max: number): Shape {
  return (value, path) => {
    if (!Array.isArray(value) || value.length < min || value.length > max) return path;
    for (let i = 0; i < value.length; i++) {
      const misfit = element(value[i], `${path}[${i}]`);
      if (misfit !== undefined) return misfit;
    }
    return undefined;
  };
}

export function object(
  required: Readonly<Record<string, Shape>>,
  optional: Readonly<Record<string, Shape>> = {},
): Shape {
  const need = Object.entries(required);
  const may = Object.entries(optional);
  return (value, path) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return path;
    const attributes = new Map<string, unknown>(Object.entries(value));
    for (const [name, shape] of need) {
      const misfit = shape(attributes.get(name), `${path}.${name}`);
      if (misfit !== undefined) return misfit;
    }
    for (const [name, shape] of may) {
      if (!attributes.has(name)) continue;
      const misfit = shape(attributes.get(name), `${path}.${name}`);
      if (misfit !== undefined) return misfit;
    }
    return undefined;
  };
}
