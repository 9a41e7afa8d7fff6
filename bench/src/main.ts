/** `pnpm bench <name> [options]`: measures, prints, and with --save keeps the result with machine, commit and command. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { benchChannel, type ChannelBenchOptions, type ChannelBenchResult } from './channel.ts';
import { benchSpool, spoolText, type SpoolBenchOptions } from './spool/bench-spool.ts';
import { benchTools, toolsText, type ToolsBenchOptions } from './tools/bench-tools.ts';
import { benchX509, x509Text, type X509BenchOptions } from './x509/bench-x509.ts';

const USAGE = `pnpm bench channel [--profile embedded|cluster] [--mode single|batch|both] [--sessions n] [--in-flight n] [--seconds n] [--rounds n] [--json] [--save]
pnpm bench tools [--profile embedded|cluster] [--seconds n] [--rounds n] [--json] [--save]
pnpm bench spool [--seconds n] [--rounds n] [--json] [--save]
pnpm bench x509 [--rounds n] [--json] [--save]

  --profile    all in one process, or processes of their own on real Redis, NATS and Postgres (default embedded)
  --mode       one message per frame, frames of up to 32, or both one after the other (default both)
  --sessions   sessions, each on a connection of its own (default 4)
  --in-flight  requests under way, all sessions together (default 512)
  --seconds    length of a round (default 4); tools: of each measurement, three a target in each round (default 2);
               spool: of each measurement, four in each round (default 2)
  --rounds     rounds; the median counts (default 5)
  --json       one JSON object per line instead of text
  --save       also write bench/results/channel-<mode>.json, tools.json, each with -cluster for that profile, spool.json,
               x509.json`;

const BENCHES = ['channel', 'tools', 'spool', 'x509'] as const;
const isBench = (name: string | undefined): name is (typeof BENCHES)[number] =>
  BENCHES.some((bench) => bench === name);

function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      mode: { type: 'string', default: 'both' },
      sessions: { type: 'string', default: '4' },
      'in-flight': { type: 'string', default: '512' },
      seconds: { type: 'string' },
      rounds: { type: 'string', default: '5' },
      profile: { type: 'string', default: 'embedded' },
      json: { type: 'boolean', default: false },
      save: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(`${USAGE}\n`);
    return Promise.resolve(0);
  }
  const [name, ...more] = positionals;
  if (!isBench(name) || more.length > 0) throw new UsageError(`name one bench: ${BENCHES.join(', ')}`);
  const { profile } = values;
  if (profile !== 'embedded' && profile !== 'cluster')
    throw new UsageError('--profile is embedded or cluster');
  if (!['single', 'batch', 'both'].includes(values.mode))
    throw new UsageError('--mode is single, batch or both');
  const common: Output & Pick<ToolsBenchOptions, 'rounds' | 'profile'> = {
    rounds: count(values.rounds, '--rounds', 100),
    profile,
    json: values.json,
    save: values.save,
  };
  if (name === 'tools')
    return runTools({ ...common, seconds: count(values.seconds ?? '2', '--seconds', 600) });
  if (name === 'spool')
    return runSpool({ ...common, seconds: count(values.seconds ?? '2', '--seconds', 600) });
  if (name === 'x509') return runX509(common);
  const modes =
    values.mode === 'both' ? (['single', 'batch'] as const) : ([values.mode] as ('single' | 'batch')[]);
  return runChannel(modes, {
    ...common,
    sessions: count(values.sessions, '--sessions', 64),
    inFlight: count(values['in-flight'], '--in-flight', 16_384),
    seconds: count(values.seconds ?? '4', '--seconds', 600),
  });
}

type Output = { readonly json: boolean; readonly save: boolean };

async function runChannel(
  modes: readonly ('single' | 'batch')[],
  options: Omit<ChannelBenchOptions, 'mode'> & Output,
): Promise<number> {
  for (const mode of modes) {
    const result = await benchChannel({ ...options, mode });
    process.stdout.write(`${options.json ? JSON.stringify(result) : textOf(result)}\n`);
    if (options.save)
      save(
        `channel-${mode}`,
        `channel --profile ${result.profile} --mode ${mode} --sessions ${result.sessions} --in-flight ${result.in_flight}`,
        result,
      );
  }
  return 0;
}

async function runTools(options: ToolsBenchOptions & Output): Promise<number> {
  const result = await benchTools(options);
  process.stdout.write(`${options.json ? JSON.stringify(result) : toolsText(result)}\n`);
  const { profile, seconds, rounds } = result;
  if (options.save)
    save('tools', `tools --profile ${profile} --seconds ${seconds} --rounds ${rounds}`, result);
  return 0;
}

async function runSpool({
  seconds,
  rounds,
  json,
  save: isKept,
}: Output & SpoolBenchOptions): Promise<number> {
  const result = await benchSpool({ seconds, rounds });
  process.stdout.write(`${json ? JSON.stringify(result) : spoolText(result)}\n`);
  if (isKept) save('spool', `spool --seconds ${seconds} --rounds ${rounds}`, result);
  return 0;
}

async function runX509({ rounds, json, save: isKept }: Output & X509BenchOptions): Promise<number> {
  const result = await benchX509({ rounds });
  process.stdout.write(`${json ? JSON.stringify(result) : x509Text(result)}\n`);
  if (isKept) save('x509', `x509 --rounds ${rounds}`, result);
  return 0;
}

function textOf(result: ChannelBenchResult): string {
  return [
    `${result.mode}: ${result.pairs_per_second_per_core} pairs per second and core (${result.ratio} of the signature bound ${result.signature_bound_per_second})`,
    `  ${result.pairs_per_second} pairs/s in all, ${result.messages_per_frame} messages per frame, ${result.sessions} sessions, ${result.in_flight} in flight`,
    `  p50 ${result.p50_ms} ms, p99 ${result.p99_ms} ms`,
    `  processor time per pair: ${Object.entries(result.cpu_us_per_pair)
      .map(([name, us]) => `${name} ${us} µs`)
      .join(', ')}`,
  ].join('\n');
}

function save(name: string, command: string, result: object): void {
  const folder = join(import.meta.dirname, '../results');
  mkdirSync(folder, { recursive: true });
  const [cpu] = cpus();
  const record = {
    command: `pnpm bench ${command} --json --save`,
    commit: execFileSync('git', ['rev-parse', 'HEAD'], { encoding: 'utf8' }).trim(),
    machine: { cpu: cpu?.model ?? 'unknown', cores: cpus().length, node: process.version },
    date: new Date().toISOString().slice(0, 10),
    result,
  };
  const file = `${name}${'profile' in result && result.profile === 'cluster' ? '-cluster' : ''}.json`;
  writeFileSync(join(folder, file), `${JSON.stringify(record, null, 2)}\n`);
}

class UsageError extends Error {}

function count(text: string, name: string, maximum: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > maximum) {
    throw new UsageError(`${name} is a whole number from 1 to ${maximum}, not "${text}"`);
  }
  return value;
}

try {
  process.exitCode = await main();
} catch (error) {
  const isUsage =
    error instanceof UsageError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS') === true;
  process.stderr.write(`${(error as Error).message}\n${isUsage ? `${USAGE}\n` : ''}`);
  process.exitCode = isUsage ? 2 : 1;
}
