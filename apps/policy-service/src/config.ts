import { list, object, path, port, string } from '@sallyport/service/config';

const binding = object({
  principal: string({ pattern: /^(?:user|workload|device):[a-z0-9._-]{1,64}$/, hint: 'Write user:<id>.' }),
  role: string({ pattern: /^[a-z][a-z0-9-]*$/, hint: 'Name a built-in role.' }),
});

/** What policy-service reads from the deployment's file. Nothing that security depends on has a default. */
export const policyServiceConfig = object({
  /** Address to listen on. */
  host: string({ default: '127.0.0.1' }),
  port: port({ allowZero: true }),
  /** Where audit events wait until audit-service has them. Of this service alone. */
  spoolDirectory: path(),
  /** key-service, as host:port; its name is proved by its certificate. */
  keyAddress: string({ pattern: /^[^\s/]+:\d{1,5}$/, hint: 'Write host:port.' }),
  /** Who holds which built-in role on an empty database. Ignored for ever after. */
  builtIn: list(binding, { maxItems: 100 }),
});

/** What `composePolicyService` takes; made from the file by `policyServiceConfig`, or by `sallyport up`. */
export type PolicyServiceConfig = {
  readonly host: string;
  /** 0 = a free one. */
  readonly port: number;
  readonly spoolDirectory: string;
  readonly keyAddress: string;
  readonly builtIn?: readonly { readonly principal: string; readonly role: string }[];
};
