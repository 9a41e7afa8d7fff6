/**
 * Empties the outbox: each event durable in the audit spool first, then announced, then removed.
 *
 * A change calls this after its transaction and before its answer; what a crash leaves behind is told at the next
 * start. Events are told at least once, in order, under the same id.
 */
import type { AnnounceKey, Outbox, RecordEvent } from './ports.ts';

const BATCH = 256;

export interface TellEventsPorts {
  readonly outbox: Outbox;
  readonly record: RecordEvent;
  readonly announce: AnnounceKey;
}

/** Resolves when every event committed before the call is durable; rejects when the spool does not take one. */
export type TellEvents = () => Promise<void>;

export function tellEvents({ outbox, record, announce }: TellEventsPorts): TellEvents {
  let running: Promise<void> | undefined;
  let queued: Promise<void> | undefined;

  async function drain(): Promise<void> {
    for (;;) {
      const events = await outbox.pending(BATCH);
      if (events.length === 0) return;
      // One write for all of them: the spool gathers what comes in one turn.
      await Promise.all(events.map(record));
      for (const event of events) await announce(event);
      await outbox.remove(events.map((event) => event.id));
    }
  }

  function start(): Promise<void> {
    running = drain().finally(() => {
      running = undefined;
    });
    return running;
  }

  return () => {
    if (running === undefined) return start();
    // A drain under way may have read before this caller committed: everybody who comes now shares the next one.
    queued ??= running
      .catch(() => undefined)
      .then(() => {
        queued = undefined;
        return start();
      });
    return queued;
  };
}
