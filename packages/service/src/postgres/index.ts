/** Postgres as a server: a service's own connections to it, and what is made there before services start. */
export { openPostgres } from './postgres.ts';
export type { PostgresOptions } from './postgres.ts';
export { provisionPostgres } from './provision.ts';
export type { ProvisionReport, ServiceRole } from './provision.ts';
export type { PostgresServer } from './server.ts';
