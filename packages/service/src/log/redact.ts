/**
 * What a value becomes before it leaves the process in a log line or a span.
 *
 * Three nets, because each has holes: by type (bytes, keys, secrets never print), by name (what is called `password` is
 * masked whatever it holds) and by shape (private keys, bearer tokens and signed tokens inside text). Total: bounded in
 * depth, width and length, safe on cycles and on getters that throw.
 */
import { KeyObject, X509Certificate } from 'node:crypto';
import { types } from 'node:util';

export type Redacted =
  string | number | boolean | null | readonly Redacted[] | { readonly [key: string]: Redacted };

const mask = '[secret]';
const maxDepth = 6;
const maxEntries = 100;
const maxText = 4096;
const maxFrames = 12;

const secretName =
  /passw|passphrase|secret|psk|credential|authorization|cookie|token|apikey|privatekey|sessionkey|datakey|rootkey|masterkey|keymaterial|plaintext|seed|otp/;
/** Says something about a secret without being it: `sessionKeyId`, `secretFile`, `tokenCount`. */
const aboutSecret = /(?:id|name|kind|type|count|length|ms|seconds|version|file|path|state|class)$/;

/** Whether a value under this name must not be shown. */
export function isSecretName(name: string): boolean {
  const plain = name.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
  return secretName.test(plain) && !aboutSecret.test(plain);
}

/** Text without the secrets that have a recognisable shape, at most 4096 characters of it. */
export function redactText(text: string): string {
  const bounded = text.length > maxText ? `${text.slice(0, maxText)}… (${text.length} characters)` : text;
  return bounded
    .replaceAll(
      /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g,
      '[private key]',
    )
    .replaceAll(/\b(Bearer|Basic|DPoP)\s+[\w.~+/=-]+/gi, `$1 ${mask}`)
    .replaceAll(/\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)*/g, '[token]') // RFC 7515 section 3.1, compact serialisation
    .replaceAll(/\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@]+@/gi, '$1'); // RFC 3986 section 3.2.1, userinfo
}

export function redact(value: unknown): Redacted {
  return visit(value, 0, new Set());
}

function visit(value: unknown, depth: number, around: Set<object>): Redacted {
  switch (typeof value) {
    case 'string':
      return redactText(value);
    case 'number':
      return Number.isFinite(value) ? value : String(value);
    case 'boolean':
      return value;
    case 'bigint':
      return value.toString();
    case 'undefined':
      return null;
    case 'symbol':
    case 'function':
      return `[${typeof value}]`;
    case 'object':
      return value === null ? null : visitObject(value, depth, around);
  }
}

function visitObject(value: object, depth: number, around: Set<object>): Redacted {
  const short = describe(value);
  if (short !== undefined) return short;
  if (around.has(value)) return '[circular]';
  if (depth >= maxDepth) return '[too deep]';
  around.add(value);
  try {
    return open(value, depth + 1, around);
  } catch {
    return '[unreadable]'; // a getter, a proxy or a toJSON that throws
  } finally {
    around.delete(value);
  }
}

/** Values that are shown as one text, whatever is inside. */
function describe(value: object): string | undefined {
  if (ArrayBuffer.isView(value)) return `[bytes ${value.byteLength}]`;
  if (types.isAnyArrayBuffer(value)) return `[bytes ${value.byteLength}]`;
  if (value instanceof KeyObject || types.isCryptoKey(value)) return '[key]';
  if (value instanceof X509Certificate) return '[certificate]';
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? '[no date]' : value.toISOString();
  if (value instanceof URL) return redactText(`${value.protocol}//${value.host}${value.pathname}`);
  return undefined;
}

function open(value: object, depth: number, around: Set<object>): Redacted {
  if (value instanceof Error) return openError(value, depth, around);
  // Secret says "[secret]" here; so may any other type that knows what it may show.
  if (showsItself(value)) return visit(value.toJSON(), depth, around);
  if (Array.isArray(value) || value instanceof Set) return openList([...value.values()], depth, around);
  if (value instanceof Map) {
    return openEntries(
      [...value].map(([key, item]) => [typeof key === 'string' ? key : '[key]', item]),
      depth,
      around,
    );
  }
  return openEntries(Object.entries(value), depth, around);
}

function showsItself(value: object): value is { toJSON(): unknown } {
  return 'toJSON' in value && typeof value.toJSON === 'function';
}

function openList(items: readonly unknown[], depth: number, around: Set<object>): Redacted {
  const shown = items.slice(0, maxEntries).map((item) => visit(item, depth, around));
  return items.length > maxEntries ? [...shown, `… ${items.length - maxEntries} more`] : shown;
}

function openEntries(
  entries: readonly (readonly [string, unknown])[],
  depth: number,
  around: Set<object>,
): Redacted {
  const shown = entries
    .slice(0, maxEntries)
    .map(([key, item]) => [
      redactText(key),
      isSecretName(key) && item !== undefined ? mask : visit(item, depth, around),
    ]);
  if (entries.length > maxEntries) shown.push(['…', `${entries.length - maxEntries} more`]);
  return Object.fromEntries(shown) as Redacted;
}

/** Properties of errors that hold codes or names, never data. Everything else stays out. */
const errorFields = [
  'code',
  'reason',
  'kind',
  'status',
  'syscall',
  'field',
  'correlationId',
  'sqlState',
  'constraint',
  'table',
  'column',
] as const;

function openError(error: Error, depth: number, around: Set<object>): Redacted {
  const fields = Object.fromEntries(
    errorFields.flatMap((name): [string, Redacted][] => {
      const value: unknown = Reflect.get(error, name);
      return typeof value === 'string' || typeof value === 'number'
        ? [[name, visit(value, depth, around)]]
        : [];
    }),
  );
  const isOurs = 'reason' in fields;
  return {
    name: redactText(error.name),
    // Messages of other people's errors quote their input: JSON.parse does, and so do parsers of keys.
    message: redactText(isOurs ? error.message : error.message.replaceAll(/(["'`]).*?(?:\1|$)/gs, '$1…$1')),
    ...fields,
    stack: frames(error),
    ...(error.cause === undefined ? {} : { cause: visit(error.cause, depth, around) }),
    ...(error instanceof AggregateError ? { errors: openList(error.errors, depth, around) } : {}),
  };
}

/** Only the frames: the head of a stack repeats the message. */
function frames(error: Error): Redacted {
  const lines = (error.stack ?? '').split('\n');
  return lines
    .filter((line) => /^ {4}at .*(?::\d+:\d+\)?|<anonymous>\)?)$/.test(line))
    .slice(0, maxFrames)
    .map((line) => line.trim());
}
