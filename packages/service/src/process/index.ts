export {
  ADDRESS,
  databaseConfig,
  plaintextBackends,
  probesConfig,
  processFields,
  redisConfig,
  serviceAddress,
  serverOf,
  serviceConfig,
  trustRootsFile,
} from './config.ts';
export type { DatabaseConfig, NatsConfig, ProcessConfig, RedisConfig } from './config.ts';
export { backendProblems } from './config.ts';
export { readPassword, secretIn } from './files.ts';
export { identityConfig, identityProblems, readServiceIdentity } from './identity-config.ts';
export type { IdentityConfig } from './identity-config.ts';
export type { HostProcess, ProcessReport } from './host.ts';
export { isPageOrigin, isPublicOrigin, pageOriginField, publicOriginField } from './origins.ts';
export { startProbes } from './probes.ts';
export type { Mount, Probes, ProbesOptions } from './probes.ts';
export { EXIT, runService } from './run-service.ts';
export type { ServiceDefinition, ServiceParts } from './run-service.ts';
