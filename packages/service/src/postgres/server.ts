/** How to reach a Postgres server: TLS with a checked name, a password that is read when it is needed. */
import { checkServerIdentity } from 'node:tls';
import type { Secret } from '@sallyport/crypto';
import type { PoolConfig } from 'pg';

export interface PostgresServer {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  /** A function is asked for each new connection, so that a rotated password needs no restart. */
  readonly password: Secret | (() => Promise<Secret>);
  /**
   * TLS 1.3; the certificate must name `host`. `caPem`: the authorities to believe, default those of the system.
   * `unsafe-plaintext` sends everything but the password in clear; a server that wants the password itself gets none.
   */
  readonly tls: { readonly caPem?: string | undefined } | 'unsafe-plaintext';
}

/** What Postgres itself limits of a session; 0 for none. */
export interface SessionLimits {
  readonly statementTimeoutMs: number;
  readonly lockTimeoutMs: number;
  readonly idleInTransactionTimeoutMs: number;
}

export interface ConnectionOptions extends PostgresServer {
  readonly applicationName: string;
  readonly connectTimeoutMs: number;
  readonly limits: SessionLimits;
  /** Of the session; a plain identifier. */
  readonly schema?: string | undefined;
}

/** For `pg`. The driver keeps the password as a string, which nobody can wipe: it lives as long as the connection. */
export function connectionConfig(options: ConnectionOptions): PoolConfig {
  const { host, port, database, user, password, tls, limits, schema } = options;
  return {
    host,
    port,
    database,
    user,
    password: async () => {
      const secret = typeof password === 'function' ? await password() : password;
      return secret.use((bytes) => new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    },
    ssl: tls === 'unsafe-plaintext' ? false : tlsOptions(host, tls.caPem),
    // SCRAM-SHA-256-PLUS: the server proves that it ends this very TLS connection (RFC 5929 section 4).
    enableChannelBinding: tls !== 'unsafe-plaintext',
    application_name: options.applicationName,
    connectionTimeoutMillis: options.connectTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    statement_timeout: limits.statementTimeoutMs,
    lock_timeout: limits.lockTimeoutMs,
    idle_in_transaction_session_timeout: limits.idleInTransactionTimeoutMs,
    options: [...(schema === undefined ? [] : [`-c search_path=${schema}`]), '-c TimeZone=UTC'].join(' '),
  };
}

function tlsOptions(host: string, caPem: string | undefined): NonNullable<PoolConfig['ssl']> {
  return {
    ...(caPem === undefined ? {} : { ca: caPem }),
    minVersion: 'TLSv1.3',
    rejectUnauthorized: true,
    // The name that was asked for, whatever the driver hands on; it does not for every kind of address.
    checkServerIdentity: (_, certificate) => checkServerIdentity(host, certificate),
  };
}
