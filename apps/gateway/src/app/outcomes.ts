/**
 * The second half of a message's way: what came of it is **in the spool before its response leaves**. Results that
 * arrive while a write is under way share the next one.
 */
import type { OpenedMessage } from '@sallyport/channel';
import type { MessageOutcome } from '@sallyport/audit-log';
import { conclude, type Conclusion, type Met } from '../domain/outcome.ts';
import { encodeReply, refusal, replyMessage, type Reply } from '../domain/reply.ts';
import type { LiveSession } from './live-session.ts';
import type { PipelineMetrics } from './measure.ts';
import { appendStep, sharedStep, tracesIn, type MessageTrace } from './message-trace.ts';
import type { ConcludedRequest, ReplayGuard } from './ports.ts';
import type { FrameTicket } from './under-way.ts';

export type MessageResult = {
  readonly message: OpenedMessage;
  /** Hex. */
  readonly correlation: string;
  /** Settled when the outcome is final. */
  readonly ticket: FrameTicket;
  readonly met: Met;
  readonly durationMs: number;
  /** Of a message that is traced; ends here. */
  readonly trace?: MessageTrace;
};

export type Outcomes = {
  /** Never throws. */
  add(live: LiveSession, result: MessageResult): void;
};

export type OutcomePorts = {
  readonly guard: Pick<ReplayGuard, 'conclude'>;
  /** At most 256 outcomes. */
  readonly recordOutcomes: (live: LiveSession, outcomes: readonly MessageOutcome[]) => Promise<void>;
  readonly metrics: Pick<PipelineMetrics, 'concluded' | 'guardUnavailable' | 'refused'>;
  /** Told when effects took place and their outcomes could not be recorded. */
  readonly onLost: (error: unknown, count: number) => void;
  /** Told of what should be impossible; the session has been ended. */
  readonly onDefect: (error: unknown) => void;
};

const ACTION = 'message.send';
const MAX_PER_EVENT = 256;

export function createOutcomes(ports: OutcomePorts): Outcomes {
  /** Sessions with a writer at work, and what waits for its next turn. */
  const queues = new Map<LiveSession, MessageResult[]>();

  async function write(live: LiveSession): Promise<void> {
    for (;;) {
      // One turn of the loop: results that settle together are recorded together.
      await new Promise((resolve) => setImmediate(resolve));
      const batch = queues.get(live)?.splice(0, MAX_PER_EVENT) ?? [];
      if (batch.length === 0) break;
      try {
        await record(live, batch);
      } catch (error) {
        live.end('internal', 'defect');
        ports.onDefect(error);
      } finally {
        for (const { ticket } of batch) ticket.settle(1);
      }
    }
    queues.delete(live);
  }

  async function record(live: LiveSession, batch: readonly MessageResult[]): Promise<void> {
    const conclusions = batch.map(({ message, met }) => conclude(message.destination, met));
    const traces = tracesIn(batch);
    let replies: readonly Reply[] = conclusions.map(({ reply }) => reply);
    const append = appendStep(
      traces,
      batch.map((result, index) => outcomeOf(result, conclusions[index])),
    );
    try {
      await ports.recordOutcomes(live, append.records);
      append.end();
    } catch (error) {
      // The effect stands and its trace ends at the decision: the client hears that nobody can vouch for it.
      replies = batch.map(() => refusal('outcome_unknown', 'the outcome could not be recorded'));
      append.end('unrecorded');
      ports.onLost(error, batch.length);
    }
    measure(batch, conclusions);
    for (const reply of replies) if (reply.kind === 'refusal') ports.metrics.refused(reply.code);
    await tellGuard(live, batch, replies, traces);
    const respond = sharedStep(traces, 'gateway.respond', 'internal');
    live.finished(batch.map(({ message }) => message.sequence));
    live.outbox.push(
      batch.flatMap(({ message }, index) => {
        const reply = replies[index];
        return message.kind === 'request' && reply !== undefined
          ? [replyMessage(message.correlation, reply, message.trace)]
          : [];
      }),
    );
    respond?.end();
    for (const [index, { trace }] of batch.entries()) {
      const { outcome = 'unknown', status } = conclusions[index] ?? {};
      trace?.end({ 'sallyport.outcome': outcome, 'sallyport.status': status });
    }
  }

  async function tellGuard(
    live: LiveSession,
    batch: readonly MessageResult[],
    replies: readonly Reply[],
    traces: readonly MessageTrace[] | undefined,
  ): Promise<void> {
    const step = sharedStep(traces, 'guard.conclude', 'client');
    try {
      await ports.guard.conclude(
        live.guard,
        batch.map(({ correlation, met }, index) => concluded(correlation, met, replies[index])),
      );
      step?.end();
    } catch {
      step?.end('unavailable');
      ports.metrics.guardUnavailable();
    }
  }

  function measure(batch: readonly MessageResult[], conclusions: readonly Conclusion[]): void {
    for (const outcome of OUTCOMES) {
      let count = 0;
      let slowestMs = 0;
      for (const [index, { durationMs }] of batch.entries()) {
        if (conclusions[index]?.outcome !== outcome) continue;
        count += 1;
        slowestMs = Math.max(slowestMs, durationMs);
      }
      if (count > 0) ports.metrics.concluded(outcome, count, slowestMs);
    }
  }

  return {
    add(live, result) {
      const queue = queues.get(live);
      if (queue !== undefined) {
        queue.push(result);
        return;
      }
      queues.set(live, [result]);
      void write(live);
    },
  };
}

const OUTCOMES = ['success', 'failure', 'refused', 'unknown'] as const;

/** What was never forwarded may be sent anew; anything else is final and answered the same from now on. */
function concluded(correlation: string, met: Met, reply: Reply | undefined): ConcludedRequest {
  if (met.kind === 'session_ended' || reply === undefined)
    return { correlation, state: 'released', response: undefined };
  return { correlation, state: 'done', response: encodeReply(reply) };
}

function outcomeOf(
  { message, correlation, durationMs, trace }: MessageResult,
  conclusion: Conclusion | undefined,
): MessageOutcome {
  const { outcome = 'unknown', status = 'none', responseDigest } = conclusion ?? {};
  return {
    seq: BigInt(message.sequence),
    correlation,
    destination: message.destination,
    action: ACTION,
    outcome,
    status,
    ...(responseDigest === undefined ? {} : { responseDigest }),
    durationMs: Math.max(0, durationMs),
    ...(trace === undefined ? {} : { traceparent: trace.traceparent }),
  };
}
