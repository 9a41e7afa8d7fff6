/** The configuration of a deployment on one machine, either profile: `sallyport.yaml`. Everything has a default; unknown keys are errors. */
import {
  boolean,
  integer,
  list,
  object,
  oneOf,
  optional,
  path,
  port,
  record,
  secretFile,
  string,
  type Infer,
} from '@sallyport/service/config';
import { certificatesConfig } from '@sallyport/auth-service/certificates';
import { policyMaxAge, revocationsDeadAfter, spoolMaxBytes } from '@sallyport/gateway/bounds';
import { routeConfigOf, routeSchema } from '@sallyport/gateway/routes';
import { REDIS_ACL } from '@sallyport/gateway/redis';
import { redisConfig } from '@sallyport/service/process';
import { telemetryConfig } from '@sallyport/service/telemetry';
import { MAX_REPLICAS } from './cluster/replicas.ts';
import { modelContextConfig } from './model-context.ts';

const count = optional(integer({ min: 1, max: MAX_REPLICAS }));
const natsUser = object({ user: string({ maxLength: 64 }), passwordFile: secretFile() });

/** The cluster profile. Servers that are not given are started on this machine. */
const cluster = object({
  /** Processes of each service; default 1. */
  replicas: object({
    gateway: count,
    'auth-service': count,
    'key-service': count,
    'policy-service': count,
    'audit-service': count,
  }),
  redis: optional(redisConfig()),
  nats: optional(
    object({
      servers: list(string({ pattern: /^(?:\[[0-9a-f:]+\]|[^\s:,/]+):\d{1,5}$/iu }), { minItems: 1 }),
      caFile: optional(path()),
      /** One per service, with the permissions that docs/operations.md lists. */
      users: object({
        gateway: natsUser,
        'auth-service': natsUser,
        'key-service': natsUser,
        'policy-service': natsUser,
        'audit-service': natsUser,
      }),
    }),
  ),
  /** Schemas, roles and their passwords are made with this user. */
  postgres: optional(
    object({
      host: string({ maxLength: 255 }),
      port: port({ default: 5432 }),
      database: string({ default: 'sallyport', maxLength: 63 }),
      /** Any that exists: where the administrator connects. */
      adminDatabase: string({ default: 'postgres', maxLength: 63 }),
      adminUser: string({ maxLength: 63 }),
      adminPasswordFile: secretFile(),
      caFile: optional(path()),
    }),
  ),
  /** The servers that are given may be reached without TLS. */
  allowInsecureBackends: boolean({ default: false }),
});

export const embeddedConfig = object({
  log: object({
    level: oneOf(['trace', 'debug', 'info', 'warn', 'error', 'silent'], { default: 'warn' }),
  }),
  telemetry: telemetryConfig,
  policy: object({ maxAge: policyMaxAge }),
  revocations: object({ deadAfter: revocationsDeadAfter }),
  /** Of each gateway. */
  spool: object({ maxBytes: spoolMaxBytes }),
  cluster,
  modelContext: modelContextConfig,
  /** Whose certificates open sessions at the first door, beside those of this deployment's own authority. */
  certificates: optional(certificatesConfig),
  /** Destinations beside the built-in `echo`. */
  routes: record(routeSchema, { keyPattern: /^(?!echo$)[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/ }),
});

export type EmbeddedConfig = Infer<typeof embeddedConfig>;
export type { WrittenRoute } from '@sallyport/gateway/routes';

/** The configured destinations, as the gateway takes them. */
export function routesOf(config: EmbeddedConfig): Record<string, ReturnType<typeof routeConfigOf>> {
  return Object.fromEntries(
    Object.entries(config.routes).map(([name, route]) => [name, routeConfigOf(route)]),
  );
}

/** What the gateway's user in Redis may do, as one line of rules. */
export const GUARD_ACL = REDIS_ACL.join(' ');
