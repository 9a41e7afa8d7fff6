export { createLogger, memoryDestination } from './logger.ts';
export type { Fields, LogDestination, Logger, LoggerOptions, LogLevel, MemoryDestination } from './logger.ts';
export { redact } from './redact.ts';
export type { Redacted } from './redact.ts';
