/**
 * The cluster profile on one machine: each replica of each service a process of its own, on real Redis, NATS and Postgres.
 *
 * This process starts and watches them and carries no message itself. Order of a start: state folder, identities,
 * servers, then all services at once, which wait for one another. Order of an end: gateways, then those who judge, then
 * audit-service, which still takes their last events, then key-service, then the servers.
 */
import { systemClock } from '@sallyport/service/clock';
import { SERVICE_NAMES, type ServiceName } from '@sallyport/service/identity';
import type { LocalServer } from '@sallyport/service/local-servers';
import type { EmbeddedConfig } from '../config.ts';
import { CommandFailed } from '../exit.ts';
import { startFailure } from '../start-failure.ts';
import { shownDoor } from '../model-context.ts';
import {
  ensureDevelopmentPasswords,
  ensureDevelopmentPsk,
  pinLogKey,
  readLogFindings,
} from '../state/first-start.ts';
import type { Home } from '../state/home.ts';
import { ensureIdentities } from '../state/identities.ts';
import { takeStateFolder } from '../state/take.ts';
import { readConfig, type RunningSystem, type UpOptions } from '../up-options.ts';
import { keepEndpoints, removeEndpoints, type ProcessEndpoint } from './endpoints.ts';
import { layOut, type Replica } from './layout.ts';
import { openLogLines } from './log-lines.ts';
import { startProcess, type ServiceProcess } from './processes.ts';
import { untilReady, type NotReady, type ReadinessOptions } from './ready.ts';
import { parseReplicas } from './replicas.ts';
import { startServers } from './servers.ts';
import { writeServiceFiles } from './service-files.ts';
import { supervise, type Supervised } from './supervise.ts';

export type ClusterOptions = UpOptions & {
  /** `service=count`, several with commas. */
  readonly replicas: readonly string[];
  /** Told what the processes log and a person should see. */
  readonly onLog: (line: string) => void;
  /** Their lines as they are: for machines. */
  readonly isLogRaw: boolean;
};

export type ServerInfo = { readonly name: string; readonly port: number; readonly pid: number };

export type RunningCluster = RunningSystem & {
  readonly processes: readonly ProcessEndpoint[];
  /** Started here; servers that were given are not listed. */
  readonly servers: readonly ServerInfo[];
};

const READY_WITHIN_MS = 90_000;
/** How soon to ask for findings again, while a first checkpoint is to come. */
const LOOK_AGAIN_MS = 1_000;
/** Each group ends before the next is told to. */
const STOP_ORDER: readonly (readonly ServiceName[])[] = [
  ['gateway'],
  ['auth-service', 'policy-service'],
  ['audit-service'],
  ['key-service'],
];

/** Starts everything and resolves when all of it is ready; undefined when only the configuration was to be checked. */
export async function upCluster(options: ClusterOptions): Promise<RunningCluster | undefined> {
  const config = await readConfig(options);
  const counts = parseReplicas(options.replicas, config.cluster.replicas);
  if (options.checkConfigOnly) return undefined;
  const { home, onStep } = options;
  const clock = systemClock();
  await using starting = new AsyncDisposableStack();
  const problems: string[] = [];
  try {
    const folder = starting.use(await takeStateFolder(home, 'cluster', clock));
    for (const text of folder.notices) onStep(text);
    const identities = await ensureIdentities(home, clock);
    if (identities.created) onStep(`Made a development CA and its identities in ${home.folder}.`);
    const replicas = await layOut(home, counts);
    await removeEndpoints(home); // of a run that was killed

    onStep(serversStep(config));
    const keepers: Promise<Supervised>[] = [];
    const { backends, local } = await startServers(home, config, (server) => {
      keepers.push(keepServer(server, options));
      const kept = keepers.at(-1);
      starting.defer(async () => (await kept)?.stop());
    });
    await writeServiceFiles({ home, config, backends, replicas });

    onStep(`Starting ${replicas.length} processes …`);
    const logs = starting.use(new AsyncDisposableStack());
    const processes = new Map<Replica, ServiceProcess>();
    starting.defer(async () => void problems.push(...(await stopProcesses(processes))));
    let isRunning = false;
    let publish: (() => void) | undefined;
    const show = { isRunning: () => isRunning, raw: options.isLogRaw, show: options.onLog };
    const hopeless = Promise.withResolvers<never>();
    hopeless.promise.catch(() => undefined);
    await Promise.all(
      replicas.map(async (replica) => {
        const lines = logs.use(await openLogLines(replica, show));
        const process = await startProcess(replica, {
          env: options.env,
          onLine: lines.write,
          onNews: onStep,
          onHopeless: hopeless.reject,
          onStart: () => publish?.(),
        });
        processes.set(replica, process);
      }),
    );
    const logFindings = await Promise.race([
      hopeless.promise,
      ready(home, identities.trust, replicas, options),
    ]);

    const endpoints = starting.use(await keepEndpoints(home, () => endpointsOf(processes)));
    publish = endpoints.publish;
    isRunning = true;
    const running = starting.move();
    return {
      logFindings,
      door: shownDoor(config.modelContext, home.ports.https, false),
      processes: endpointsOf(processes),
      servers: local.map(({ name, port, pid }) => ({ name, port, pid })),
      async stop() {
        await running.disposeAsync();
        return problems;
      },
    };
  } catch (error) {
    throw startFailure(error, home);
  }
}

/** All are ready and a first start's work is done; what the stored log has against itself. */
async function ready(
  home: Home,
  trust: { readonly caPem: string; readonly trustDomain: string },
  replicas: readonly Replica[],
  options: ClusterOptions,
): Promise<readonly string[]> {
  const within = {
    caPem: trust.caPem,
    withinMs: READY_WITHIN_MS,
    signal: options.signal,
    // A log that does not fit together is for `audit verify`: the system runs all the same.
    isTolerated: ({ service }: Replica, check: string) => service === 'audit-service' && check === 'log',
  };
  // While the gateways come up: it needs none of them.
  const makeCredentials = async (): Promise<void> => {
    const judges = replicas.filter(
      ({ service }) => service === 'auth-service' || service === 'policy-service',
    );
    if ((await untilReady(judges, within)).length > 0) return;
    await ensureDevelopmentPsk(home, trust);
    await ensureDevelopmentPasswords(home, trust);
  };
  const [open] = await Promise.all([untilReady(replicas, within), makeCredentials()]);
  if (open.length > 0) {
    if (options.signal.aborted) throw new CommandFailed('Interrupted while starting.');
    throw notReady(open);
  }
  const logFindings = await signedOrFound(home, trust, replicas, within);
  await pinLogKey(home, trust);
  return logFindings;
}

/** What is tolerated of a log may be that its first checkpoint is still to come: then there is no key to pin yet. */
async function signedOrFound(
  home: Home,
  trust: { readonly caPem: string; readonly trustDomain: string },
  replicas: readonly Replica[],
  within: Omit<ReadinessOptions<Replica>, 'isTolerated'>,
): Promise<readonly string[]> {
  const deadline = performance.now() + READY_WITHIN_MS;
  for (;;) {
    const findings = await readLogFindings(home, trust);
    if (findings.length > 0) return findings;
    const open = await untilReady(replicas, { ...within, withinMs: LOOK_AGAIN_MS, isTolerated: () => false });
    if (open.length === 0) return [];
    if (within.signal.aborted) throw new CommandFailed('Interrupted while starting.');
    if (performance.now() > deadline) throw notReady(open);
  }
}

function notReady(open: readonly NotReady[]): CommandFailed {
  const lines = open.map(({ name, problem }) => `  ${name}: ${problem}`);
  return new CommandFailed(`Not ready after ${READY_WITHIN_MS / 1000} s:\n${lines.join('\n')}`);
}

function keepServer(server: LocalServer, { onStep }: ClusterOptions): Promise<Supervised> {
  let isFirst = true;
  return supervise({
    async start() {
      if (!isFirst) await server.restart();
      isFirst = false;
      return {
        pid: server.pid,
        ended: server.exited.then(({ code, signal }) =>
          signal === null ? `ended with exit code ${code ?? 'none'}` : `was ended by ${signal}`,
        ),
        stop: () => server.stop(),
      };
    },
    onDown: (why, pauseMs) => onStep(`${server.name} ${why}; it is started again in ${pauseMs ?? 0} ms.`),
  });
}

async function stopProcesses(processes: ReadonlyMap<Replica, ServiceProcess>): Promise<readonly string[]> {
  const problems: string[] = [];
  for (const group of STOP_ORDER) {
    const ends = await Promise.all(
      [...processes.values()]
        .filter(({ replica }) => group.includes(replica.service))
        .map((process) => process.stop()),
    );
    problems.push(...ends.filter((end) => end !== undefined));
  }
  return problems;
}

function endpointsOf(processes: ReadonlyMap<Replica, ServiceProcess>): readonly ProcessEndpoint[] {
  return SERVICE_NAMES.flatMap((service) =>
    [...processes.values()]
      .filter(({ replica }) => replica.service === service)
      .map(({ replica, pid }) => ({
        name: service,
        replica: replica.number,
        pid: pid() ?? null,
        port: replica.port,
        probesPort: replica.probesPort,
      })),
  );
}

function serversStep({ cluster: { redis, nats, postgres } }: EmbeddedConfig): string {
  const isGiven = { Redis: redis !== undefined, NATS: nats !== undefined, Postgres: postgres !== undefined };
  const named = (given: boolean): string =>
    Object.entries(isGiven)
      .flatMap(([name, each]) => (each === given ? [name] : []))
      .join(', ');
  return [
    ...(named(false) === '' ? [] : [`Starting ${named(false)} …`]),
    ...(named(true) === '' ? [] : [`Given: ${named(true)}.`]),
  ].join(' ');
}
