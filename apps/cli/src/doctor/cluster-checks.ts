/** What doctor asks of a cluster's servers and processes, as each process would: same addresses, credentials and trust. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { untilReady } from '../cluster/ready.ts';
import { readEndpoints, type Endpoints, type ProcessEndpoint } from '../cluster/endpoints.ts';
import type { NatsSection, DatabaseSection, RedisSection } from '../cluster/backends.ts';
import type { CommandContext } from '../commands/context.ts';
import { readIfPresent } from '../state/files.ts';
import { notice, ok, problem, type Check, type Verdict } from './check.ts';
import { lookAtDatabase } from './database-check.ts';
import { lookAtNats } from './nats-check.ts';
import { lookAtRedis } from './redis-check.ts';

const PROBE_MS = 3_000;

/** The part of a process's file that says how it reaches its servers. */
type Written = {
  readonly nats: NatsSection;
  readonly redis?: RedisSection;
  readonly database?: DatabaseSection;
};

/** None where no cluster runs from this folder. */
export async function clusterChecks({ home }: CommandContext): Promise<readonly Check[]> {
  const endpoints = await readEndpoints(home);
  if (endpoints === undefined) return [];
  const check = (name: string, run: () => Promise<Verdict>): Check => ({ name, needsRunning: true, run });
  const files = async (): Promise<ReadonlyMap<string, Written>> => {
    const firsts = endpoints.processes.filter(({ replica }) => replica === 1);
    const read = firsts.map(async ({ name }): Promise<[string, Written]> => {
      const text = await readFile(join(home.clusterFolder, `${name}-1`, 'config.yaml'), 'utf8');
      return [name, JSON.parse(text) as Written];
    });
    return new Map(await Promise.all(read));
  };
  return [
    check('replicas', async () => replicas(endpoints, (await readIfPresent(home.caFile)) ?? '')),
    check('redis', async () => redis(await files())),
    check('nats', async () => nats(await files())),
    check('postgres', async () => postgres(await files())),
    check('encryption', async () => encryption(await files())),
  ];
}

async function replicas({ processes }: Endpoints, caPem: string): Promise<Verdict> {
  const asked = processes.map((each) => ({ ...each, name: label(each), probesPort: each.probesPort }));
  const open = await untilReady(asked, {
    caPem,
    withinMs: PROBE_MS,
    signal: AbortSignal.timeout(PROBE_MS),
    isTolerated: () => false,
  });
  if (open.length === 0) return ok(`all ${processes.length} processes are ready`);
  return problem(
    open.map(({ name, problem: why }) => `${name}: ${why}`).join('; '),
    'service.log in the folder of each, below cluster/ of the state folder, has the causes.',
  );
}

const label = ({ name, replica }: ProcessEndpoint): string => `${name}-${replica}`;

async function redis(files: ReadonlyMap<string, Written>): Promise<Verdict> {
  const section = files.get('gateway')?.redis;
  if (section === undefined) return problem('no gateway says where Redis is', 'Start it again.');
  const nodes = await lookAtRedis(section);
  const evicting = nodes.filter(({ evictionPolicy }) => evictionPolicy !== 'noeviction');
  if (evicting.length > 0) {
    return problem(
      evicting
        .map((node) => `${node.address} may evict what the guard must remember (${node.evictionPolicy})`)
        .join('; '),
      'Set maxmemory-policy noeviction: a full Redis then refuses, and nothing is admitted twice.',
    );
  }
  return ok(nodes.map(({ address, version }) => `Redis ${version} at ${address}, evicts nothing`).join('; '));
}

async function nats(files: ReadonlyMap<string, Written>): Promise<Verdict> {
  const found = await Promise.all(
    [...files].map(([service, { nats: section }]) => lookAtNats(service, section)),
  );
  const audit = found.find(({ service }) => service === 'audit-service');
  if (audit?.auditConsumer === undefined) {
    return problem(
      'the audit stream or its consumer is not there: events wait in the spools',
      'audit-service makes both when it connects: its log says why it could not.',
    );
  }
  const { version, auditConsumer: consumer } = audit;
  return ok(
    `NATS ${version}: every service gets in; stream ${consumer.stream} with ${consumer.waiting} batches on their way`,
  );
}

async function postgres(files: ReadonlyMap<string, Written>): Promise<Verdict> {
  const sections = [...files].flatMap(([service, { database }]) =>
    database === undefined ? [] : [{ service, database }],
  );
  const versions = await Promise.all(
    sections.map(({ service, database }) => lookAtDatabase(service, database)),
  );
  return ok(
    `Postgres ${versions[0] ?? '?'}: ${sections.length} roles, each with its own schema and nothing else`,
  );
}

async function encryption(files: ReadonlyMap<string, Written>): Promise<Verdict> {
  const plain = new Set(
    [...files.values()].flatMap((written) =>
      (['redis', 'nats', 'database'] as const).filter(
        (name) => written[name] !== undefined && written[name].caFile === undefined,
      ),
    ),
  );
  if (plain.size === 0) return ok('Redis, NATS and Postgres are reached over TLS, with passwords');
  return notice(
    `without TLS: ${[...plain].join(', ')}: passwords and data can be read on the way`,
    'Give a caFile for each in sallyport.yaml, and remove allowInsecureBackends.',
  );
}
