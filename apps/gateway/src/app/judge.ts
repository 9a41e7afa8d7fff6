/** Judging the messages of an admitted frame: policy, in process, and what the guard's verdicts mean. Waits for nothing. */
import { parseControl, type Control, type RefusalCode } from '@sallyport/channel';
import type { MessageDecision } from '@sallyport/audit-log';
import type { Decision, DecisionRequest } from '@sallyport/policy-engine';
import { refusal, type Reply } from '../domain/reply.ts';
import type { LiveSession } from './live-session.ts';
import type { PipelineMetrics } from './measure.ts';
import { ACTION, decisionOf, isAccepted, isAddressed, type Incoming } from './message.ts';
import type { RecordVerdict } from './ports.ts';

export type JudgePorts = {
  /** Synchronous and in process; never throws. */
  readonly decide: (request: DecisionRequest) => Decision;
  /** The revision in force, for the record of what policy was not asked about. */
  readonly policyRevision: () => string;
  readonly metrics: Pick<PipelineMetrics, 'decided'>;
  /** A clock that never goes back, in milliseconds. */
  readonly monotonic: () => number;
};

/** Answered without being forwarded; `kept`: with the response that the ledger holds. */
export type Refused = {
  readonly incoming: Incoming;
  readonly reply: Reply | 'kept';
  readonly isClaimed: boolean;
};

export type Judged = {
  /** Of the bundle that all of them were judged by. */
  readonly policyRevision: string;
  readonly decisions: MessageDecision[];
  readonly allowed: Incoming[];
  readonly refused: Refused[];
  /** Accepted and not forwarded: final as soon as the decisions are recorded. */
  readonly settled: number[];
  readonly controls: Control[];
};

/** How the client hears of what the guard refused. `duplicate` and `running` will be answered by the first. */
const REFUSAL_OF = {
  duplicate: 'duplicate',
  stale: 'stale',
  too_far_ahead: 'too_far_ahead',
  running: 'running',
  unknown: 'outcome_unknown',
  correlation_reuse: 'correlation_reuse',
  busy: 'busy',
} as const satisfies Record<Exclude<RecordVerdict, 'new' | 'taken_over' | 'done'>, RefusalCode>;

export type Judge = (
  live: LiveSession,
  all: readonly Incoming[],
  verdicts: readonly RecordVerdict[],
) => Judged;

export function createJudge(ports: JudgePorts): Judge {
  /** Everything that needs no waiting: what is allowed, what is not, and how its sender hears of it. */
  function judge(live: LiveSession, all: readonly Incoming[], verdicts: readonly RecordVerdict[]): Judged {
    const startedAt = ports.monotonic();
    const revision = ports.policyRevision();
    const judged: Judged = {
      policyRevision: revision,
      ...{ decisions: [], allowed: [], refused: [], settled: [], controls: [] },
    };
    let denied = 0;
    for (const [index, incoming] of all.entries()) {
      // The guard answers for every record; if ever it did not, the record was not admitted.
      const verdict = verdicts[index] ?? 'duplicate';
      if (isAccepted(verdict) && !isAddressed(incoming.message)) {
        const problem = controlProblem(incoming, judged.controls);
        if (problem !== undefined) judged.decisions.push(decisionOf(incoming, 'deny', problem, revision));
        judged.settled.push(incoming.message.sequence);
      } else if (verdict === 'new' || verdict === 'taken_over') {
        const { decision, reply } = decide(live, incoming);
        judged.decisions.push(decision);
        if (reply === undefined) judged.allowed.push(incoming);
        else {
          denied += 1;
          judged.refused.push({ incoming, reply, isClaimed: true });
          judged.settled.push(incoming.message.sequence);
        }
      } else {
        judged.decisions.push(decisionOf(incoming, 'deny', verdict, revision));
        const reply = verdict === 'done' ? 'kept' : refusal(REFUSAL_OF[verdict], '');
        judged.refused.push({ incoming, reply, isClaimed: false });
        if (isAccepted(verdict)) judged.settled.push(incoming.message.sequence);
      }
    }
    ports.metrics.decided(judged.allowed.length, denied, ports.monotonic() - startedAt);
    return judged;
  }

  function decide(live: LiveSession, incoming: Incoming): { decision: MessageDecision; reply?: Reply } {
    const { destination } = incoming.message;
    const answer = ports.decide({
      principal: live.principal,
      action: ACTION,
      resource: { kind: 'destination', name: destination },
    });
    const revision = String(answer.policyRevision);
    const isAllowed = answer.decision === 'allow';
    const reason = answer.reasons[0] ?? (isAllowed ? 'allowed' : 'denied');
    const decision = decisionOf(incoming, answer.decision, reason, revision);
    if (isAllowed) return { decision };
    const need = answer.requires.length === 0 ? '' : `; it would need ${answer.requires.join(' or ')}`;
    const detail = `${live.principal.id} may not send to "${destination}" under policy revision ${revision}${need}`;
    if (incoming.mayHaveRun === true)
      return {
        decision,
        reply: refusal('outcome_unknown', `${detail}; it may have been carried out before`),
      };
    return { decision, reply: refusal('denied', detail) };
  }

  return judge;
}

/** Adds a control message to `controls`, or says why it is none. */
function controlProblem({ message }: Incoming, controls: Control[]): string | undefined {
  if (message.kind !== 'control') return 'unexpected_kind';
  const parsed = parseControl(message.payload);
  if (!parsed.ok) return 'bad_control';
  controls.push(parsed.control);
  return undefined;
}
