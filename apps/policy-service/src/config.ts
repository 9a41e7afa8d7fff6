/** What policy-service is told. */
import { list, object, oneOf, path, port, string } from '@sallyport/service/config';
import {
  databaseConfig,
  probesConfig,
  processFields,
  serviceAddress,
  serviceConfig,
} from '@sallyport/service/process';

const binding = object({
  principal: string({ pattern: /^(?:user|workload|device):[a-z0-9._-]{1,64}$/, hint: 'Write user:<id>.' }),
  role: string({ pattern: /^[a-z][a-z0-9-]*$/, hint: 'Name a built-in role.' }),
});

const fields = {
  /** Address to listen on. */
  host: string({ env: 'SALLYPORT_HOST', default: '127.0.0.1' }),
  port: port({ env: 'SALLYPORT_PORT', allowZero: true }),
  /** Where audit events wait until audit-service has them. Of this service alone. */
  spoolDirectory: path(),
  /** key-service, as host:port; its name is proved by its certificate. */
  keyAddress: serviceAddress('key-service'),
  /** Who holds which built-in role on an empty database. Ignored for ever after. */
  builtIn: list(binding, { maxItems: 100 }),
  /** What becomes of tools behind the Model Context Protocol door that nobody decided about. */
  toolPinning: oneOf(['first-use', 'approve'], { default: 'first-use' }),
};

/** What policy-service reads from the deployment's file. Nothing that security depends on has a default. */
export const policyServiceConfig = object(fields);

/** The file of a policy-service process: the same keys, and those of every process. */
export const policyServiceProcessConfig = serviceConfig({
  ...processFields('policy-service'),
  database: databaseConfig(),
  probes: probesConfig,
  ...fields,
});

/** What `composePolicyService` takes; made from the file by `policyServiceConfig`, or by `sallyport up`. */
export type PolicyServiceConfig = {
  readonly host: string;
  /** 0 = a free one. */
  readonly port: number;
  readonly spoolDirectory: string;
  readonly keyAddress: string;
  readonly builtIn?: readonly { readonly principal: string; readonly role: string }[];
  /** `first-use` when absent. */
  readonly toolPinning?: 'first-use' | 'approve';
};
