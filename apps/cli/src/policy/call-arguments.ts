/** Arguments of a call on the command line: `--argument name=value`, `--arguments '{…}'`. */
import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import { UsageError } from '../exit.ts';

export type ArgumentOptions = { argument?: string[]; arguments?: string; anyArguments?: boolean };

type CallInit =
  | { readonly case: 'arguments'; readonly value: JsonObject }
  | { readonly case: 'anyArguments'; readonly value: true }
  | { readonly case: undefined };

/** What of a call is asked about. Throws `UsageError`. */
export function callOf(action: string, options: ArgumentOptions): CallInit {
  const { argument = [], arguments: json, anyArguments = false } = options;
  if (Number(argument.length > 0) + Number(json !== undefined) + Number(anyArguments) > 1) {
    throw new UsageError('Give --argument, --arguments or --any-arguments, not several of them.');
  }
  if (anyArguments) return { case: 'anyArguments', value: true };
  if (json !== undefined) return { case: 'arguments', value: objectOf(json) };
  if (argument.length > 0) return { case: 'arguments', value: fromPairs(argument) };
  // A call that says nothing of arguments is one without: other actions have none.
  return action === 'context.tools.call' ? { case: 'arguments', value: {} } : { case: undefined };
}

function objectOf(json: string): JsonObject {
  const value = parsed(json);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw new UsageError(`--arguments must be a JSON object, e.g. '{"amount": 100}'.`);
}

/** `amount=100`, or deeper by a JSON pointer: `/to/iban=DE00`. A value that is JSON is that, else it is text. */
function fromPairs(pairs: readonly string[]): JsonObject {
  const root: Map<string, unknown> = new Map();
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    if (at < 1) throw new UsageError(`--argument "${pair}" must be name=value, e.g. amount=100.`);
    const key = pair.slice(0, at);
    const path = key.startsWith('/')
      ? key
          .slice(1)
          .split('/')
          .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'))
      : [key];
    const text = pair.slice(at + 1);
    const json = parsed(text);
    place(root, path, json === undefined ? text : json, pair);
  }
  return plain(root);
}

function place(root: Map<string, unknown>, path: readonly string[], value: JsonValue, pair: string): void {
  let inner = root;
  for (const name of path.slice(0, -1)) {
    const next = inner.get(name) ?? new Map<string, unknown>();
    if (!(next instanceof Map))
      throw new UsageError(`--argument "${pair}" goes through a value that is no object.`);
    inner.set(name, next);
    inner = next as Map<string, unknown>;
  }
  const last = path.at(-1) ?? '';
  if (inner.has(last)) throw new UsageError(`--argument "${pair}" is given twice.`);
  inner.set(last, value);
}

function plain(map: Map<string, unknown>): JsonObject {
  return Object.fromEntries(
    [...map].map(([name, value]) => [
      name,
      value instanceof Map ? plain(value as Map<string, unknown>) : (value as JsonValue),
    ]),
  );
}

function parsed(text: string): JsonValue | undefined {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return undefined;
  }
}
