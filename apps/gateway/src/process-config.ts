/** The file of a gateway process, and what `composeGateway` is given of it. */
import { readFileSync } from 'node:fs';
import {
  boolean,
  bytes,
  checked,
  integer,
  list,
  object,
  optional,
  path,
  port,
  record,
  secretFile,
  string,
  type Infer,
} from '@sallyport/service/config';
import { identityFromPem, type Identity } from '@sallyport/service/identity';
import {
  identityProblems,
  processFields,
  readPassword,
  redisConfig,
  serverOf,
  serviceAddress,
  serviceConfig,
} from '@sallyport/service/process';
import { policyMaxAge, revocationsDeadAfter, spoolMaxBytes } from './bounds.ts';
import type { GatewayConfig } from './config.ts';
import { DOOR_BODY_BYTES, DOOR_CONCURRENT, doorProblems, type DoorConfig } from './door/config.ts';
import { serverConfigOf, serversSchema } from './door/upstream/schema.ts';
import type { RedisTarget } from './guard/redis-target.ts';
import { DESTINATION } from './routes/config.ts';
import { routeConfigOf, routeSchema } from './routes/schema.ts';

/** By destination. */
const routes = record(routeSchema, { keyPattern: DESTINATION });

/** The Model Context Protocol door, on the HTTPS port. Absent: there is none. */
const written = object({
  publicOrigin: optional(string({ env: 'SALLYPORT_PUBLIC_ORIGIN', maxLength: 512 })),
  issuer: optional(string({ maxLength: 512 })),
  allowedOrigins: list(string({ maxLength: 512 })),
  allowBearerTokens: boolean({ default: false }),
  authHttpAddress: optional(serviceAddress('auth-service')),
  maxBody: optional(bytes({ min: DOOR_BODY_BYTES.min, max: DOOR_BODY_BYTES.max })),
  maxConcurrent: optional(integer({ min: DOOR_CONCURRENT.min, max: DOOR_CONCURRENT.max })),
  /** Folders of the servers that run here, one for each principal. Default: beside the last good policy bundle. */
  workDirectory: optional(path()),
  servers: serversSchema,
});

/** What the servers complain of, their own schema says. */
const modelContext = checked(written, (door) =>
  doorProblems({ ...doorOf(door), servers: {} }).map((problem) => {
    const [, key = '', what = ''] = /^door\.([a-zA-Z]+)\S* (.*)$/u.exec(problem) ?? [];
    return {
      key: [key === 'maxBodyBytes' ? 'maxBody' : key],
      what,
      hint: 'See "The HTTPS face" in the README of the gateway.',
    };
  }),
);

const fields = {
  /** Of the secure channel. */
  host: string({ env: 'SALLYPORT_HOST', default: '127.0.0.1' }),
  /**
   * Of health and metrics, which authenticate nobody and name backends and routes: for operators, so not where clients come
   * in unless that is said.
   */
  httpsHost: string({ env: 'SALLYPORT_HTTPS_HOST', default: '127.0.0.1' }),
  httpsPort: port({ env: 'SALLYPORT_HTTPS_PORT', allowZero: true }),
  /** The secure channel. */
  channelPort: port({ env: 'SALLYPORT_CHANNEL_PORT', allowZero: true }),
  /** Where audit events wait until audit-service has them. Of this replica alone. */
  spoolDirectory: path(),
  spoolMaxBytes,
  /** Holds the last good policy bundle. Of this replica alone. */
  bundleDirectory: path(),
  authAddress: serviceAddress('auth-service'),
  keyAddress: serviceAddress('key-service'),
  policyAddress: serviceAddress('policy-service'),
  policy: object({ maxAge: policyMaxAge }),
  revocations: object({ deadAfter: revocationsDeadAfter }),
  routes,
  modelContext: optional(modelContext),
};

/** What the gateway shows in the channel's handshake: an Ed25519 certificate of its own name. */
const channelIdentity = object({ certFile: path(), keyFile: secretFile() });

export const gatewayProcessConfig = checked(
  serviceConfig({ ...processFields('gateway'), redis: redisConfig(), channelIdentity, ...fields }),
  ({ channelIdentity: files, identity }) => [
    ...identityProblems({ ...identity, ...files }, 'gateway', Date.now())
      .filter(({ key: [key] }) => key === 'certFile' || key === 'keyFile')
      .map((complaint) => ({ ...complaint, key: ['channelIdentity', ...complaint.key] })),
  ],
);
export type GatewayProcessConfig = Infer<typeof gatewayProcessConfig>;

/** What `composeGateway` takes. */
export function gatewayConfig(config: GatewayProcessConfig): GatewayConfig {
  const { host, httpsPort, channelPort, spoolDirectory, bundleDirectory } = config;
  const { authAddress, keyAddress, policyAddress } = config;
  return {
    ...{ host, httpsPort, channelPort, spoolDirectory, bundleDirectory },
    ...(config.spoolMaxBytes === undefined ? {} : { spoolMaxBytes: config.spoolMaxBytes }),
    ...{ authAddress, keyAddress, policyAddress },
    policy: { maxAgeMs: config.policy.maxAge },
    revocations: { deadAfterMs: config.revocations.deadAfter },
    routes: Object.fromEntries(
      Object.entries(config.routes).map(([name, route]) => [name, routeConfigOf(route)]),
    ),
    ...(config.modelContext === undefined ? {} : { door: doorOf(config.modelContext) }),
  };
}

function doorOf(door: Infer<typeof written>): DoorConfig {
  const { publicOrigin, issuer, authHttpAddress, maxBody, maxConcurrent, workDirectory } = door;
  return {
    allowedOrigins: door.allowedOrigins,
    allowBearerTokens: door.allowBearerTokens,
    ...(publicOrigin === undefined ? {} : { publicOrigin }),
    ...(issuer === undefined ? {} : { issuer }),
    ...(authHttpAddress === undefined ? {} : { authHttpAddress }),
    ...(maxBody === undefined ? {} : { maxBodyBytes: maxBody }),
    ...(maxConcurrent === undefined ? {} : { maxConcurrent }),
    ...(workDirectory === undefined ? {} : { workDirectory }),
    servers: Object.fromEntries(
      Object.entries(door.servers).map(([route, server]) => [route, serverConfigOf(server)]),
    ),
  };
}

/** Reads the files anew. Throws `TypeError`. */
export function channelIdentityOf({ channelIdentity: files }: GatewayProcessConfig): Identity {
  return identityFromPem({
    certPem: readFileSync(files.certFile, 'utf8'),
    keyPem: readFileSync(files.keyFile, 'utf8'),
  });
}

/** Reads the files anew. Throws `TypeError`. */
export function redisTargetOf({ redis }: GatewayProcessConfig): RedisTarget {
  const { kind, name, username } = redis;
  return {
    kind,
    nodes: redis.nodes.map(serverOf),
    ...(name === undefined ? {} : { name }),
    username,
    password: readPassword(redis.passwordFile),
    ...(redis.caFile === undefined ? {} : { caPem: readFileSync(redis.caFile, 'utf8') }),
  };
}
