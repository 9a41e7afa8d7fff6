/** How the processes reach Redis, NATS and Postgres: the sections of their configuration files. */
import type { ServiceName } from '@sallyport/service/identity';

type Credentials = { readonly passwordFile: string; readonly caFile?: string | undefined };

export type RedisSection = Credentials & {
  readonly kind: 'standalone' | 'sentinel' | 'cluster';
  readonly nodes: readonly string[];
  readonly name?: string | undefined;
  readonly username: string;
};

export type NatsSection = Credentials & { readonly servers: readonly string[]; readonly user: string };

export type DatabaseSection = Credentials & {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly maxConnections: number;
};

/** Every service but the gateway, which keeps nothing of its own. */
export const DATABASE_SERVICES = ['auth-service', 'key-service', 'policy-service', 'audit-service'] as const;
export type DatabaseService = (typeof DATABASE_SERVICES)[number];

export type Backends = {
  readonly redis: RedisSection;
  readonly nats: Readonly<Record<ServiceName, NatsSection>>;
  readonly database: Readonly<Record<DatabaseService, DatabaseSection>>;
  /** One that was given has no TLS. */
  readonly allowInsecureBackends: boolean;
};
