/**
 * Real redis-server, nats-server and postgres on this machine, for `sallyport up --profile cluster` and for tests:
 * loopback only, TLS, credentials, and gone when their parent is.
 */
export { startCutProxy } from './cut-proxy.ts';
export type { CutDirection, CutProxy } from './cut-proxy.ts';
export { LocalServerError } from './error.ts';
export type { LocalServerErrorKind } from './error.ts';
export { findServers } from './find.ts';
export type { FoundServer, FoundServers, ServerKind } from './find.ts';
export { freePort } from './free-port.ts';
export { startNats } from './nats.ts';
export type { NatsOptions, NatsUser } from './nats.ts';
export { isReachableForPostgres } from './postgres-user.ts';
export { startPostgres } from './postgres.ts';
export type { LocalPostgres, LocalPostgresOptions } from './postgres.ts';
export { redisAcl, startRedis } from './redis.ts';
export type { RedisOptions, RedisUser } from './redis.ts';
export { startSentinel } from './sentinel.ts';
export type { SentinelOptions } from './sentinel.ts';
export type { LocalServer, ServerExit } from './supervise.ts';
export { serverTls } from './tls.ts';
export type { ServerTls } from './tls.ts';
