/**
 * Empties an outbox: each event durable in the audit spool first, then announced, then removed.
 *
 * A change calls this after its transaction and before its answer; what a crash leaves behind is told by the upkeep of
 * the next process. Events are told at least once, under the same id, in order as long as the spool takes them.
 */
import { serialised } from './serialised.ts';

const BATCH = 256;

/** Events that are committed and not yet told. */
export interface Outbox<E> {
  /** Oldest first. */
  pending(limit: number): Promise<readonly E[]>;
  remove(ids: readonly string[]): Promise<void>;
}

export interface TellEventsPorts<E> {
  readonly outbox: Outbox<E>;
  /** Resolves when the event is durable in the audit spool. */
  readonly record: (event: E) => Promise<void>;
  /** Best effort: it does not reject. */
  readonly announce?: (event: E) => Promise<void>;
}

/** Resolves when every event committed before the call is durable; rejects when the spool does not take one. */
export type TellEvents = () => Promise<void>;

export function tellEvents<E extends { readonly id: string }>(ports: TellEventsPorts<E>): TellEvents {
  const { outbox, record, announce } = ports;
  return serialised(async () => {
    for (;;) {
      const events = await outbox.pending(BATCH);
      if (events.length === 0) return;
      // One write for all of them: the spool gathers what comes in one turn.
      const outcomes = await Promise.allSettled(events.map(record));
      const recorded = events.filter((_, index) => outcomes[index]?.status === 'fulfilled');
      if (announce !== undefined) for (const event of recorded) await announce(event);
      // Also those around one that was refused: told again, they would fill the spool with what it has.
      await outbox.remove(recorded.map(({ id }) => id));
      const refused = outcomes.find((outcome) => outcome.status === 'rejected');
      if (refused !== undefined) throw refused.reason;
    }
  });
}
