/** The command line: parses, finds the command, runs it, and turns what happened into an exit code. */
import type { Readable } from 'node:stream';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { ConfigError, formatProblems } from '@sallyport/service/config';
import { SallyportError, type Reason } from '@sallyport/service/errors';
import type { CommandContext, Run } from './commands/context.ts';
import { addAuditCommands } from './commands/audit.ts';
import { addCertsCommands } from './commands/certs.ts';
import { addDoctorCommand } from './commands/doctor.ts';
import { addKeysCommands } from './commands/keys.ts';
import { addPolicyCommands } from './commands/policy.ts';
import { addPskCommands } from './commands/psk.ts';
import { addSendCommand } from './commands/send.ts';
import { addSessionsCommands } from './commands/sessions.ts';
import { addTokenCommands } from './commands/token.ts';
import { addToolsCommands } from './commands/tools.ts';
import { addUpCommand } from './commands/up.ts';
import { CommandFailed, EXIT_DONE, EXIT_FAILED, EXIT_USAGE, UsageError } from './exit.ts';
import { createOutput, type Output } from './output.ts';
import { locateHome } from './state/home.ts';

export type Invocation = {
  /** Without the program's own name. */
  readonly args: readonly string[];
  /** Standard input, for whoever reads it. Absent: nothing comes. */
  readonly openInput?: () => Readable;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly out: Parameters<typeof createOutput>[0]['out'];
  readonly err: { write(text: string): unknown; readonly isTTY?: boolean };
  readonly signal: AbortSignal;
};

/** Runs one command line to its end; never throws. Returns the exit code. */
export async function run(invocation: Invocation): Promise<number> {
  const json = invocation.args.includes('--json');
  const output = createOutput({ json, out: invocation.out, err: invocation.err });
  try {
    const program = buildProgram(invocation, output);
    await program.parseAsync([...invocation.args], { from: 'user' });
    return EXIT_DONE;
  } catch (error) {
    return report(error, output);
  } finally {
    output.progress(undefined);
  }
}

/** Every command with its options; nothing runs yet. */
export function buildProgram(invocation: Invocation, output: Output): Command {
  const program = new Command('sallyport')
    .description('Runs Sallyport, sends messages through it, and asks what happened.')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => invocation.out.write(text),
      writeErr: (text) => (output.json ? undefined : invocation.err.write(text)),
    })
    .showHelpAfterError('(sallyport --help lists the commands)');
  const runner: Run =
    (work) =>
    async (...commanderArgs) => {
      // Commander passes the arguments, then the options, then the command itself.
      const command = commanderArgs.at(-1) as Command;
      const args = commanderArgs.slice(0, -2) as string[];
      const options = command.optsWithGlobals<{ home?: string; portBase?: string; as?: string }>();
      const context: CommandContext = {
        home: locateHome(invocation.env, options),
        as: options.as ?? invocation.env['SALLYPORT_IDENTITY'] ?? 'admin',
        output,
        env: invocation.env,
        ...(invocation.openInput === undefined ? {} : { openInput: invocation.openInput }),
        signal: invocation.signal,
      };
      await work(context, options as never, ...args);
    };
  const register = [
    addUpCommand,
    addSendCommand,
    addAuditCommands,
    addPolicyCommands,
    addToolsCommands,
    addKeysCommands,
    addSessionsCommands,
    addTokenCommands,
    addPskCommands,
    addCertsCommands,
    addDoctorCommand,
  ];
  for (const add of register) add(program, runner);
  everyCommand(program, (command) => {
    command.addOption(new Option('--json', 'results as JSON, one object per line'));
    command.addOption(new Option('--home <folder>', 'state folder (default: $SALLYPORT_HOME or .sallyport)'));
    command.addOption(new Option('--port-base <port>', 'first port (default: $SALLYPORT_PORT_BASE or 8443)'));
    command.exitOverride().configureOutput(program.configureOutput());
  });
  return program;
}

function everyCommand(command: Command, apply: (leaf: Command) => void): void {
  for (const child of command.commands) {
    if (child.commands.length === 0) apply(child);
    else child.exitOverride().configureOutput(command.configureOutput());
    everyCommand(child, apply);
  }
}

function report(error: unknown, output: Output): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return EXIT_DONE;
    if (output.json) output.problem(error.message.replace(/^error: /, ''), { code: 'usage' });
    return EXIT_USAGE;
  }
  if (error instanceof UsageError || error instanceof InvalidArgumentError) {
    output.problem(error.message, { code: 'usage' });
    return EXIT_USAGE;
  }
  if (error instanceof ConfigError) {
    output.problem(formatProblems(error.problems), { code: 'config', problems: error.problems });
    return EXIT_USAGE;
  }
  if (error instanceof CommandFailed) {
    output.problem(error.message, error.details);
    return EXIT_FAILED;
  }
  if (error instanceof SallyportError) {
    output.problem(`${sentence(error.message)}${nextAfter(error.reason)}`, { reason: error.reason });
    return EXIT_FAILED;
  }
  const cause = error instanceof Error ? error : new Error(String(error));
  output.problem(`Unexpected: ${cause.message}\nThis is a defect in Sallyport; please report it.`, {
    reason: 'INTERNAL',
  });
  return EXIT_FAILED;
}

/** What to do about it, where there is something. */
function nextAfter(reason: Reason): string {
  switch (reason) {
    case 'unavailable':
      return ' Is it running (npm start)? `sallyport doctor` checks the set-up.';
    case 'deadline_exceeded':
      return ' It, or what it needs, does not answer, and whether it was done is not known: `sallyport doctor` checks the set-up.';
    default:
      return '';
  }
}

const sentence = (text: string): string => (/[.!?]$/u.test(text) ? text : `${text}.`);
