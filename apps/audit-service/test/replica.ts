/**
 * One audit-service as a process of its own, for tests that kill and pause it. Asks its parent for signatures, so that
 * the parent knows every note that was ever signed.
 */
import { once } from 'node:events';
import { join } from 'node:path';
import { Secret } from '@sallyport/crypto';
import { keyv1 } from '@sallyport/proto';
import { openNatsBus } from '@sallyport/service/nats';
import { openPostgres } from '@sallyport/service/postgres';
import { createTestAuthority, memoryLog, testRuntime } from '@sallyport/service/testing';
import { fromJson } from '@bufbuild/protobuf';
import { composeAuditService } from '../src/compose.ts';
import type { KeyCalls } from '../src/clients/keys.ts';
import { trustDomain } from './support.ts';

export type ReplicaSettings = {
  readonly folder: string;
  readonly database: {
    readonly port: number;
    readonly name: string;
    readonly user: string;
    readonly password: string;
    readonly caPem: string;
  };
  readonly nats: { readonly server: string; readonly passwordFile: string; readonly caFile: string };
};

/** To the parent. */
export type Asked =
  | { readonly kind: 'sign'; readonly id: number; readonly message: string }
  | { readonly kind: 'keys'; readonly id: number }
  | { readonly kind: 'ready' }
  | { readonly kind: 'log'; readonly level: string; readonly message: string; readonly detail: string };

export type Answered = { readonly id: number; readonly answer?: object; readonly error?: string };

function askParent(): KeyCalls {
  let ids = 0;
  const waiting = new Map<number, (answered: Answered) => void>();
  process.on('message', (answered: Answered) => waiting.get(answered.id)?.(answered));
  const ask = async (question: { kind: 'keys' } | { kind: 'sign'; message: string }): Promise<object> => {
    const id = ++ids;
    const answered = new Promise<Answered>((resolve) => waiting.set(id, resolve));
    process.send?.({ ...question, id });
    const { answer, error } = await answered;
    waiting.delete(id);
    if (answer === undefined) throw new Error(error);
    return answer;
  };
  return {
    listPublicKeys: async () =>
      fromJson(keyv1.ListPublicKeysResponseSchema, (await ask({ kind: 'keys' })) as never),
    sign: async ({ message = new Uint8Array() }) => {
      const text = Buffer.from(message).toString('base64');
      return fromJson(keyv1.SignResponseSchema, (await ask({ kind: 'sign', message: text })) as never);
    },
  };
}

async function run({ folder, database, nats }: ReplicaSettings): Promise<void> {
  const log = memoryLog();
  const lines: typeof log = {
    ...log,
    ...Object.fromEntries(
      (['info', 'warn', 'error', 'fatal'] as const).map((level) => [
        level,
        (message: string, fields?: Readonly<Record<string, unknown>>) =>
          void process.send?.({ kind: 'log', level, message, detail: detailOf(fields) }),
      ]),
    ),
    child: () => lines,
  };
  const bus = await openNatsBus({
    name: 'audit-service',
    user: 'audit-service',
    servers: [nats.server],
    passwordFile: nats.passwordFile,
    caFile: nats.caFile,
    log: lines,
  });
  const host = await openPostgres({
    host: '127.0.0.1',
    port: database.port,
    database: database.name,
    user: database.user,
    password: new Secret(new TextEncoder().encode(database.password)),
    tls: { caPem: database.caPem },
  });
  const authority = await createTestAuthority(trustDomain);
  const service = await composeAuditService(
    {
      host: '127.0.0.1',
      port: 0,
      spoolDirectory: join(folder, 'spool'),
      keyAddress: '127.0.0.1:1',
      policyAddress: '127.0.0.1:1',
      logDirectory: join(folder, 'log'),
      origin: `${trustDomain}/audit`,
      checkpointIntervalMs: 50,
    },
    await testRuntime('audit-service', { authority, bus, log: lines }),
    { database: host },
    { keys: askParent() },
  );
  process.send?.({ kind: 'ready' });
  await once(process, 'SIGTERM');
  await service[Symbol.asyncDispose]();
  await bus.close();
  await host.close();
  process.disconnect();
}

function detailOf(fields: Readonly<Record<string, unknown>> = {}): string {
  return Object.entries(fields)
    .map(([name, value]) => `${name}=${value instanceof Error ? value.message : String(value)}`)
    .join(' ');
}

process.on('disconnect', () => process.exit(1)); // the parent is gone
await run(JSON.parse(process.argv[2] ?? '{}') as ReplicaSettings);
