/**
 * `pnpm bench channel`: request/response pairs through the secure channel to the built-in echo, every step of the
 * pipeline real, per processor second of the process that the gateway runs in: in the embedded profile that process
 * holds all services, in the cluster profile nothing else. The client works in a process of its own, this one.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect, type Channel } from '@sallyport/client';
import { measureSignatureBound, median, quantile } from './signature-bound.ts';
import { startSystem, type MeasuredSystem, type Profile } from './system.ts';

export type ChannelBenchOptions = {
  /** `single`: one message per frame; `batch`: up to 32. */
  readonly mode: 'single' | 'batch';
  readonly sessions: number;
  /** Requests under way, all sessions together. */
  readonly inFlight: number;
  readonly seconds: number;
  readonly rounds: number;
  readonly profile: Profile;
};

export type ChannelBenchResult = {
  readonly pairs_per_second_per_core: number;
  readonly signature_bound_per_second: number;
  readonly ratio: number;
  readonly mode: 'single' | 'batch';
  readonly messages_per_frame: number;
  readonly sessions: number;
  readonly in_flight: number;
  readonly p50_ms: number;
  readonly p99_ms: number;
  readonly profile: string;
  readonly pairs_per_second: number;
  readonly payload_bytes: number;
  /** Microseconds of processor time per pair, by thread of the process: where the time goes. */
  readonly cpu_us_per_pair: Readonly<Record<string, number>>;
  readonly samples: {
    readonly pairs_per_second_per_core: number[];
    readonly signature_bound_per_second: number[];
  };
};

const PAYLOAD_BYTES = 256;
const BATCH = 32;
const WARM_UP_MS = 3_000;
const MAX_LATENCIES = 2_000_000;

export async function benchChannel(options: ChannelBenchOptions): Promise<ChannelBenchResult> {
  await using system = await startSystem(options.profile);
  const channels = await openChannels(system, options);
  const load = startLoad(channels, options);
  await pause(WARM_UP_MS);
  const perCore: number[] = [];
  const perSecond: number[] = [];
  load.begin();
  const threadsBefore = await system.cpuSecondsByThread();
  const pairsBefore = load.pairs();
  for (let round = 0; round < options.rounds; round += 1) {
    const before = { cpu: await system.cpuSeconds(), pairs: load.pairs(), at: performance.now() };
    await pause(options.seconds * 1000);
    const after = { cpu: await system.cpuSeconds(), pairs: load.pairs(), at: performance.now() };
    const pairs = after.pairs - before.pairs;
    perCore.push(pairs / (after.cpu - before.cpu));
    perSecond.push((pairs * 1000) / (after.at - before.at));
  }
  const threads = perPair(threadsBefore, await system.cpuSecondsByThread(), load.pairs() - pairsBefore);
  const { latencies, messages, frames } = await load.end();
  for (const channel of channels) await channel.close();
  const bound = measureSignatureBound();
  const pairsPerCore = median(perCore);
  return {
    pairs_per_second_per_core: round(pairsPerCore),
    signature_bound_per_second: round(bound.perSecond),
    ratio: Number((pairsPerCore / bound.perSecond).toFixed(3)),
    mode: options.mode,
    messages_per_frame: Number((messages / frames).toFixed(1)),
    sessions: options.sessions,
    in_flight: options.inFlight,
    p50_ms: Number(quantile(latencies, 0.5).toFixed(2)),
    p99_ms: Number(quantile(latencies, 0.99).toFixed(2)),
    profile: options.profile,
    pairs_per_second: round(median(perSecond)),
    payload_bytes: PAYLOAD_BYTES,
    cpu_us_per_pair: threads,
    samples: {
      pairs_per_second_per_core: perCore.map(round),
      signature_bound_per_second: bound.samples.map(round),
    },
  };
}

async function openChannels(system: MeasuredSystem, options: ChannelBenchOptions): Promise<Channel[]> {
  const read = (...parts: string[]): Promise<string> => readFile(join(system.home, ...parts), 'utf8');
  const caPem = await read('ca.pem');
  const certPem = await read('identities', 'alice.pem');
  const key = await read('identities', 'alice.key.pem');
  return Promise.all(
    Array.from({ length: options.sessions }, () =>
      connect({
        address: system.channelAddress,
        trust: { caPem, trustDomain: 'sallyport.local' },
        credential: { kind: 'certificate', certPem, key },
        batch: options.mode === 'single' ? 1 : BATCH,
      }),
    ),
  );
}

/** Keeps `inFlight` requests under way until ended. */
function startLoad(channels: readonly Channel[], { inFlight, sessions }: ChannelBenchOptions) {
  const body = new TextEncoder().encode(JSON.stringify({ text: 'x'.repeat(PAYLOAD_BYTES - 11) }));
  const latencies = new Float64Array(MAX_LATENCIES);
  let recorded = 0;
  let isRecording = false;
  let isOver = false;
  let pairs = 0;
  const startCounts = channels.map(({ counts }) => counts);

  async function worker(channel: Channel): Promise<void> {
    while (!isOver) {
      const startedAt = performance.now();
      await channel.request('echo', body, { contentType: 'application/json' });
      pairs += 1;
      if (isRecording && recorded < MAX_LATENCIES) {
        latencies[recorded] = performance.now() - startedAt;
        recorded += 1;
      }
    }
  }

  const workers = channels.flatMap((channel) =>
    Array.from({ length: Math.max(1, Math.round(inFlight / sessions)) }, () => worker(channel)),
  );
  // A worker that fails ends the measurement instead of thinning it out.
  const all = Promise.all(workers);
  all.catch(() => (isOver = true));
  return {
    pairs: () => pairs,
    begin: () => (isRecording = true),
    async end() {
      isOver = true;
      await all;
      const total = (key: 'sent' | 'frames'): number =>
        channels.reduce((sum, { counts }, index) => sum + counts[key] - (startCounts[index]?.[key] ?? 0), 0);
      return {
        latencies: latencies.slice(0, recorded).sort(),
        messages: total('sent'),
        frames: total('frames'),
      };
    },
  };
}

function perPair(
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
  pairs: number,
): Record<string, number> {
  const spent = [...after].map(([name, seconds]): [string, number] => {
    const microseconds = ((seconds - (before.get(name) ?? 0)) * 1_000_000) / pairs;
    return [name, Number(microseconds.toFixed(1))];
  });
  return Object.fromEntries(spent.filter(([, value]) => value > 0).toSorted(([, a], [, b]) => b - a));
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const round = (value: number): number => Math.round(value);
