/** The writer of leaves, seen by those who want to know when something is on disk. */
import type { CheckpointLag } from './checkpoint-lag.ts';
import type { LogTraces } from './log-traces.ts';
import type { LeafWriter } from './ports.ts';

export function observedWriter(
  writer: LeafWriter,
  { traces, lag }: { readonly traces: Pick<LogTraces, 'nowMs' | 'committed'>; readonly lag: CheckpointLag },
): LeafWriter {
  return {
    async commit(producers, plan) {
      const startedAtMs = traces.nowMs();
      const done = await writer.commit(producers, plan);
      const last = done.leaves.at(-1);
      if (last !== undefined) {
        lag.committed(last.index);
        traces.committed(done.leaves, startedAtMs);
      }
      return done;
    },
  };
}
