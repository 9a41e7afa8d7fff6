/** Schemas of single values. */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { RawScalar } from './raw.ts';
import { invalid, type ConfigContext, type ConfigNode, type ScalarOptions, type Schema } from './schema.ts';

type Converted<T> = { readonly value: T } | { readonly what: string; readonly hint?: string };

interface Scalar<T> {
  readonly expects: string;
  /** `lenient`: from the environment or the command line, where everything is text. */
  convert(raw: NonNullable<RawScalar>, lenient: boolean, context: ConfigContext): Converted<T>;
}

function scalar<T>(kind: Scalar<T>, options: ScalarOptions<T>): Schema<T> {
  const { expects } = kind;
  const write = `Write ${expects}.`;

  function given(node: ConfigNode, context: ConfigContext) {
    const fromEnvironment = options.env === undefined ? undefined : context.environment[options.env];
    if (fromEnvironment !== undefined && fromEnvironment !== '' && node.raw?.override !== true) {
      return { value: fromEnvironment, where: `environment ${options.env}`, lenient: true };
    }
    return node.raw === undefined
      ? undefined
      : { value: node.raw.value, where: node.raw.where, lenient: node.raw.override };
  }

  return {
    expects,
    ...(options.env === undefined ? {} : { env: options.env }),
    read(node, context) {
      const source = given(node, context);
      if (source === undefined) {
        if (options.default !== undefined) return options.default;
        const orSet = options.env === undefined ? '' : ` Or set ${options.env}.`;
        return context.problem(node, 'is missing', options.hint ?? `${write}${orSet}`);
      }
      const at = { where: source.where, key: node.key };
      if (source.value === null) return context.problem(at, 'is empty', `${write} Or remove the key.`);
      if (typeof source.value === 'object') return context.problem(at, 'is not a single value', write);
      const converted = kind.convert(source.value, source.lenient, context);
      if ('value' in converted) return converted.value;
      return context.problem(at, converted.what, converted.hint ?? write);
    },
  };
}

interface Bounds {
  readonly min?: number;
  readonly max?: number;
}

function bounded(value: number, { min, max }: Bounds, show: (value: number) => string): Converted<number> {
  if (min !== undefined && value < min) return { what: `${show(value)} is below ${show(min)}` };
  if (max !== undefined && value > max) return { what: `${show(value)} is above ${show(max)}` };
  return { value };
}

function range({ min, max }: Bounds, show: (value: number) => string): string {
  if (min === undefined && max === undefined) return '';
  if (max === undefined) return `, at least ${show(min ?? 0)}`;
  return min === undefined ? `, at most ${show(max)}` : ` from ${show(min)} to ${show(max)}`;
}

export interface StringOptions extends ScalarOptions<string> {
  /** Default 1. */
  readonly minLength?: number;
  /** Default 4096. */
  readonly maxLength?: number;
  readonly pattern?: RegExp;
}

export function string(options: StringOptions = {}): Schema<string> {
  const { minLength = 1, maxLength = 4096, pattern } = options;
  const expects = pattern === undefined ? 'text' : `text that matches ${pattern.source}`;
  return scalar(
    {
      expects,
      convert(raw, lenient) {
        if (typeof raw !== 'string' && !lenient)
          return { what: `is a ${typeof raw}`, hint: 'Put it in quotes.' };
        const value = String(raw);
        if (value.length < minLength) return { what: `is shorter than ${minLength} characters` };
        if (value.length > maxLength) return { what: `is longer than ${maxLength} characters` };
        // A fresh expression: one with the flag `g` would remember where it stopped.
        if (
          pattern !== undefined &&
          !new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, '')).test(value)
        ) {
          const what = 'does not have the form expected here';
          return options.hint === undefined ? { what } : { what, hint: options.hint };
        }
        return { value };
      },
    },
    options,
  );
}

function toInteger(raw: NonNullable<RawScalar>, lenient: boolean): number | undefined {
  if (lenient && typeof raw === 'string' && /^-?[0-9]{1,16}$/.test(raw)) return toInteger(Number(raw), false);
  return typeof raw === 'number' && Number.isSafeInteger(raw) ? raw : undefined;
}

export function integer(options: ScalarOptions<number> & Bounds = {}): Schema<number> {
  return scalar(
    {
      expects: `a whole number${range(options, String)}`,
      convert(raw, lenient) {
        const value = toInteger(raw, lenient);
        return value === undefined ? { what: 'is not a whole number' } : bounded(value, options, String);
      },
    },
    options,
  );
}

/** 0 asks for a free port and needs `allowZero`. */
export function port(options: ScalarOptions<number> & { readonly allowZero?: boolean } = {}): Schema<number> {
  const bounds = { min: options.allowZero === true ? 0 : 1, max: 65_535 };
  return scalar(
    {
      expects: `a port from ${bounds.min} to ${bounds.max}`,
      convert(raw, lenient) {
        const value = toInteger(raw, lenient);
        return value === undefined ? { what: 'is not a port number' } : bounded(value, bounds, String);
      },
    },
    options,
  );
}

function quantity(
  what: string,
  units: Readonly<Record<string, number>>,
  options: ScalarOptions<number> & Bounds,
): Schema<number> {
  const names = Object.keys(units);
  const pattern = new RegExp(`^([0-9]{1,15})(${names.join('|')})$`);
  /** In the largest unit that divides it. */
  const show = (value: number): string => {
    const unit = names.findLast((name) => value !== 0 && value % (units[name] ?? 1) === 0) ?? names[0] ?? '';
    return `${value / (units[unit] ?? 1)}${unit}`;
  };
  return scalar(
    {
      expects: `${what} with its unit (${names.join(', ')})${range(options, show)}`,
      convert(raw) {
        const match = typeof raw === 'string' ? pattern.exec(raw) : null;
        const [, digits, unit] = match ?? [];
        if (digits === undefined || unit === undefined) return { what: `is not ${what} with its unit` };
        const value = Number(digits) * (units[unit] ?? Number.NaN);
        return Number.isSafeInteger(value) ? bounded(value, options, show) : { what: 'is too large' };
      },
    },
    options,
  );
}

/** `250ms`, `30s`, `5m`, `1h`, `7d` → milliseconds. Default and bounds are in milliseconds too. */
export function duration(options: ScalarOptions<number> & Bounds = {}): Schema<number> {
  return quantity('a duration', { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }, options);
}

/** `512B`, `64KiB`, `1MiB`, `2GiB` → bytes. */
export function bytes(options: ScalarOptions<number> & Bounds = {}): Schema<number> {
  return quantity('a size', { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }, options);
}

export function boolean(options: ScalarOptions<boolean> = {}): Schema<boolean> {
  return scalar(
    {
      expects: 'true or false',
      convert(raw, lenient) {
        if (typeof raw === 'boolean') return { value: raw };
        if (lenient && (raw === 'true' || raw === 'false')) return { value: raw === 'true' };
        return { what: 'is neither true nor false' };
      },
    },
    options,
  );
}

export function oneOf<const V extends string>(
  values: readonly V[],
  options: ScalarOptions<V> = {},
): Schema<V> {
  return scalar(
    {
      expects: values.length === 1 ? String(values[0]) : `one of ${values.join(', ')}`,
      convert(raw) {
        const value = values.find((candidate) => candidate === raw);
        return value === undefined ? { what: 'is none of the values allowed here' } : { value };
      },
    },
    options,
  );
}

/** An absolute URL without credentials in it, as given. */
export function url(
  options: ScalarOptions<string> & { readonly protocols?: readonly string[] } = {},
): Schema<string> {
  const { protocols = ['https'] } = options;
  return scalar(
    {
      expects: `a URL that begins with ${protocols.map((protocol) => `${protocol}://`).join(' or ')}`,
      convert(raw) {
        const parsed = typeof raw === 'string' ? URL.parse(raw) : null;
        if (typeof raw !== 'string' || parsed === null) return { what: 'is not a URL' };
        if (!protocols.includes(parsed.protocol.slice(0, -1)))
          return { what: 'has a protocol not allowed here' };
        if (parsed.username !== '' || parsed.password !== '') {
          return { what: 'contains credentials', hint: 'Put them in a secret file.' };
        }
        return { value: raw };
      },
    },
    options,
  );
}

const toPath = (raw: NonNullable<RawScalar>, context: ConfigContext): string | undefined =>
  typeof raw === 'string' && raw !== '' && !raw.includes('\0') ? resolve(context.baseDir, raw) : undefined;

/** Absolute path; a relative one is relative to the configuration file. Need not exist. */
export function path(options: ScalarOptions<string> = {}): Schema<string> {
  const inner = scalar<string>(
    {
      expects: 'a path',
      convert(raw, _, context) {
        const value = toPath(raw, context);
        return value === undefined ? { what: 'is not a path' } : { value };
      },
    },
    options,
  );
  // A default may be relative as well.
  return { ...inner, read: (node, context) => resolved(inner.read(node, context), context) };
}

const resolved = (value: string | typeof invalid, context: ConfigContext): string | typeof invalid =>
  value === invalid ? invalid : resolve(context.baseDir, value);

/**
 * Path of a secret: a regular file that nobody but its owner may read or write. The content is never read here, and the
 * path is not repeated in a message, because people put the secret itself there.
 */
export function secretFile(options: ScalarOptions<string> = {}): Schema<string> {
  return scalar(
    {
      expects: 'the path of a file with the secret in it',
      convert(raw, _, context) {
        const file = toPath(raw, context);
        if (file === undefined) return { what: 'is not a path' };
        try {
          const stat = statSync(file, { throwIfNoEntry: false });
          if (stat === undefined) return { what: 'names a file that does not exist' };
          if (!stat.isFile()) return { what: 'does not name a regular file' };
          if ((stat.mode & 0o077) !== 0) {
            return { what: 'names a file that other users may read or write', hint: 'Run chmod 600 on it.' };
          }
          return { value: file };
        } catch {
          return {
            what: 'names a file that cannot be reached',
            hint: 'Check the permissions on the way to it.',
          };
        }
      },
    },
    options,
  );
}
