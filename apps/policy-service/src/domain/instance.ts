/** What each gateway says it runs. A report older than `instanceLifetimeMs` counts for nothing: that gateway is gone. */
import type { InstanceName } from './names.ts';

export type InstanceReport = {
  readonly instance: InstanceName;
  readonly revision: bigint;
  /** Milliseconds since the Unix epoch. */
  readonly reportedAtMs: number;
};

/** Gateways report each time they poll (seconds); three minutes of silence outlast a restart. */
export const instanceLifetimeMs = 180_000;

/** Those that still count at `nowMs`, the slowest first. */
export function liveInstances(reports: readonly InstanceReport[], nowMs: number): readonly InstanceReport[] {
  return reports
    .filter((report) => nowMs - report.reportedAtMs < instanceLifetimeMs)
    .sort((a, b) =>
      a.revision === b.revision ? (a.instance < b.instance ? -1 : 1) : a.revision < b.revision ? -1 : 1,
    );
}
