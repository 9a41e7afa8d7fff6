/** What key-service is told. Every key but the listener's has to be given: none has a safe guess. */
import { duration, object, path, port, string, type Infer } from '@sallyport/service/config';

const MINUTE_MS = 60_000;

export const keyServiceConfig = object({
  host: string({ default: '127.0.0.1' }),
  port: port({ allowZero: true }),
  /** 32 bytes, mode 0600; made on first start, when the database is empty too. */
  rootKeyFile: path(),
  spoolDirectory: path(),
  /** Where people's calls are decided, as `host:port`. */
  policyAddress: string({ pattern: /^[^\s:]+:\d{1,5}$/u }),
  /** How long a gateway may rely on a session key without asking again (DESIGN.md section 12). */
  leaseMs: duration({ default: 60 * MINUTE_MS, min: MINUTE_MS, max: 24 * 60 * MINUTE_MS }),
});

export type KeyServiceConfig = Infer<typeof keyServiceConfig>;
