import type { Fields, Log } from '../log/index.ts';

export interface LogLine {
  readonly level: string;
  readonly message: string;
  /** As given: nothing is redacted here. */
  readonly fields: Fields | undefined;
}

export interface MemoryLog extends Log {
  readonly lines: LogLine[];
}

/** A log that keeps its lines; children write into the same. */
export function memoryLog(): MemoryLog {
  const lines: LogLine[] = [];
  const at = (level: string) => (message: string, fields?: Fields) =>
    void lines.push({ level, message, fields });
  const log: MemoryLog = {
    lines,
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    fatal: at('fatal'),
    child: () => log,
  };
  return log;
}
