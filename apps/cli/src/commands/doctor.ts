/** `sallyport doctor`: looks at the set-up, says what is wrong and what to do. */
import { version } from 'node:process';
import type { Command } from 'commander';
import { runChecks, type Line } from '../doctor/check.ts';
import { localChecks } from '../doctor/local-checks.ts';
import { runningChecks } from '../doctor/running-checks.ts';
import { CommandFailed } from '../exit.ts';
import type { CommandContext, Run } from './context.ts';

export function addDoctorCommand(program: Command, run: Run): void {
  program
    .command('doctor')
    .description('Check the set-up: what is wrong, and what to do')
    .option('--as <identity>', 'identity to act as')
    .action(run(doctor));
}

const MARK = { ok: 'ok     ', notice: 'notice ', problem: 'PROBLEM', skipped: 'skipped' } as const;

async function doctor(context: CommandContext): Promise<void> {
  const { home, as, env, output } = context;
  const facts = { home, as, env, nodeVersion: version, nowMs: Date.now() };
  // The clients of Redis, NATS and Postgres come with it: the other commands do not wait for those.
  const { clusterChecks } = await import('../doctor/cluster-checks.ts');
  const lines = await runChecks([
    ...localChecks(facts),
    ...runningChecks(context),
    ...(await clusterChecks(context)),
  ]);
  for (const line of lines) output.result({ ...line }, lineText(line));
  const problems = lines.filter(({ level }) => level === 'problem').length;
  if (problems > 0)
    throw new CommandFailed(`${problems} problem${problems === 1 ? '' : 's'} found.`, { problems });
  output.note('Nothing is wrong.');
}

function lineText(line: Line): string {
  const next = 'next' in line ? `\n          → ${line.next}` : '';
  return `${MARK[line.level]} ${line.name}: ${line.says}${next}`;
}
