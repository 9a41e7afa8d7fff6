/** `sallyport up`: runs everything in this process until it is told to stop. */
import { relative } from 'node:path';
import type { Command } from 'commander';
import { CommandFailed, UsageError } from '../exit.ts';
import { DEFAULT_PORT_BASE, type Home } from '../state/home.ts';
import { DEVELOPMENT_PRINCIPALS, DEVELOPMENT_PSK } from '../state/identities.ts';
import type { CommandContext, Run } from './context.ts';

type UpOptions = {
  config?: string;
  checkConfig?: boolean;
  route?: string[];
  profile: string;
  logLevel?: string;
};

export function addUpCommand(program: Command, run: Run): void {
  program
    .command('up')
    .description('Run the whole system in one process (embedded profile)')
    .option(
      '--config <file>',
      'configuration (default: sallyport.yaml in the state folder, where there is one)',
    )
    .option('--check-config', 'check the configuration and leave')
    .option(
      '--route <name=url...>',
      'a destination served by an HTTP upstream, e.g. orders=http://127.0.0.1:9000/',
    )
    .option('--profile <name>', 'embedded', 'embedded')
    .option('--log-level <level>', 'trace, debug, info, warn, error or silent (default: warn)')
    .action(run(runUp));
}

async function runUp(context: CommandContext, options: UpOptions): Promise<void> {
  if (options.profile !== 'embedded') {
    throw new UsageError(`There is no profile "${options.profile}" yet; this version has "embedded".`);
  }
  const startedAt = performance.now();
  // Every service comes with it: the other commands do not wait for that.
  const { up } = await import('../up.ts');
  const { home, output } = context;
  const system = await up({
    home,
    env: context.env,
    signal: context.signal,
    ...(options.config === undefined ? {} : { configFile: options.config }),
    checkConfigOnly: options.checkConfig === true,
    routes: options.route ?? [],
    ...(options.logLevel === undefined ? {} : { logLevel: options.logLevel }),
    onStep: (text) => output.note(text),
  });
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
  output.result(
    {
      ready: system.logFindings.length === 0,
      https: `https://localhost:${home.ports.https}`,
      channel: `localhost:${home.ports.channel}`,
      caFile: home.caFile,
    },
    readyText(home, seconds, system.logFindings.length === 0),
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

/** What a newcomer reads: where things are, who they can be, and three commands that work as printed. */
export function readyText(home: Home, seconds: string, isReady = true): string {
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
    '',
    'Development identities, made for this state folder only, with the roles they had at first:',
    ...people,
    '',
    'Try, in another terminal:',
    `  npx sallyport send echo '{"hello":"world"}'${flags}`,
    `  npx sallyport audit query --since 5m${flags}`,
    `  npx sallyport audit verify${flags}`,
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

/** One word of a POSIX shell (IEEE 1003.1 section 2.2.2). */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
