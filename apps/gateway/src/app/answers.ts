/** Answering what is not forwarded: final once it is recorded, or given back with nothing done. */
import { decodeReply, encodeReply, refusal, replyMessage, type Reply } from '../domain/reply.ts';
import type { Judged } from './judge.ts';
import type { LiveSession } from './live-session.ts';
import type { PipelineMetrics } from './measure.ts';
import type { Incoming } from './message.ts';
import type { ConcludedRequest, ReplayGuard } from './ports.ts';

export type AnswerPorts = {
  readonly guard: Pick<ReplayGuard, 'conclude' | 'response'>;
  readonly metrics: Pick<PipelineMetrics, 'guardUnavailable' | 'refused'>;
};

export type Answers = {
  /** After the record: what was refused is final, and its sender hears of it. */
  conclude(live: LiveSession, judged: Judged): Promise<void>;
  /** Claimed and not begun: it may be sent anew, or stays unknown where a gateway that died had begun on it. */
  release(live: LiveSession, claimed: readonly Incoming[]): Promise<void>;
  /** Nothing of the frame was done, and all of it may be sent anew. */
  giveBack(live: LiveSession, judged: Judged): Promise<void>;
};

export const RETRY_AFTER_MS = 500;
const UNKNOWN = refusal(
  'outcome_unknown',
  'a gateway that is gone had it, and nobody knows what became of it',
);

export function createAnswers({ guard, metrics }: AnswerPorts): Answers {
  async function conclude(live: LiveSession, { refused, settled }: Judged): Promise<void> {
    const answers: { incoming: Incoming; reply: Reply }[] = [];
    const claimed: ConcludedRequest[] = [];
    for (const { incoming, reply, isClaimed } of refused) {
      const { correlation } = incoming;
      const answer = reply === 'kept' ? await keptReply(live, correlation) : reply;
      if (isClaimed) claimed.push({ correlation, state: 'done', response: encodeReply(answer) });
      answers.push({ incoming, reply: answer });
    }
    await concludeClaims(live, claimed);
    if (settled.length > 0) live.finished(settled);
    if (refused.length > 0 || settled.length > 0) answer(live, answers);
    for (const { incoming, reply } of answers) {
      const code = reply.kind === 'refusal' ? (reply.code ?? 'kept') : 'kept';
      incoming.trace?.end({ 'sallyport.outcome': 'refused', 'sallyport.status': code });
    }
  }

  async function giveBack(live: LiveSession, { allowed, refused, settled }: Judged): Promise<void> {
    const unrecorded = refusal(
      'unavailable',
      'the decision could not be recorded, so nothing was done',
      RETRY_AFTER_MS,
    );
    const claimed = [...allowed, ...refused.flatMap((each) => (each.isClaimed ? [each.incoming] : []))];
    await release(live, claimed);
    live.finished([...settled, ...allowed.map(({ message }) => message.sequence)]);
    const answers = [
      ...allowed.map((incoming) => ({
        incoming,
        reply: incoming.mayHaveRun === true ? UNKNOWN : unrecorded,
      })),
      // A duplicate goes on waiting for the first of its kind.
      ...refused.map(({ incoming, reply, isClaimed }) => ({
        incoming,
        reply: (isClaimed && incoming.mayHaveRun !== true) || reply === 'kept' ? unrecorded : reply,
      })),
    ];
    answer(live, answers);
    for (const { incoming } of answers) incoming.trace?.end({ 'sallyport.outcome': 'refused' }, 'unrecorded');
  }

  function release(live: LiveSession, claimed: readonly Incoming[]): Promise<void> {
    return concludeClaims(
      live,
      claimed.map(({ correlation, mayHaveRun }) =>
        mayHaveRun === true
          ? { correlation, state: 'done', response: encodeReply(UNKNOWN) }
          : { correlation, state: 'released', response: undefined },
      ),
    );
  }

  async function concludeClaims(live: LiveSession, claims: readonly ConcludedRequest[]): Promise<void> {
    if (claims.length === 0) return;
    try {
      await guard.conclude(live.guard, claims);
    } catch {
      metrics.guardUnavailable();
    }
  }

  async function keptReply(live: LiveSession, correlation: string): Promise<Reply> {
    try {
      const kept = await guard.response(live.guard, correlation);
      const reply = kept === undefined ? undefined : decodeReply(kept);
      if (reply !== undefined) return reply;
    } catch {
      metrics.guardUnavailable();
      // It may be there all the same: lost would be final, unavailable would say that nothing was done.
      return refusal('running', 'it was carried out; its response cannot be had now', RETRY_AFTER_MS);
    }
    return refusal('response_lost', 'it was carried out; its response is no longer kept');
  }

  function answer(live: LiveSession, answers: readonly { incoming: Incoming; reply: Reply }[]): void {
    for (const { reply } of answers) if (reply.kind === 'refusal') metrics.refused(reply.code);
    const wanted = answers.filter(({ incoming }) => incoming.message.kind === 'request');
    live.outbox.push(
      wanted.map(({ incoming: { message }, reply }) =>
        replyMessage(message.correlation, reply, message.trace),
      ),
    );
  }

  return { conclude, giveBack, release };
}
