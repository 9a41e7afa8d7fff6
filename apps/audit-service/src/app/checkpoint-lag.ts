/** How long committed leaves wait for a signed checkpoint: until then their producers keep them (docs/metrics.md). */
import type { Metrics } from '@sallyport/service/metrics';

export type CheckpointLag = {
  /** A transaction stored leaves up to this index. */
  committed(lastIndex: number): void;
  /** The newest checkpoint has so many leaves. */
  covered(size: number): void;
};

const BUCKETS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60] as const;
/** Transactions that are remembered; beyond it the oldest stay and newer ones count with them. */
const MAX_WAITING = 10_000;

export function checkpointLag(metrics: Metrics, monotonic: () => number): CheckpointLag {
  let waiting: { lastIndex: number; readonly atMs: number }[] = [];
  let coveredSize = 0;
  const seconds = metrics.histogram({
    name: 'audit_checkpoint_lag_seconds',
    help: 'From the commit of leaves to the signed checkpoint that covers them, by transaction of this replica',
    buckets: BUCKETS,
  });
  metrics.gauge({
    name: 'audit_uncovered_leaves',
    help: 'Leaves that this replica committed and no checkpoint covers yet',
    collect: () => Math.max(0, (waiting.at(-1)?.lastIndex ?? -1) + 1 - coveredSize),
  });
  metrics.gauge({
    name: 'audit_uncovered_seconds',
    help: 'Age of the oldest of them; 0 when there is none',
    collect: () => (waiting[0] === undefined ? 0 : (monotonic() - waiting[0].atMs) / 1_000),
  });
  return {
    committed(lastIndex) {
      const last = waiting.at(-1);
      if (last !== undefined && waiting.length >= MAX_WAITING)
        last.lastIndex = Math.max(last.lastIndex, lastIndex);
      else waiting.push({ lastIndex, atMs: monotonic() });
    },
    covered(size) {
      coveredSize = Math.max(coveredSize, size);
      if (waiting[0] === undefined || waiting[0].lastIndex >= coveredSize) return;
      const nowMs = monotonic();
      waiting = waiting.filter(({ lastIndex, atMs }) => {
        if (lastIndex >= coveredSize) return true;
        seconds.observe({}, (nowMs - atMs) / 1_000);
        return false;
      });
    },
  };
}
