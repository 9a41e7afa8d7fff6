/** What key-service is told. Every key but the listener's has to be given: none has a safe guess. */
import { duration, object, path, port, string, type Infer } from '@sallyport/service/config';
import {
  databaseConfig,
  probesConfig,
  processFields,
  serviceAddress,
  serviceConfig,
} from '@sallyport/service/process';

const MINUTE_MS = 60_000;

const fields = {
  host: string({ env: 'SALLYPORT_HOST', default: '127.0.0.1' }),
  port: port({ env: 'SALLYPORT_PORT', allowZero: true }),
  /** 32 bytes, mode 0600; made on first start, when the database is empty too. */
  rootKeyFile: path(),
  spoolDirectory: path(),
  /** Where people's calls are decided, as `host:port`. */
  policyAddress: serviceAddress('policy-service'),
  /** How long a gateway may rely on a session key without asking again (DESIGN.md section 12). */
  leaseMs: duration({ default: 60 * MINUTE_MS, min: MINUTE_MS, max: 24 * 60 * MINUTE_MS }),
};

/** What `composeKeyService` takes. */
export const keyServiceConfig = object(fields);
export type KeyServiceConfig = Infer<typeof keyServiceConfig>;

/** The file of a key-service process: the same keys, and those of every process. */
export const keyServiceProcessConfig = serviceConfig({
  ...processFields('key-service'),
  database: databaseConfig(),
  probes: probesConfig,
  ...fields,
});
