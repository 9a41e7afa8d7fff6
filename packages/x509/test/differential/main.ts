/** `pnpm test:long x509`: as many cases as one likes; the last result is kept in `bench/results/x509-differential.json`. */
import { execFileSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runCases, type Plan, type Summary } from './run.ts';

const USAGE = `pnpm test:long x509 [options]    random hierarchies, judged by this package and by openssl verify

  --cases n        default 20000
  --seed n         repeats a run (default: drawn, and printed)
  --from n         the first case (default 0): with --cases 1, one case again
  --at-a-time n    openssl processes at once (default: processors and one)
  --json           the result as one JSON object on one line
  --save           also write bench/results/x509-differential.json

Exit code 0: every disagreement has its rule; 1: one has none; 2: usage.`;

class UsageError extends Error {}

function number(text: string | undefined, name: string, high: number, otherwise: number): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (!/^\d+$/u.test(text) || value > high)
    throw new UsageError(`${name} is a number up to ${high}, not "${text}"`);
  return value;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      cases: { type: 'string' },
      seed: { type: 'string' },
      from: { type: 'string' },
      'at-a-time': { type: 'string' },
      json: { type: 'boolean', default: false },
      save: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  const plan: Plan = {
    cases: number(values.cases, '--cases', 10_000_000, 20_000),
    seed: number(values.seed, '--seed', 2 ** 31, randomInt(2 ** 31)),
    from: number(values.from, '--from', 10_000_000, 0),
    atATime: Math.max(1, number(values['at-a-time'], '--at-a-time', 64, cpus().length + 1)),
  };
  process.stderr.write(`seed ${plan.seed}\n`);
  const startedAt = new Date();
  const result = await runCases(plan);
  process.stdout.write(`${JSON.stringify(result, undefined, values.json ? 0 : 2)}\n`);
  if (values.save) save(plan, result, startedAt);
  return result.unexplained.length === 0 ? 0 : 1;
}

function save({ cases, seed }: Plan, result: Summary, startedAt: Date): void {
  const say = (command: string, ...args: readonly string[]): string =>
    execFileSync(command, args, { encoding: 'utf8' }).trim();
  const record = {
    command: `pnpm test:long x509 --cases ${cases} --seed ${seed} --save`,
    commit: say('git', 'rev-parse', 'HEAD'),
    machine: { cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, node: process.version },
    peer: say('openssl', 'version'),
    date: startedAt.toISOString().slice(0, 10),
    result,
  };
  const file = join(import.meta.dirname, '../../../../bench/results/x509-differential.json');
  writeFileSync(file, `${JSON.stringify(record, undefined, 2)}\n`);
}

try {
  process.exitCode = await main();
} catch (error) {
  const isUsage =
    error instanceof UsageError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS') === true;
  process.stderr.write(
    isUsage ? `${(error as Error).message}\n${USAGE}\n` : `${String((error as Error).stack)}\n`,
  );
  process.exitCode = isUsage ? 2 : 1;
}
