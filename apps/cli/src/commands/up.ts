/** `sallyport up`: runs everything until it is told to stop, in this process or each service in processes of its own. */
import { relative } from 'node:path';
import type { Command } from 'commander';
import { CommandFailed, UsageError } from '../exit.ts';
import { table } from '../output.ts';
import { quoted } from '../format.ts';
import type { RunningCluster } from '../cluster/up-cluster.ts';
import { DEFAULT_PORT_BASE, type Home } from '../state/home.ts';
import { DEVELOPMENT_PRINCIPALS, DEVELOPMENT_PSK } from '../state/identities.ts';
import type { ShownDoor } from '../model-context.ts';
import type { RunningSystem, UpOptions } from '../up-options.ts';
import type { CommandContext, Run } from './context.ts';
import { modelContextLines } from './up-model-context.ts';

type Options = {
  config?: string;
  checkConfig?: boolean;
  route?: string[];
  profile: string;
  replicas?: string[];
  logLevel?: string;
};

export function addUpCommand(program: Command, run: Run): void {
  program
    .command('up')
    .description('Run the whole system: in one process, or as a cluster on this machine')
    .option(
      '--config <file>',
      'configuration (default: sallyport.yaml in the state folder, where there is one)',
    )
    .option('--check-config', 'check the configuration and leave')
    .option(
      '--route <name=url...>',
      'a destination served by an HTTP upstream, e.g. orders=http://127.0.0.1:9000/',
    )
    .option(
      '--profile <name>',
      'embedded (one process), or cluster (one each, on Redis, NATS, Postgres)',
      'embedded',
    )
    .option(
      '--replicas <service=n...>',
      'with cluster: processes of a service, e.g. gateway=2,audit-service=2',
    )
    .option('--log-level <level>', 'trace, debug, info, warn, error or silent (default: warn)')
    .action(run(runUp));
}

async function runUp(context: CommandContext, options: Options): Promise<void> {
  const { home, output } = context;
  if (options.profile !== 'embedded' && options.profile !== 'cluster') {
    throw new UsageError(`There is no profile "${options.profile}"; choose embedded or cluster.`);
  }
  if (options.replicas !== undefined && options.profile !== 'cluster') {
    throw new UsageError('--replicas goes with --profile cluster; the embedded profile is one process.');
  }
  const startedAt = performance.now();
  const common: UpOptions = {
    home,
    env: context.env,
    signal: context.signal,
    ...(options.config === undefined ? {} : { configFile: options.config }),
    checkConfigOnly: options.checkConfig === true,
    routes: options.route ?? [],
    ...(options.logLevel === undefined ? {} : { logLevel: options.logLevel }),
    onStep: (text) => output.note(text),
  };
  const system = await start(context, options, common);
  if (system === undefined) {
    output.result({ config: 'valid' }, 'The configuration is valid.');
    return;
  }
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  if (system.logFindings.length > 0) {
    output.problem(
      [
        'Running, but NOT ready: the stored audit log does not fit together.',
        ...system.logFindings.map((text) => `  ${text}`),
        'Nothing is signed until it is mended. `sallyport audit verify` names every place.',
      ].join('\n'),
      { findings: system.logFindings },
    );
  }
  const isReady = system.logFindings.length === 0;
  output.result(
    {
      ready: isReady,
      https: `https://localhost:${home.ports.https}`,
      channel: `localhost:${home.ports.channel}`,
      caFile: home.caFile,
      modelContext: { url: `${system.door.origin}/mcp`, routes: system.door.routes },
      ...('processes' in system
        ? { profile: 'cluster', processes: system.processes, servers: system.servers }
        : { profile: 'embedded' }),
    },
    'processes' in system
      ? readyText(home, seconds, system.door, isReady, processTable(system))
      : readyText(home, seconds, system.door, isReady),
  );
  await new Promise<void>((resolve) => {
    if (context.signal.aborted) resolve();
    context.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  output.note('Stopping: no new work, what is under way ends first …');
  const problems = await system.stop();
  if (problems.length > 0)
    throw new CommandFailed(`Stopped, but not cleanly:\n${problems.map((text) => `  ${text}`).join('\n')}`);
  output.note('Stopped.');
}

/** Every service comes with it: the other commands do not wait for that. */
async function start(
  { output }: CommandContext,
  options: Options,
  common: UpOptions,
): Promise<RunningSystem | RunningCluster | undefined> {
  if (options.profile === 'embedded') {
    const { up } = await import('../up.ts');
    return up(common);
  }
  const { upCluster } = await import('../cluster/up-cluster.ts');
  return upCluster({
    ...common,
    replicas: options.replicas ?? [],
    onLog: (line) => output.log(line),
    // Their lines are JSON already.
    isLogRaw: output.json,
  });
}

/** Who listens where. */
function processTable({ processes, servers }: RunningCluster): readonly string[] {
  const rows = [
    ...processes.map(({ name, replica, pid, port, probesPort }) => [
      `${name} ${replica}`,
      String(pid ?? 'starting'),
      String(port),
      String(probesPort),
    ]),
    ...servers.map(({ name, pid, port }) => [name, String(pid), String(port), '']),
  ];
  return table(['process', 'pid', 'port', 'health'], rows)
    .split('\n')
    .map((line) => `  ${line}`);
}

/** What a newcomer reads: where things are, who they can be, and three commands that work as printed. */
export function readyText(
  home: Home,
  seconds: string,
  door: ShownDoor,
  isReady = true,
  processes: readonly string[] = [],
): string {
  const flags = commandFlags(home);
  const people = [
    ...DEVELOPMENT_PRINCIPALS.map(
      ({ name, principal, roles }) =>
        `  --as ${name.padEnd(8)} ${principal.padEnd(16)} roles: ${roles.join(', ')}`,
    ),
    `  --psk ${DEVELOPMENT_PSK.name.padEnd(7)} ${DEVELOPMENT_PSK.principal.padEnd(16)} roles: ${DEVELOPMENT_PSK.roles.join(', ')} (for send)`,
  ];
  return [
    isReady
      ? `Sallyport is ready (${seconds} s).`
      : `Sallyport carries messages (${seconds} s), but its audit log does not fit together: see above.`,
    '',
    `  health, metrics   https://localhost:${home.ports.https}/readyz`,
    `  secure channel    localhost:${home.ports.channel} (gRPC)`,
    `  trust root        ${home.caFile}`,
    ...(processes.length === 0 ? [] : ['', ...processes]),
    '',
    'Development identities, made for this state folder only, with the roles they had at first:',
    ...people,
    '',
    'Try, in another terminal:',
    `  npx sallyport send echo '{"hello":"world"}'${flags}`,
    `  npx sallyport audit query --since 5m${flags}`,
    `  npx sallyport audit verify${flags}`,
    '',
    ...modelContextLines(home, flags, door),
    '',
    'Ctrl-C stops it.',
  ].join('\n');
}

/** What the printed commands need in a terminal without this one's environment. */
function commandFlags(home: Home): string {
  const isDefaultFolder = relative('.sallyport', home.folder) === '';
  const isDefaultPort = home.ports.https === DEFAULT_PORT_BASE;
  return (
    (isDefaultFolder ? '' : ` --home ${quoted(home.folder)}`) +
    (isDefaultPort ? '' : ` --port-base ${home.ports.https}`)
  );
}
