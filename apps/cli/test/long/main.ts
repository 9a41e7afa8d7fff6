/**
 * `pnpm test:long chaos`: minutes to hours of faults under load; its last result is kept in `bench/results/chaos.json`.
 * `pnpm test:long flood`: 10,000 requests at the second door at once.
 * `pnpm test:long x509`: certificate paths, judged by packages/x509 and by openssl verify; the package has the program.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { chaos, type ChaosResult } from './chaos.ts';
import { flood } from './flood.ts';

const USAGE = `pnpm test:long chaos [options]
pnpm test:long flood [--requests n] [--json]    requests at once, default 10000
pnpm test:long x509 [options]    random certificate paths beside openssl verify; --help has its options

  --minutes n     how long faults go on (default 10)
  --seed n        repeats a run's choices (default: drawn, and printed)
  --replicas r    default gateway=2,audit-service=2
  --clients n     sessions at a time (default 4)
  --in-flight n   requests under way, each (default 4)
  --pause n       milliseconds between a worker's requests, on average (default 60)
  --only text     only faults whose name has this in it
  --json          the result as one JSON object, nothing else on standard output
  --save          also write bench/results/chaos.json

Exit code 0: nothing was violated; 1: something was; 2: usage.`;

async function main(): Promise<number> {
  if (process.argv[2] === 'x509') return differential(process.argv.slice(3));
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      minutes: { type: 'string', default: '10' },
      seed: { type: 'string' },
      replicas: { type: 'string', default: 'gateway=2,audit-service=2' },
      clients: { type: 'string', default: '4' },
      'in-flight': { type: 'string', default: '4' },
      pause: { type: 'string', default: '60' },
      only: { type: 'string' },
      json: { type: 'boolean', default: false },
      requests: { type: 'string', default: '10000' },
      save: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  const [run, ...more] = positionals;
  if (more.length > 0 || (run !== 'chaos' && run !== 'flood'))
    throw new UsageError('name one run: chaos, flood or x509');
  const log = (line: string): void => void process.stderr.write(`${line}\n`);
  if (run === 'flood') {
    const result = await flood({ requests: number(values.requests, '--requests', 1, 100_000), log });
    process.stdout.write(`${JSON.stringify(result, undefined, values.json ? 0 : 2)}\n`);
    return result.violations.length === 0 ? 0 : 1;
  }
  const startedAt = new Date();
  const result = await chaos({
    minutes: number(values.minutes, '--minutes', 0.05, 24 * 60),
    seed: values.seed === undefined ? undefined : number(values.seed, '--seed', 0, 2 ** 32 - 1),
    replicas: values.replicas,
    clients: number(values.clients, '--clients', 1, 256),
    inFlight: number(values['in-flight'], '--in-flight', 1, 256),
    pauseMs: number(values.pause, '--pause', 1, 60_000),
    only: values.only,
    log,
  });
  process.stdout.write(`${JSON.stringify(result, undefined, values.json ? 0 : 2)}\n`);
  if (values.save) save(result, startedAt);
  return result.violations.length === 0 ? 0 : 1;
}

function differential(args: readonly string[]): number {
  const program = join(import.meta.dirname, '../../../../packages/x509/test/differential/main.ts');
  const { status } = spawnSync(process.execPath, [program, ...args], { stdio: 'inherit' });
  return status ?? 1;
}

function save(result: ChaosResult, startedAt: Date): void {
  const [cpu] = cpus();
  const record = {
    command: `pnpm test:long chaos --minutes ${result.minutes} --seed ${result.seed} --replicas ${result.replicas} --save`,
    commit: execFileSync('git', ['rev-parse', 'HEAD'], { encoding: 'utf8' }).trim(),
    machine: { cpu: cpu?.model ?? 'unknown', cores: cpus().length, node: process.version },
    date: startedAt.toISOString().slice(0, 10),
    result,
  };
  const file = join(import.meta.dirname, '../../../../bench/results/chaos.json');
  writeFileSync(file, `${JSON.stringify(record, undefined, 2)}\n`);
}

class UsageError extends Error {}

function number(text: string, name: string, low: number, high: number): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= low && value <= high))
    throw new UsageError(`${name} is a number from ${low} to ${high}, not "${text}"`);
  return value;
}

try {
  process.exitCode = await main();
} catch (error) {
  const isUsage =
    error instanceof UsageError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS') === true;
  process.stderr.write(
    `${isUsage ? (error as Error).message : String((error as Error).stack)}\n${isUsage ? `${USAGE}\n` : ''}`,
  );
  process.exitCode = isUsage ? 2 : 1;
}
