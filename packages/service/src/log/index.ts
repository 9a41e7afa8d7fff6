export { createLogger, memoryDestination } from './log.ts';
export type { Fields, LogDestination, Log, LoggerOptions, LogLevel, MemoryDestination } from './log.ts';
export { isSecretName, redact, redactText } from './redact.ts';
export type { Redacted } from './redact.ts';
