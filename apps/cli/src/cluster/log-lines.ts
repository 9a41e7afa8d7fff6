/** What the processes log: every line whole into a file beside its process, and what a person must see on the terminal. */
import { createWriteStream } from 'node:fs';
import { rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Replica } from './layout.ts';

export type LogLines = AsyncDisposable & {
  write(line: string): void;
};

const MAX_BYTES = 32 * 1024 * 1024;
/** Shown from the first moment; warnings only once all runs: until then processes wait for one another. */
const ALWAYS: ReadonlySet<unknown> = new Set(['error', 'fatal']);

export type Show = {
  /** Whether the start is over. */
  readonly isRunning: () => boolean;
  /** Lines as they are, instead of the short form for people. */
  readonly raw: boolean;
  readonly show: (text: string) => void;
};

/** Opens `service.log` in the replica's folder; a large one of earlier runs becomes `service.log.1`. */
export async function openLogLines(
  { folder, name }: Replica,
  { isRunning, raw, show }: Show,
): Promise<LogLines> {
  const file = join(folder, 'service.log');
  const size = await stat(file).then(
    ({ size: bytes }) => bytes,
    () => 0,
  );
  if (size > MAX_BYTES) await rename(file, `${file}.1`);
  const stream = createWriteStream(file, { flags: 'a', mode: 0o600 });
  // A full disk must not end what supervises everything.
  stream.on('error', () => undefined);
  return {
    write(line) {
      stream.write(`${line}\n`);
      const record = recordOf(line);
      if (record !== undefined && !ALWAYS.has(record['level']) && !isRunning()) return;
      show(raw ? line : `[${name}] ${record === undefined ? line : shortForm(record)}`);
    },
    [Symbol.asyncDispose]: () => new Promise((resolve) => stream.end(() => resolve())),
  };
}

type LogRecord = Readonly<Record<string, unknown>>;

/** Undefined for a line that is not one of our log's: then it is shown as it is. */
function recordOf(line: string): LogRecord | undefined {
  try {
    const value = JSON.parse(line) as unknown;
    return typeof value === 'object' && value !== null ? (value as LogRecord) : undefined;
  } catch {
    return undefined;
  }
}

/** `warn: audit events wait in the spool (kind=send_failed): publishing …`; the stack stays in the file. */
export function shortForm(record: LogRecord): string {
  const { level, message, error, ...fields } = record;
  const shown = Object.entries(fields)
    .filter(([name, value]) => !['time', 'service'].includes(name) && typeof value !== 'object')
    .map(([name, value]) => `${name}=${String(value)}`);
  const why = typeof error === 'object' && error !== null ? (error as LogRecord)['message'] : undefined;
  return [
    `${String(level)}: ${String(message)}`,
    shown.length === 0 ? '' : ` (${shown.join(', ')})`,
    typeof why === 'string' ? `: ${why}` : '',
  ].join('');
}
