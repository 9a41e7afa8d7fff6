/** Structured logging: one JSON object per line, through pino, redacted before it gets there. */
import { pino, type Logger as Pino } from 'pino';
import type { Clock } from '../clock/index.ts';
import { redact, redactText, type Redacted } from './redact.ts';

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
  /** A log that adds `fields` to each line, e.g. `{ traceId, spanId }`. */
  child(fields: Fields): Log;
}

/** Takes whole lines, newline included; `process.stdout` is one. */
export interface LogDestination {
  write(line: string): unknown;
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

/** Names that every line has; a field of the same name gets an underscore behind it. */
const reserved: ReadonlySet<string> = new Set(['level', 'time', 'service', 'message', 'truncated']);
/** What a line that was too long keeps. */
const kept = ['level', 'time', 'service', 'traceId', 'spanId', 'correlationId', 'message'];

function prepare(fields: Fields | undefined): Record<string, Redacted> {
  if (fields === undefined) return {};
  const defined = Object.entries(fields).filter(([, value]) => value !== undefined);
  const shown = redact(Object.fromEntries(defined)) as Readonly<Record<string, Redacted>>;
  return Object.fromEntries(
    Object.entries(shown).map(([key, value]) => [reserved.has(key) ? `${key}_` : key, value]),
  );
}

function bounded(destination: LogDestination, maxLineBytes: number): { write(line: string): void } {
  return {
    write(line) {
      if (line.length * 3 <= maxLineBytes || Buffer.byteLength(line) <= maxLineBytes) {
        destination.write(line);
        return;
      }
      const record = JSON.parse(line) as Readonly<Record<string, unknown>>;
      const short = kept.flatMap((key): [string, string][] => {
        const value = record[key];
        return typeof value === 'string' ? [[key, value.slice(0, 200)]] : [];
      });
      destination.write(`${JSON.stringify({ ...Object.fromEntries(short), truncated: true })}\n`);
    },
  };
}

function wrap(inner: Pino): Log {
  type Method = Exclude<LogLevel, 'silent'>;
  const at =
    (level: Method) =>
    (message: string, fields?: Fields): void => {
      if (inner.isLevelEnabled(level)) inner[level](prepare(fields), redactText(message));
    };
  return {
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    fatal: at('fatal'),
    child: (fields) => wrap(inner.child(prepare(fields))),
  };
}

export function createLogger(options: LoggerOptions): Log {
  const { service, level, destination, clock, maxLineBytes = 16_384 } = options;
  const inner = pino(
    {
      level,
      base: { service },
      messageKey: 'message',
      timestamp: () => `,"time":"${new Date(clock.now()).toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: {}, // `redact` has done their work; pino's own would open errors again
    },
    bounded(destination, maxLineBytes),
  );
  return wrap(inner);
}
