/** What waits in a spool, for whoever has to know before it is full (docs/metrics.md). */
import type { Spool } from '@sallyport/audit-log';
import type { Clock } from '../clock/index.ts';
import type { Metrics } from '../metrics/index.ts';

export type SpoolMeter = {
  /** Something is durable; what waits may just have begun to. */
  appended(): void;
  /** Something more is safe elsewhere. */
  acknowledged(): void;
  /** An event was not recorded. */
  refused(problem: 'full' | 'failed'): void;
};

export function spoolMeter(
  spool: Pick<Spool, 'depthBytes' | 'head' | 'floor'>,
  metrics: Metrics | undefined,
  clock: Pick<Clock, 'monotonic'>,
): SpoolMeter {
  /** When the oldest that waits was appended, at the latest: the last time that nothing waited, or something moved. */
  let oldestSinceMs = clock.monotonic();
  const waiting = (): number => Number(spool.head + 1n - spool.floor);
  metrics?.gauge({
    name: 'audit_spool_bytes',
    help: 'Audit records not yet acknowledged, in bytes',
    collect: () => spool.depthBytes,
  });
  metrics?.gauge({
    name: 'audit_spool_events',
    help: 'Audit events not yet acknowledged',
    collect: waiting,
  });
  metrics?.gauge({
    name: 'audit_spool_stalled_seconds',
    help: 'Since an acknowledgement came or nothing waited; 0 while nothing waits',
    collect: () => (waiting() === 0 ? 0 : (clock.monotonic() - oldestSinceMs) / 1_000),
  });
  const refusals = metrics?.counter({
    name: 'audit_records_refused_total',
    help: 'Events that could not be recorded, so that what they were about was refused',
    labels: ['problem'],
  });
  return {
    appended() {
      if (waiting() <= 1) oldestSinceMs = clock.monotonic();
    },
    acknowledged() {
      oldestSinceMs = clock.monotonic();
    },
    refused: (problem) => refusals?.add({ problem }),
  };
}
