/**
 * The second half of a message's way: what came of it is **in the spool before its response leaves**. Results that
 * arrive while a write is under way share the next one.
 */
import type { OpenedMessage } from '@sallyport/channel';
import type { MessageOutcome } from '@sallyport/audit-log';
import { conclude, type Conclusion } from '../domain/outcome.ts';
import { encodeReply, refusal, replyMessage } from '../domain/reply.ts';
import type { LiveSession } from './live-session.ts';
import type { PipelineMetrics } from './measure.ts';
import type { ReplayGuard, RouteResult } from './ports.ts';

export type MessageResult = {
  readonly message: OpenedMessage;
  /** Hex. */
  readonly correlation: string;
  /** Undefined where no route has that name. */
  readonly result: RouteResult | undefined;
  readonly durationMs: number;
};

export type Outcomes = {
  add(live: LiveSession, result: MessageResult): void;
  /** Resolves when nothing is waiting or being written. */
  idle(): Promise<void>;
};

export type OutcomePorts = {
  readonly guard: Pick<ReplayGuard, 'conclude'>;
  /** At most 256 outcomes. */
  readonly recordOutcomes: (live: LiveSession, outcomes: readonly MessageOutcome[]) => Promise<void>;
  readonly metrics: PipelineMetrics;
  /** Told when an effect took place and its outcome could not be recorded. */
  readonly onLost: (error: unknown, count: number) => void;
};

const ACTION = 'message.send';
const MAX_PER_EVENT = 256;

type Concluded = MessageResult & { readonly conclusion: Conclusion };

export function createOutcomes(ports: OutcomePorts): Outcomes {
  const waiting = new Map<LiveSession, Concluded[]>();
  const writing = new Map<LiveSession, Promise<void>>();

  function start(live: LiveSession): void {
    if (writing.has(live)) return;
    const task = write(live).finally(() => {
      writing.delete(live);
      if (waiting.has(live)) start(live);
    });
    writing.set(live, task);
  }

  async function write(live: LiveSession): Promise<void> {
    // One turn of the loop: results that settle together are recorded together.
    await new Promise((resolve) => setImmediate(resolve));
    const all = waiting.get(live) ?? [];
    waiting.delete(live);
    for (let at = 0; at < all.length; at += MAX_PER_EVENT)
      await record(live, all.slice(at, at + MAX_PER_EVENT));
  }

  async function record(live: LiveSession, batch: readonly Concluded[]): Promise<void> {
    let isRecorded = true;
    try {
      await ports.recordOutcomes(live, batch.map(outcomeOf));
    } catch (error) {
      // The effect stands and its trace ends at the decision: the client hears that nobody can vouch for it.
      isRecorded = false;
      ports.onLost(error, batch.length);
    }
    const replies = batch.map((item) => ({
      item,
      reply: isRecorded
        ? item.conclusion.reply
        : refusal('outcome_unknown', 'the outcome could not be recorded'),
    }));
    await ports.guard
      .conclude(
        live.guard,
        replies.map(({ item, reply }) => ({
          correlation: item.correlation,
          state: 'done',
          response: encodeReply(reply),
        })),
      )
      .catch(() => ports.metrics.guardUnavailable());
    live.finished(batch.map(({ message }) => message.sequence));
    const requests = replies.filter(({ item }) => item.message.kind === 'request');
    live.outbox.push(
      requests.map(({ item, reply }) => replyMessage(item.message.correlation, reply, item.message.trace)),
    );
  }

  return {
    add(live, result) {
      const conclusion = conclude(result.message.destination, result.result);
      ports.metrics.concluded(conclusion.outcome, result.durationMs);
      const list = waiting.get(live);
      if (list === undefined) waiting.set(live, [{ ...result, conclusion }]);
      else list.push({ ...result, conclusion });
      start(live);
    },
    async idle() {
      while (writing.size > 0) await Promise.all(writing.values());
    },
  };
}

function outcomeOf({ message, correlation, conclusion, durationMs }: Concluded): MessageOutcome {
  const { outcome, status, responseDigest } = conclusion;
  return {
    seq: BigInt(message.sequence),
    correlation,
    destination: message.destination,
    action: ACTION,
    outcome,
    status,
    ...(responseDigest === undefined ? {} : { responseDigest }),
    durationMs: Math.max(0, durationMs),
  };
}
