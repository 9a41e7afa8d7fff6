/**
 * Empties the outbox: each event durable in the audit spool, then removed.
 *
 * A change calls this after its transaction and before its answer; what a crash leaves behind is told at the next
 * start. Events are told at least once, in order, under the same id.
 */
import type { Outbox, RecordEvent } from './ports.ts';
import { serialised } from './serialised.ts';

const BATCH = 256;

export interface TellEventsPorts {
  readonly outbox: Outbox;
  readonly record: RecordEvent;
}

/** Resolves when every event committed before the call is durable; rejects when the spool does not take one. */
export type TellEvents = () => Promise<void>;

export function tellEvents({ outbox, record }: TellEventsPorts): TellEvents {
  return serialised(async () => {
    for (;;) {
      const events = await outbox.pending(BATCH);
      if (events.length === 0) return;
      // One write for all of them: the spool gathers what comes in one turn.
      await Promise.all(events.map(record));
      await outbox.remove(events.map(({ id }) => id));
    }
  });
}
