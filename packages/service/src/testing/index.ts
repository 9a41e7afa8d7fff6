/** For tests only: .dependency-cruiser.mjs lets nothing else import it. */
export { createTestAuthority } from './authority.ts';
export type { TestAuthority } from './authority.ts';
export { testClients } from './clients.ts';
export type { TestClients } from './clients.ts';
export { contractTable } from './contract-table.ts';
export type { ContractTable } from './contract-table.ts';
export { memoryLog } from './log.ts';
export type { LogLine, MemoryLog } from './log.ts';
export { startOtlpReceiver } from './otlp-receiver.ts';
export type { OtlpReceiver, ReceivedSpan } from './otlp-receiver.ts';
export { testPostgres } from './postgres.ts';
export type { TestPostgres } from './postgres.ts';
export { testRuntime } from './runtime.ts';
export type { TestSurroundings } from './runtime.ts';
export { serverFolders, serverSuite } from './servers.ts';
export type { ServerFolders, ServerSuite } from './servers.ts';
export { memoryTrail } from './trail.ts';
