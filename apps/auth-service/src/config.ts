/** What auth-service is told. Every key but the listener's and the lifetime has to be given: none has a safe guess. */
import { duration, object, path, port, string, type Infer } from '@sallyport/service/config';
import { MAX_SESSION_LIFETIME_MS } from './domain/limits.ts';

const MINUTE_MS = 60_000;
const ADDRESS = /^[^\s:]+:\d{1,5}$/u;

export const authServiceConfig = object({
  host: string({ default: '127.0.0.1' }),
  port: port({ allowZero: true }),
  spoolDirectory: path(),
  /** As `host:port`. */
  keyAddress: string({ pattern: ADDRESS }),
  /** Where people's calls are decided, as `host:port`. */
  policyAddress: string({ pattern: ADDRESS }),
  /** PEM of the certificate authorities that clients' and gateways' chains must end in. */
  anchorsPem: string({ pattern: /-----BEGIN CERTIFICATE-----/u }),
  /** The one trust domain whose names are accepted. */
  trustDomain: string({ pattern: /^[a-z0-9._-]{1,128}$/u }),
  /** How long a session may live, however long its credential is good. */
  sessionLifetimeMs: duration({ default: 12 * 60 * MINUTE_MS, min: MINUTE_MS, max: MAX_SESSION_LIFETIME_MS }),
});

export type AuthServiceConfig = Infer<typeof authServiceConfig>;
