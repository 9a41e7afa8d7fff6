/** What audit-service is told. */
import { integer, object, path, port, string } from '@sallyport/service/config';
import {
  databaseConfig,
  probesConfig,
  processFields,
  serviceAddress,
  serviceConfig,
} from '@sallyport/service/process';

const fields = {
  /** Address to listen on. */
  host: string({ env: 'SALLYPORT_HOST', default: '127.0.0.1' }),
  port: port({ env: 'SALLYPORT_PORT', allowZero: true }),
  /** Where this service's own audit events wait until they are in its log, like everybody's. Of this service alone. */
  spoolDirectory: path(),
  /** key-service, as host:port; its name is proved by its certificate. */
  keyAddress: serviceAddress('key-service'),
  /** policy-service, likewise. */
  policyAddress: serviceAddress('policy-service'),
  /** Tiles and checkpoint, laid out as C2SP tlog-tiles says. Of this service alone. */
  logDirectory: path(),
  /** Name of the log, first line of its checkpoints. It never changes. */
  origin: string({
    // C2SP signed-note: a key name has neither spaces nor plus signs.
    pattern: /^[!-*,-~]{1,200}$/,
    hint: 'Write a name like "example.org/audit": visible characters, no plus sign.',
  }),
  /** At most one checkpoint in this time, and none while nothing is new. Milliseconds. */
  checkpointIntervalMs: integer({ min: 10, max: 60_000, default: 100 }),
};

/** What audit-service reads from the deployment's file. Nothing that security depends on has a default. */
export const auditServiceConfig = object(fields);

/** The file of an audit-service process: the same keys, and those of every process. */
export const auditServiceProcessConfig = serviceConfig({
  ...processFields('audit-service'),
  database: databaseConfig(),
  probes: probesConfig,
  ...fields,
});

/** What `composeAuditService` takes; made from the file by `auditServiceConfig`, or by `sallyport up`. */
export type AuditServiceConfig = {
  readonly host: string;
  /** 0 = a free one. */
  readonly port: number;
  readonly spoolDirectory: string;
  readonly keyAddress: string;
  readonly policyAddress: string;
  readonly logDirectory: string;
  readonly origin: string;
  readonly checkpointIntervalMs: number;
};
