/** The file of a gateway process, and what `composeGateway` is given of it. */
import { readFileSync } from 'node:fs';
import {
  bytes,
  checked,
  duration,
  object,
  path,
  port,
  record,
  secretFile,
  string,
  url,
  variants,
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
import type { GatewayConfig, RouteConfig } from './config.ts';
import type { RedisTarget } from './guard/redis-target.ts';

const SECOND_MS = 1_000;

/** By destination: printable ASCII without blanks, at most 255 characters (docs/protocol.md section 7.1). */
const routes = record(
  variants(
    {
      http: object({
        /** Requests are POSTed here. */
        url: url({ protocols: ['http', 'https'] }),
        timeout: duration({ default: 10 * SECOND_MS, min: 1, max: 300 * SECOND_MS }),
        maxResponse: bytes({ default: 64 * 1024, min: 1, max: 1024 * 1024 }),
      }),
      /** Answers with what it was sent: to try things out. */
      echo: object({}),
    },
    'http',
  ),
  { keyPattern: /^[\x21-\x7e]{1,255}$/u },
);

const fields = {
  host: string({ env: 'SALLYPORT_HOST', default: '127.0.0.1' }),
  /** Health and metrics. */
  httpsPort: port({ env: 'SALLYPORT_HTTPS_PORT', allowZero: true }),
  /** The secure channel. */
  channelPort: port({ env: 'SALLYPORT_CHANNEL_PORT', allowZero: true }),
  /** Where audit events wait until audit-service has them. Of this replica alone. */
  spoolDirectory: path(),
  /** Holds the last good policy bundle. Of this replica alone. */
  bundleDirectory: path(),
  authAddress: serviceAddress('auth-service'),
  keyAddress: serviceAddress('key-service'),
  policyAddress: serviceAddress('policy-service'),
  routes,
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
    ...{ authAddress, keyAddress, policyAddress },
    routes: Object.fromEntries(
      Object.entries(config.routes).map(([name, route]): [string, RouteConfig] => [
        name,
        route.kind === 'echo'
          ? route
          : { kind: 'http', url: route.url, timeoutMs: route.timeout, maxResponseBytes: route.maxResponse },
      ]),
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
