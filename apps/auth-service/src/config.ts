/** What auth-service is told. Every key but the listener's and the lifetime has to be given: none has a safe guess. */
import { duration, object, optional, path, port, string, type Infer } from '@sallyport/service/config';
import {
  databaseConfig,
  probesConfig,
  processFields,
  serviceAddress,
  serviceConfig,
  trustRootsFile,
} from '@sallyport/service/process';
import { MAX_SESSION_LIFETIME_MS } from './domain/limits.ts';

const MINUTE_MS = 60_000;
/** RFC 6454 section 6.2, of https. */
const ORIGIN = /^https:\/\/[a-z0-9.-]+(?::[0-9]{1,5})?$|^https:\/\/\[[0-9a-f:]+\](?::[0-9]{1,5})?$/u;

const fields = {
  host: string({ env: 'SALLYPORT_HOST', default: '127.0.0.1' }),
  port: port({ env: 'SALLYPORT_PORT', allowZero: true }),
  spoolDirectory: path(),
  /** As `host:port`. */
  keyAddress: serviceAddress('key-service'),
  /** Where people's calls are decided, as `host:port`. */
  policyAddress: serviceAddress('policy-service'),
  /** The one trust domain whose names are accepted. */
  trustDomain: string({ pattern: /^[a-z0-9._-]{1,128}$/u }),
  /**
   * Where people and programs reach this deployment, `https://host[:port]`: issuer of access tokens, and origin of the
   * resources that they are for. Absent: no tokens.
   */
  publicOrigin: optional(string({ env: 'SALLYPORT_PUBLIC_ORIGIN', pattern: ORIGIN })),
  /** How long a session may live, however long its credential is good. */
  sessionLifetimeMs: duration({ default: 12 * 60 * MINUTE_MS, min: MINUTE_MS, max: MAX_SESSION_LIFETIME_MS }),
};

/** What `composeAuthService` takes. */
export const authServiceConfig = object({
  ...fields,
  /** PEM of the certificate authorities that clients' and gateways' chains must end in. */
  anchorsPem: string({ pattern: /-----BEGIN CERTIFICATE-----/u }),
});
export type AuthServiceConfig = Omit<Infer<typeof authServiceConfig>, 'publicOrigin'> & {
  readonly publicOrigin?: string | undefined;
};

/** The file of an auth-service process: the same keys, the anchors in a file of their own, and those of every process. */
export const authServiceProcessConfig = serviceConfig({
  ...processFields('auth-service'),
  database: databaseConfig(),
  probes: probesConfig,
  ...fields,
  anchorsFile: trustRootsFile(),
});
