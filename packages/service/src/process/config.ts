/** The parts of a configuration that every service's process has: backends, log, telemetry and probes. */
import {
  boolean,
  checked,
  integer,
  list,
  object,
  oneOf,
  optional,
  path,
  port,
  secretFile,
  string,
  type Complaint,
  type Infer,
} from '../config/index.ts';
import { systemClock, type Clock } from '../clock/index.ts';
import type { ServiceName } from '../identity/index.ts';
import { complain, passwordProblems, rootProblems } from './files.ts';
import { identityConfig, type IdentityConfig } from './identity-config.ts';
import type { LogLevel } from '../log/index.ts';
import { telemetryConfig, type TelemetryConfig } from '../telemetry/index.ts';

const HOST_PORT =
  /(?:\[[0-9a-f:.]+\]|[a-z0-9._-]+):(?:[1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d{2}|655[0-2]\d|6553[0-5])/u
    .source;
/** `host:port`, or several with commas between: replicas of one service, the first that answers is used. */
export const ADDRESS = new RegExp(`^${HOST_PORT}(?:,${HOST_PORT})*$`, 'iu');
/** Of one server. */
const SERVER = new RegExp(`^${HOST_PORT}$`, 'iu');

/** A setting of where another service listens. */
export const serviceAddress = (service: ServiceName) =>
  string({
    pattern: ADDRESS,
    hint: `Write where ${service} listens: host:port, several with commas between.`,
  });

const natsFields = object({
  servers: list(string({ pattern: SERVER, hint: 'Write host:port.' }), { minItems: 1, maxItems: 16 }),
  user: string({ env: 'SALLYPORT_NATS_USER', maxLength: 64 }),
  passwordFile: secretFile({ env: 'SALLYPORT_NATS_PASSWORD_FILE' }),
  /** PEM of the authorities that the servers' certificates end in. */
  caFile: optional(path({ env: 'SALLYPORT_NATS_CA_FILE' })),
});
export type NatsConfig = Infer<typeof natsFields>;

const databaseFields = object({
  host: string({ env: 'SALLYPORT_DATABASE_HOST', maxLength: 255 }),
  port: port({ env: 'SALLYPORT_DATABASE_PORT', default: 5432 }),
  database: string({ env: 'SALLYPORT_DATABASE_NAME', maxLength: 63, default: 'sallyport' }),
  user: string({ env: 'SALLYPORT_DATABASE_USER', maxLength: 63 }),
  passwordFile: secretFile({ env: 'SALLYPORT_DATABASE_PASSWORD_FILE' }),
  caFile: optional(path({ env: 'SALLYPORT_DATABASE_CA_FILE' })),
  maxConnections: integer({ env: 'SALLYPORT_DATABASE_MAX_CONNECTIONS', min: 1, max: 200, default: 8 }),
});
export type DatabaseConfig = Infer<typeof databaseFields>;

type Backend = { readonly passwordFile: string; readonly caFile?: string | undefined };

/** What is wrong with a backend's files. */
export function backendProblems(backend: Backend, nowMs: number): readonly Complaint[] {
  return [
    ...passwordProblems('passwordFile', backend.passwordFile),
    ...(backend.caFile === undefined ? [] : rootProblems('caFile', backend.caFile, nowMs)),
  ];
}

const clocked = (clock: Pick<Clock, 'now'>) => (backend: Backend) => backendProblems(backend, clock.now());

const redisFields = object({
  kind: oneOf(['standalone', 'sentinel', 'cluster']),
  /** The server; or the sentinels; or any of the cluster's nodes: host:port each. */
  nodes: list(string({ pattern: SERVER, hint: 'Write host:port.' }), { minItems: 1, maxItems: 64 }),
  /** Of the master, as the sentinels know it. */
  name: optional(string({ maxLength: 64 })),
  username: string({ env: 'SALLYPORT_REDIS_USERNAME', maxLength: 64 }),
  passwordFile: secretFile({ env: 'SALLYPORT_REDIS_PASSWORD_FILE' }),
  caFile: optional(path({ env: 'SALLYPORT_REDIS_CA_FILE' })),
});
export type RedisConfig = Infer<typeof redisFields>;

/** The replay guard's Redis. */
export const redisConfig = (clock: Pick<Clock, 'now'> = systemClock()) =>
  checked(redisFields, (redis) => [
    ...backendProblems(redis, clock.now()),
    ...(redis.kind === 'standalone' && redis.nodes.length > 1
      ? [complain('nodes', 'names several nodes, and kind is standalone', 'Name one, or another kind.')]
      : []),
    ...(redis.kind === 'sentinel' && redis.name === undefined
      ? [complain('name', 'is missing', 'Write the name that the sentinels have for the master.')]
      : []),
  ]);

/** `host:port` in its parts; IPv6 without its brackets. */
export function serverOf(address: string): { readonly host: string; readonly port: number } {
  const at = address.lastIndexOf(':');
  return { host: address.slice(0, at).replace(/^\[(.*)\]$/u, '$1'), port: Number(address.slice(at + 1)) };
}

/** A service's own database: credentials and whom to believe. */
export const databaseConfig = (clock: Pick<Clock, 'now'> = systemClock()) =>
  checked(databaseFields, clocked(clock));

/** What `runService` needs of a configuration. */
export type ProcessConfig = {
  readonly identity: IdentityConfig;
  readonly nats: NatsConfig;
  readonly allowInsecureBackends: boolean;
  readonly log: { readonly level: LogLevel };
  readonly telemetry: TelemetryConfig;
};

/** PEM authorities in a file, e.g. those that clients' chains must end in. */
export const trustRootsFile = (clock: Pick<Clock, 'now'> = systemClock()) =>
  checked(path(), (file) => rootProblems('', file, clock.now()));

/** The fields of every service's configuration. */
export function processFields(service: ServiceName, clock: Pick<Clock, 'now'> = systemClock()) {
  return {
    identity: identityConfig(service, clock),
    nats: checked(natsFields, clocked(clock)),
    /** Backends without TLS: for a machine of one's own, never across a network. Logged at each start. */
    allowInsecureBackends: boolean({ env: 'SALLYPORT_ALLOW_INSECURE_BACKENDS', default: false }),
    log: object({
      level: oneOf(['trace', 'debug', 'info', 'warn', 'error', 'silent'], {
        env: 'SALLYPORT_LOG_LEVEL',
        default: 'info',
      }),
    }),
    telemetry: telemetryConfig,
  };
}

/** Where `/healthz`, `/readyz` and `/metrics` are; the gateway has them on its HTTPS port. */
export const probesConfig = object({
  host: string({ env: 'SALLYPORT_PROBES_HOST', default: '127.0.0.1' }),
  port: port({
    env: 'SALLYPORT_PROBES_PORT',
    allowZero: true,
    hint: 'Give the port for /healthz, /readyz and /metrics.',
  }),
});

/** A service's whole configuration: refuses a backend in plaintext that was not asked for. */
export function serviceConfig<const F extends Parameters<typeof object>[0]>(fields: F) {
  return checked(object(fields), (value) => plaintextProblems(value as Readonly<Record<string, unknown>>));
}

const BACKENDS = ['nats', 'database', 'redis'] as const;

/** The backends that are reached without TLS. */
export function plaintextBackends(config: object): readonly string[] {
  const sections = config as Readonly<Record<string, { readonly caFile?: string } | undefined>>;
  return BACKENDS.filter((name) => sections[name] !== undefined && sections[name].caFile === undefined);
}

function plaintextProblems(config: Readonly<Record<string, unknown>>): readonly Complaint[] {
  if (config['allowInsecureBackends'] === true) return [];
  return plaintextBackends(config).map((name) =>
    complain(
      `${name}.caFile`,
      'is missing, and without it the connection is plaintext',
      'Give the authority of its certificate; allowInsecureBackends: true is for a machine of your own.',
    ),
  );
}
