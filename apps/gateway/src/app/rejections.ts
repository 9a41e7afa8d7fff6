/**
 * Frames refused before anybody was authenticated: counted per source and cause over an interval, then recorded. Never
 * attributed to the principal they claim, and never one event per frame: an attacker must not fill the log.
 */
import type { PipelineMetrics } from './measure.ts';

export type Rejections = AsyncDisposable & {
  /** `peerAddress` is where it came from, all that is known. */
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

/** Sources told apart in one interval; what comes from further ones is counted together. */
const MAX_SOURCES = 256;
const OTHER_SOURCES = 'other';

export function startRejections(ports: RejectionPorts): Rejections {
  let counts = new Map<string, { peerAddress: string; cause: string; count: number }>();
  let fromMs = ports.now();
  let flushing: Promise<void> = Promise.resolve();

  function flush(): Promise<void> {
    const entries = [...counts.values()];
    const interval = { fromMs, toMs: ports.now() };
    counts = new Map();
    fromMs = interval.toMs;
    flushing = flushing.then(async () => {
      for (const entry of entries) {
        try {
          await ports.record({ ...entry, ...interval });
        } catch (error) {
          ports.onProblem(error);
        }
      }
    });
    return flushing;
  }

  const timer = setInterval(() => void flush(), ports.intervalMs);
  return {
    count(peerAddress, cause) {
      ports.metrics.rejected(cause);
      const source = counts.size < MAX_SOURCES ? peerAddress : OTHER_SOURCES;
      const key = `${source} ${cause}`;
      const known = counts.get(key);
      if (known === undefined) counts.set(key, { peerAddress: source, cause, count: 1 });
      else known.count += 1;
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await flush();
    },
  };
}
