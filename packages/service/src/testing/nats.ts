/** A real nats-server with a user for each service, and what opens buses on it. Stopped and removed when disposed. */
import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { SERVICE_NAMES } from '../identity/index.ts';
import { serverTls, startNats, type LocalServer } from '../local-servers/index.ts';
import { natsPermissions, type NatsOptions, type NatsPermissions } from '../nats/index.ts';
import { memoryLog, type MemoryLog } from './log.ts';

export interface NatsRig extends AsyncDisposable {
  readonly server: LocalServer;
  readonly folder: string;
  readonly log: MemoryLog;
  /** For `openNatsBus`: `tester` may do anything; a service's name gets its own user and rights. */
  options(name: string, overrides?: Partial<NatsOptions>): NatsOptions;
  passwordOf(name: string): string;
  /** A plain connection as that user. */
  raw(name: string): Promise<NatsConnection>;
  /** Forgets every stream. */
  removeStreams(): Promise<void>;
  remove(what: 'stream' | 'consumer', stream: string, consumer: string): Promise<void>;
}

export const TESTER = 'tester';

export async function startNatsRig(
  settings: {
    readonly maxFileBytes?: number;
    readonly users?: Readonly<Record<string, NatsPermissions>>;
  } = {},
): Promise<NatsRig> {
  const folder = await mkdtemp(join(tmpdir(), 'nats-'));
  await chmod(folder, 0o700);
  const permissions: Record<string, NatsPermissions> = {
    [TESTER]: { publish: ['>'], subscribe: ['>'] },
    ...Object.fromEntries(SERVICE_NAMES.map((name) => [name, natsPermissions(name)])),
    ...settings.users,
  };
  const users = Object.entries(permissions).map(([name, { publish, subscribe }]) => ({
    name,
    password: randomBytes(18).toString('base64url'),
    publish,
    subscribe,
  }));
  const passwordFile = (name: string): string => join(folder, `${name}.password`);
  for (const { name, password } of users)
    await writeFile(passwordFile(name), `${password}\n`, { mode: 0o600 });
  const tls = await serverTls(join(folder, 'tls'));
  const server = await startNats({
    folder: join(folder, 'server'),
    tls,
    users,
    jetStream: { maxFileBytes: settings.maxFileBytes ?? 1024 * 1024 * 1024 },
  });
  const log = memoryLog();
  const passwordOf = (name: string): string => users.find((user) => user.name === name)?.password ?? '';
  const raw = (name: string): Promise<NatsConnection> =>
    connect({
      servers: [`${server.host}:${server.port}`],
      user: name,
      pass: passwordOf(name),
      inboxPrefix: `_INBOX_${name}`,
      tls: { ca: tls.caPem },
      reconnect: false,
      timeout: 3000,
    });
  return {
    server,
    folder,
    log,
    passwordOf,
    raw,
    options: (name, overrides = {}) => ({
      name,
      servers: [`${server.host}:${server.port}`],
      user: name,
      passwordFile: passwordFile(name),
      caFile: tls.caFile,
      log,
      ...overrides,
    }),
    async removeStreams() {
      const connection = await raw(TESTER);
      const manager = await jetstreamManager(connection);
      for await (const name of manager.streams.names()) await manager.streams.delete(name);
      await connection.close();
    },
    async remove(what, stream, consumer) {
      const connection = await raw(TESTER);
      const { streams, consumers } = await jetstreamManager(connection);
      await (what === 'stream' ? streams.delete(stream) : consumers.delete(stream, consumer));
      await connection.close();
    },
    async [Symbol.asyncDispose]() {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
