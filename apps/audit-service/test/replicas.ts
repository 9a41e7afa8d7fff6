/** audit-services as processes, on a Postgres and a NATS of their own; every signature is made, and recorded, here. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { toJson } from '@bufbuild/protobuf';
import { toHex } from '@sallyport/crypto';
import { keyv1 } from '@sallyport/proto';
import { startAuditTrail, type AuditTrail } from '@sallyport/service/audit';
import type { Bus } from '@sallyport/service/bus';
import type { Database } from '@sallyport/service/database';
import type { ServiceName } from '@sallyport/service/identity';
import { startCutProxy, startNats, type CutProxy, type LocalServer } from '@sallyport/service/local-servers';
import { natsPermissions, openNatsBus, provisionNats } from '@sallyport/service/nats';
import { memoryLog, serverFolders, testPostgres } from '@sallyport/service/testing';
import { parseCheckpoint, type Checkpoint } from '@sallyport/audit-log';
import { migrations } from '../src/store/migrations.ts';
import type { Schema } from '../src/store/rows.ts';
import { clock } from './fixture.ts';
import type { Answered, Asked, ReplicaSettings } from './replica.ts';
import { fakeKeys, trustDomain, type FakeKeys } from './support.ts';

export type Replica = {
  readonly name: string;
  readonly folder: string;
  readonly logDirectory: string;
  /** What it says of itself: the name it writes the log under. */
  producer(): Promise<string>;
  /** Between it and Postgres. */
  readonly network: CutProxy;
  readonly lines: string[];
  start(): Promise<void>;
  kill(): Promise<void>;
  stop(): Promise<void>;
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void;
};

export type Rig = AsyncDisposable & {
  readonly keys: FakeKeys;
  /** Everything that any replica ever had signed, in the order of the signatures. */
  readonly signed: readonly Checkpoint[];
  /** As audit-service itself sees it, past all proxies. */
  readonly database: Database<Schema>;
  readonly postgres: LocalServer;
  readonly nats: LocalServer;
  replica(name: string): Promise<Replica>;
  bus(service: ServiceName): Promise<Bus>;
  /** `resendAfterMs`: default 500, so that faults are over soon; as deployed it is 5000. */
  producer(service: ServiceName, resendAfterMs?: number): Promise<AuditTrail>;
};

const USERS: readonly ServiceName[] = ['gateway', 'auth-service', 'audit-service'];
const natsPassword = (name: string) => `${name.replaceAll('-', '_')}_for_tests_only`;

export async function startRig(): Promise<Rig> {
  await using building = new AsyncDisposableStack();
  const folders = building.use(await serverFolders());
  const folder = await folders.folder();
  const postgres = building.use(await testPostgres());
  const access = await postgres.optionsFor('audit-service');
  const password = typeof access.password === 'function' ? await access.password() : access.password;
  const databasePassword = password.use((bytes) => Buffer.from(bytes).toString('utf8'));
  const nats = building.use(
    await startNats({
      folder: await folders.folder(),
      tls: folders.tls,
      users: USERS.map((name) => ({ name, password: natsPassword(name), ...natsPermissions(name) })),
      jetStream: { maxFileBytes: 1024 * 1024 * 1024 },
    }),
  );
  const natsOf = async (name: ServiceName) => {
    const passwordFile = join(folder, `${name}.password`);
    await writeFile(passwordFile, natsPassword(name), { mode: 0o600 });
    const servers = [`${nats.host}:${nats.port}`];
    return { name, user: name, servers, passwordFile, caFile: folders.tls.caFile, log: memoryLog() };
  };
  await provisionNats(await natsOf('audit-service'));
  const host = building.use(postgres.host());
  const database = building.use(await host.forService<Schema>('audit-service'));
  await database.migrate(migrations);

  const keys = fakeKeys();
  const signed: Checkpoint[] = [];
  async function answer(asked: Asked): Promise<object> {
    if (asked.kind === 'keys')
      return toJson(keyv1.ListPublicKeysResponseSchema, (await keys.listPublicKeys({})) as never) as object;
    if (asked.kind !== 'sign') throw new Error('no question');
    const message = new Uint8Array(Buffer.from(asked.message, 'base64'));
    const checkpoint = parseCheckpoint(new TextDecoder().decode(message));
    if (checkpoint === undefined) throw new Error('only checkpoints are signed');
    const signature = await keys.sign({ purpose: 'audit-checkpoint', message });
    signed.push(checkpoint);
    return toJson(keyv1.SignResponseSchema, signature as never) as object;
  }

  const running = building.move();
  return {
    keys,
    signed,
    database,
    postgres: postgres.server,
    nats,
    async replica(name) {
      const own = join(folder, name);
      await mkdir(own, { recursive: true });
      const network = running.use(await startCutProxy({ to: { host: '127.0.0.1', port: access.port } }));
      const settings: ReplicaSettings = {
        folder: own,
        database: {
          port: network.port,
          name: access.database,
          user: access.user,
          password: databasePassword,
          caPem: (access.tls === 'unsafe-plaintext' ? undefined : access.tls.caPem) ?? '',
        },
        nats: {
          server: `${nats.host}:${nats.port}`,
          passwordFile: (await natsOf('audit-service')).passwordFile,
          caFile: folders.tls.caFile,
        },
      };
      const replica = createReplica(name, settings, network, answer);
      running.defer(() => replica.kill());
      return replica;
    },
    bus: async (service) => running.use(await openNatsBus(await natsOf(service))),
    async producer(service, resendAfterMs = 500) {
      const bus = running.use(await openNatsBus(await natsOf(service)));
      return running.use(
        await startAuditTrail({
          serviceId: `spiffe://${trustDomain}/svc/${service}`,
          directory: join(folder, `spool-${service}`),
          bus,
          clock,
          log: memoryLog(),
          resendAfterMs,
        }),
      );
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

function createReplica(
  name: string,
  settings: ReplicaSettings,
  network: CutProxy,
  answer: (asked: Asked) => Promise<object>,
): Replica {
  let child: ChildProcess | undefined;
  const lines: string[] = [];

  async function reply(to: ChildProcess, asked: Asked & { id: number }): Promise<void> {
    const answered: Answered = await answer(asked).then(
      (given) => ({ id: asked.id, answer: given }),
      (error: unknown) => ({ id: asked.id, error: String(error) }),
    );
    if (to.connected) to.send(answered, () => undefined);
  }

  async function ended(process: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    child = undefined;
    if (process.exitCode !== null || process.signalCode !== null) return;
    const exit = once(process, 'exit');
    process.kill('SIGCONT');
    process.kill(signal);
    await exit;
  }

  return {
    name,
    folder: settings.folder,
    logDirectory: join(settings.folder, 'log'),
    network,
    lines,
    async producer() {
      const instance = await readFile(join(settings.folder, 'spool', 'instance'), 'utf8');
      return `spiffe://${trustDomain}/svc/audit-service#${instance.trim()}`;
    },
    async start() {
      const process = fork(join(import.meta.dirname, 'replica.ts'), [JSON.stringify(settings)], {
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      });
      child = process;
      for (const stream of [process.stdout, process.stderr])
        stream?.on('data', (bytes: Buffer) => lines.push(`${name}: ${bytes.toString('utf8').trim()}`));
      await new Promise<void>((resolve, reject) => {
        process.on('message', (asked: Asked) => {
          if (asked.kind === 'ready') resolve();
          else if (asked.kind === 'log')
            lines.push(`${name} ${asked.level}: ${asked.message} ${asked.detail}`);
          else void reply(process, asked);
        });
        process.once('exit', (code, signal) => {
          reject(new Error(`replica ${name} ended (${code ?? signal}): ${lines.slice(-5).join('\n')}`));
        });
      });
    },
    async kill() {
      if (child !== undefined) await ended(child, 'SIGKILL');
    },
    async stop() {
      if (child !== undefined) await ended(child, 'SIGTERM');
    },
    signal: (signal) => void child?.kill(signal),
  };
}

export const rootOf = ({ root }: Checkpoint): string => toHex(root);
