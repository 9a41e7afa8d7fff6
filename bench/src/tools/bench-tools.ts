/**
 * `pnpm bench tools`: `tools/call` of an echo tool with nothing between, through the gateway, and through two proxies that do
 * none of its work, in one run: each round measures all of them, one after the other, so that what the machine does
 * meanwhile hits all alike.
 */
import { median, quantile } from '../signature-bound.ts';
import type { Profile } from '../system.ts';
import { gateways } from './gateway.ts';
import { load, type Load } from './load.ts';
import { directHttp, directStdio, mcpProxy, supergateway, type Target } from './targets.ts';

export type ToolsBenchOptions = {
  readonly profile: Profile;
  /** Of each measurement: there are three for each target in a round. */
  readonly seconds: number;
  readonly rounds: number;
};

/** Under way at once: one for the latency, the others for the throughput. */
const LATENCY = 1;
const CONCURRENCIES = [16, 64] as const;
const SESSIONS = 4;
const WARM_UP_MS = 2_000;

type Figures = {
  readonly calls_per_second: number;
  /** Per processor second of the process in between; absent where there is none. */
  readonly calls_per_second_per_core?: number;
  readonly p50_ms: number;
  readonly p99_ms: number;
};

export type TargetResult = {
  readonly upstream: 'http' | 'stdio';
  /** One call at a time. */
  readonly p50_ms: number;
  readonly p99_ms: number;
  /** To the median and the 99th percentile of direct access to the same kind of upstream. */
  readonly added_p50_ms?: number;
  readonly added_p99_ms?: number;
  readonly in_flight: Readonly<Record<string, Figures>>;
  readonly samples: Readonly<Record<string, { calls_per_second: number[]; p50_ms: number[] }>>;
};

export type ToolsBenchResult = {
  readonly profile: Profile;
  readonly sessions: number;
  readonly rounds: number;
  readonly seconds: number;
  readonly targets: Readonly<Record<string, TargetResult>>;
};

type Sample = Load & { readonly cpuSeconds: number | undefined };
type Samples = Map<number, Sample[]>;

export async function benchTools(options: ToolsBenchOptions): Promise<ToolsBenchResult> {
  await using stack = new AsyncDisposableStack();
  const http = stack.use(await directHttp());
  const targets: Target[] = [http, stack.use(directStdio())];
  const gateway = stack.use(await gateways(options.profile, http.url));
  targets.push(...gateway.targets, stack.use(await mcpProxy()), stack.use(await supergateway()));
  const taken = new Map<Target, Samples>(targets.map((target) => [target, new Map()]));
  for (const target of targets) await measure(target, CONCURRENCIES[0], WARM_UP_MS);
  for (let round = 0; round < options.rounds; round += 1) {
    for (const [target, samples] of taken) {
      for (const inFlight of [LATENCY, ...CONCURRENCIES]) {
        const sample = await measure(target, inFlight, options.seconds * 1000);
        samples.set(inFlight, [...(samples.get(inFlight) ?? []), sample]);
      }
    }
  }
  return {
    profile: options.profile,
    sessions: SESSIONS,
    rounds: options.rounds,
    seconds: options.seconds,
    targets: resultsOf(taken),
  };
}

async function measure(target: Target, inFlight: number, ms: number): Promise<Sample> {
  await using sessions = await target.open(Math.min(SESSIONS, inFlight), inFlight);
  // The first calls open connections.
  await load(sessions.callers, inFlight, Math.min(200, ms));
  const before = await target.cpuSeconds();
  const taken = await load(sessions.callers, inFlight, ms);
  const after = await target.cpuSeconds();
  return { ...taken, cpuSeconds: before === undefined || after === undefined ? undefined : after - before };
}

function resultsOf(taken: ReadonlyMap<Target, Samples>): Record<string, TargetResult> {
  const single = (target: Target) => figuresOf(taken.get(target)?.get(LATENCY) ?? []);
  const results: Record<string, TargetResult> = {};
  for (const [target, samples] of taken) {
    const direct = [...taken.keys()].find((each) => each.isDirect && each.upstream === target.upstream);
    const own = single(target);
    const base = direct === undefined || direct === target ? undefined : single(direct);
    results[target.name] = {
      upstream: target.upstream,
      p50_ms: own.p50_ms,
      p99_ms: own.p99_ms,
      ...(base === undefined
        ? {}
        : {
            added_p50_ms: rounded(own.p50_ms - base.p50_ms),
            added_p99_ms: rounded(own.p99_ms - base.p99_ms),
          }),
      in_flight: Object.fromEntries(
        CONCURRENCIES.map((inFlight) => [inFlight, figuresOf(samples.get(inFlight) ?? [])]),
      ),
      samples: Object.fromEntries(
        [...samples].map(([inFlight, list]) => [
          inFlight,
          {
            calls_per_second: list.map(({ calls, seconds }) => Math.round(calls / seconds)),
            p50_ms: list.map(({ latenciesMs }) =>
              rounded(quantile(Float64Array.from(latenciesMs).sort(), 0.5)),
            ),
          },
        ]),
      ),
    };
  }
  return results;
}

/** Rates: the median of the rounds. Latencies: of all rounds together. */
function figuresOf(samples: readonly Sample[]): Figures {
  const latencies = Float64Array.from(samples.flatMap(({ latenciesMs }) => latenciesMs)).sort();
  const perCore = samples.flatMap(({ calls, cpuSeconds }) =>
    cpuSeconds === undefined || cpuSeconds === 0 ? [] : [calls / cpuSeconds],
  );
  return {
    calls_per_second: Math.round(median(samples.map(({ calls, seconds }) => calls / seconds))),
    ...(perCore.length === 0 ? {} : { calls_per_second_per_core: Math.round(median(perCore)) }),
    p50_ms: rounded(quantile(latencies, 0.5)),
    p99_ms: rounded(quantile(latencies, 0.99)),
  };
}

const rounded = (value: number): number => Number(value.toFixed(2));

export function toolsText(result: ToolsBenchResult): string {
  const header = [
    '',
    'p50',
    'p99',
    'added p50',
    ...CONCURRENCIES.flatMap((n) => [`${n}: calls/s`, 'per core', 'p99']),
  ];
  const rows = Object.entries(result.targets).map(([name, target]) => [
    name,
    `${target.p50_ms} ms`,
    `${target.p99_ms} ms`,
    target.added_p50_ms === undefined ? '' : `${target.added_p50_ms} ms`,
    ...CONCURRENCIES.flatMap((n) => {
      const figures = target.in_flight[n];
      return [
        String(figures?.calls_per_second ?? ''),
        String(figures?.calls_per_second_per_core ?? ''),
        `${figures?.p99_ms ?? ''} ms`,
      ];
    }),
  ]);
  const table = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  return table
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
