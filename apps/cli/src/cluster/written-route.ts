/** What stands in a gateway's own file, again: quantities get their units back, paths are absolute by now. */
import type { WrittenServer } from '../model-context.ts';
import type { WrittenRoute } from '../config.ts';

/** Keys whose numbers are milliseconds, and those whose numbers are bytes. */
const DURATIONS: ReadonlySet<string> = new Set([
  'timeout',
  'connectTimeout',
  'headersTimeout',
  'bodyTimeout',
  'window',
  'open',
  'idleTimeout',
  'totalTimeout',
  'startTimeout',
  'requestIdle',
  'idleEnd',
  'lifetime',
]);
const SIZES: ReadonlySet<string> = new Set(['maxResponse', 'maxMessage', 'maxExchange', 'maxMemory']);

export function writtenRoute(route: WrittenRoute): Readonly<Record<string, unknown>> {
  return mapping(route);
}

/** A server of the Model Context Protocol. */
export function writtenServer(server: WrittenServer): Readonly<Record<string, unknown>> {
  return mapping(server);
}

function mapping(value: object): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, each]) => each !== undefined)
      .map(([key, each]) => [key, written(key, each)]),
  );
}

function written(key: string, value: unknown): unknown {
  if (typeof value === 'number' && DURATIONS.has(key)) return `${value}ms`;
  if (typeof value === 'number' && SIZES.has(key)) return `${value}B`;
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return mapping(value);
  return value;
}
