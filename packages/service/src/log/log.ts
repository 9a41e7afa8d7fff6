import type { Clock } from '../clock/index.ts';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

export type Fields = Readonly<Record<string, unknown>>;

/** Structured JSON lines. `message` is a constant text; what varies goes into `fields`, which are redacted. */
export interface Log {
  trace(message: string, fields?: Fields): void;
  debug(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  /** Put the caught value under `error`. */
  error(message: string, fields?: Fields): void;
  fatal(message: string, fields?: Fields): void;
  /** A logger that adds `fields` to each line, e.g. `{ traceId, spanId }`. */
  child(fields: Fields): Log;
}

/** Takes whole lines, newline included. */
export interface LogDestination {
  write(line: string): void;
}

export interface LoggerOptions {
  readonly service: string;
  readonly level: LogLevel;
  readonly destination: LogDestination;
  readonly clock: Clock;
  /** Longer lines lose their fields and say so. Default 16 384 bytes. */
  readonly maxLineBytes?: number;
}

/** Keeps lines for tests. */
export interface MemoryDestination extends LogDestination {
  readonly lines: readonly string[];
  /** The lines parsed. */
  records(): readonly Readonly<Record<string, unknown>>[];
}

export function memoryDestination(): MemoryDestination {
  const lines: string[] = [];
  return {
    lines,
    write: (line) => void lines.push(line),
    records: () => lines.map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>),
  };
}

export function createLogger(_options: LoggerOptions): Log {
  throw new Error('in progress');
}
