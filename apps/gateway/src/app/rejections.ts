/**
 * Frames refused before anybody was authenticated, and those refused with nothing consumed: counted per source and cause
 * over an interval, then recorded. Never attributed to the principal they claim, and never one event per frame: an
 * attacker must not fill the log.
 */
import type { PipelineMetrics } from './measure.ts';

export type Rejections = AsyncDisposable & {
  /** `peerAddress` is where it came from, all that is known. `cause` is from a closed set. */
  count(peerAddress: string, cause: string): void;
};

export type RejectionPorts = {
  readonly record: (entry: RejectionEntry) => Promise<void>;
  readonly metrics: Pick<PipelineMetrics, 'rejected'>;
  readonly now: () => number;
  readonly intervalMs: number;
  readonly onProblem: (error: unknown) => void;
};

export type RejectionEntry = {
  readonly peerAddress: string;
  readonly cause: string;
  readonly count: number;
  readonly fromMs: number;
  readonly toMs: number;
};

/** Sources and causes told apart in one interval; what comes beyond is counted together, by cause. */
const MAX_ENTRIES = 64;
/** In place of an address; none can be mistaken for one. */
const OTHER_SOURCES = 'other-sources';
const UNKNOWN_SOURCE = 'unknown-source';

type Count = { readonly peerAddress: string; readonly cause: string; readonly fromMs: number; count: number };

export function startRejections(ports: RejectionPorts): Rejections {
  let counts = new Map<string, Count>();
  let fromMs = ports.now();
  let flushing: Promise<void> = Promise.resolve();

  function add(peerAddress: string, cause: string, sinceMs: number, count: number): void {
    let key = `${peerAddress} ${cause}`;
    let known = counts.get(key);
    let source = peerAddress;
    if (known === undefined && counts.size >= MAX_ENTRIES) {
      source = OTHER_SOURCES;
      key = `${source} ${cause}`;
      known = counts.get(key);
    }
    if (known === undefined) counts.set(key, { peerAddress: source, cause, fromMs: sinceMs, count });
    else known.count += count;
  }

  async function record(entry: Count, toMs: number): Promise<void> {
    try {
      await ports.record({ ...entry, toMs });
    } catch (error) {
      // A spool that is full today has room tomorrow: the count waits, and its interval grows.
      add(entry.peerAddress, entry.cause, entry.fromMs, entry.count);
      ports.onProblem(error);
    }
  }

  function flush(): Promise<void> {
    const entries = [...counts.values()];
    const toMs = Math.max(fromMs, ports.now());
    counts = new Map();
    fromMs = toMs;
    flushing = flushing.then(async () => {
      await Promise.all(entries.map((entry) => record(entry, toMs)));
    });
    return flushing;
  }

  const timer = setInterval(() => void flush(), ports.intervalMs);
  return {
    count(peerAddress, cause) {
      ports.metrics.rejected(cause);
      add(peerAddress === '' ? UNKNOWN_SOURCE : peerAddress, cause, fromMs, 1);
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await flush();
    },
  };
}
