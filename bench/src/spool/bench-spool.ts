/**
 * `pnpm bench spool`: appends to an audit spool alone, by as many as wait for one at once, on a quiet disk and next to a process
 * that writes and syncs all the time. Each round measures all of them, one after the other.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSpool } from '@sallyport/audit-log';
import { median, quantile } from '../signature-bound.ts';

export type SpoolBenchOptions = { readonly seconds: number; readonly rounds: number };

type Figures = {
  readonly p50_ms: number;
  readonly p99_ms: number;
  readonly appends_per_second: number;
  /** User and system time of the process, all threads. */
  readonly cpu_us_per_append: number;
};

export type SpoolBenchResult = SpoolBenchOptions & {
  readonly record_bytes: number;
  /** By disk, then by appends under way. */
  readonly disks: Readonly<Record<Disk, Readonly<Record<string, Figures>>>>;
};

type Disk = (typeof DISKS)[number];
type Sample = {
  readonly latenciesMs: number[];
  readonly perSecond: number;
  readonly cpuMicroseconds: number;
};

const DISKS = ['quiet', 'busy'] as const;
const IN_FLIGHT = [1, 64] as const;
/** About one decision of a tool call. */
const RECORD_BYTES = 1_200;
const WARM_UP_MS = 200;

export async function benchSpool({ seconds, rounds }: SpoolBenchOptions): Promise<SpoolBenchResult> {
  const samples = new Map<string, Sample[]>();
  for (let round = 0; round < rounds; round += 1) {
    for (const disk of DISKS) {
      for (const inFlight of IN_FLIGHT) {
        const key = `${disk} ${inFlight}`;
        samples.set(key, [...(samples.get(key) ?? []), await measure(disk, inFlight, seconds * 1000)]);
      }
    }
  }
  const figures = (disk: Disk): Record<string, Figures> =>
    Object.fromEntries(IN_FLIGHT.map((n) => [n, figuresOf(samples.get(`${disk} ${n}`) ?? [])]));
  return {
    ...{ seconds, rounds, record_bytes: RECORD_BYTES },
    disks: { quiet: figures('quiet'), busy: figures('busy') },
  };
}

async function measure(disk: Disk, inFlight: number, ms: number): Promise<Sample> {
  await using stack = new AsyncDisposableStack();
  const root = stack.adopt(await mkdtemp(join(tmpdir(), 'sallyport-bench-spool-')), (path) =>
    rm(path, { recursive: true }),
  );
  if (disk === 'busy') {
    const neighbour = spawn(process.execPath, [
      join(import.meta.dirname, 'neighbour.ts'),
      join(root, 'other'),
    ]);
    stack.defer(() => void neighbour.kill('SIGKILL'));
  }
  const directory = join(root, 'spool');
  const spool = stack.adopt(
    await openSpool({ directory, producer: 'spiffe://bench.local/svc/gateway#1' }),
    (open) => open.close(),
  );
  const body = new Uint8Array(RECORD_BYTES).fill(120);
  const run = async (forMs: number): Promise<Sample> => {
    const latenciesMs: number[] = [];
    const cpu = process.cpuUsage();
    const startedAt = performance.now();
    const appender = async (): Promise<void> => {
      for (let now = performance.now(); now < startedAt + forMs;) {
        const { seq } = await spool.append(body);
        const then = now;
        now = performance.now();
        latenciesMs.push(now - then);
        // As audit-service would, ten times a second or so: an unacknowledged spool fills.
        if (seq % 2_000n === 0n) void spool.acknowledge(seq);
      }
    };
    await Promise.all(Array.from({ length: inFlight }, appender));
    const { user, system } = process.cpuUsage(cpu);
    const elapsed = performance.now() - startedAt;
    return {
      latenciesMs,
      perSecond: (latenciesMs.length * 1000) / elapsed,
      cpuMicroseconds: user + system,
    };
  };
  await run(WARM_UP_MS);
  return await run(ms);
}

/** Rates: the median of the rounds. Latencies: of all rounds together. */
function figuresOf(samples: readonly Sample[]): Figures {
  const latencies = Float64Array.from(samples.flatMap(({ latenciesMs }) => latenciesMs)).sort();
  const rounded = (value: number): number => Number(value.toFixed(3));
  return {
    p50_ms: rounded(quantile(latencies, 0.5)),
    p99_ms: rounded(quantile(latencies, 0.99)),
    appends_per_second: Math.round(median(samples.map(({ perSecond }) => perSecond))),
    cpu_us_per_append: rounded(
      median(samples.map(({ cpuMicroseconds, latenciesMs }) => cpuMicroseconds / latenciesMs.length)),
    ),
  };
}

export function spoolText({ disks }: SpoolBenchResult): string {
  return Object.entries(disks)
    .flatMap(([disk, byInFlight]) =>
      Object.entries(byInFlight).map(
        ([inFlight, { p50_ms, p99_ms, appends_per_second, cpu_us_per_append }]) =>
          `${disk} disk, ${inFlight} under way: p50 ${p50_ms} ms, p99 ${p99_ms} ms, ${appends_per_second} appends/s, processor time ${cpu_us_per_append} µs each`,
      ),
    )
    .join('\n');
}
