/** Policy, asked in process. Whatever goes wrong is a denial. */
import type { Decision } from '@sallyport/policy-engine';
import type { Caller } from '../ports.ts';
import type { Asked } from './asked.ts';
import type { GuardedPorts, Question } from './ports.ts';
import { denied, type Refusal } from './refusals.ts';

export type Judged = { readonly decision: Decision; readonly refusal?: Refusal };

export type Judge = {
  decide(caller: Caller, asked: Asked): Judged;
  /** As if its arguments could be any: for what is asked about later, when they are not known any more. */
  decideAny(caller: Caller, asked: Asked): Judged;
  /** Without a word about why not. */
  isAllowed(question: Question): boolean;
};

const POLICY_ERROR: Decision = Object.freeze({
  decision: 'deny',
  reasons: ['policy_error'],
  requires: [],
  obligations: [],
  roles: [],
  effectiveRoles: [],
  policyRevision: 0,
  policyDigest: '',
  cached: false,
});

/** The decisions of one route. An allow with an obligation is a denial, as nothing here can meet one; what `decide` throws is one, too. */
export function createJudge({
  route,
  decide,
  metrics,
  monotonic,
  onProblem,
}: Pick<GuardedPorts, 'route' | 'decide' | 'metrics' | 'monotonic' | 'onProblem'>): Judge {
  function ask(question: Question): Decision {
    try {
      const decision = decide(question);
      // An allow that waits for something else is none: nothing here can meet an obligation.
      return decision.decision === 'allow' && decision.obligations.length > 0
        ? { ...decision, decision: 'deny', reasons: ['obligation_unknown'] }
        : decision;
    } catch (error) {
      onProblem('policy could not be asked', { route, error });
      return POLICY_ERROR;
    }
  }

  function judged(caller: Caller, asked: Asked, given: Question['arguments']): Judged {
    const startedAt = monotonic();
    const decision = ask({
      principal: caller.principal,
      action: asked.action,
      resource: asked.resource,
      ...(given === undefined ? {} : { arguments: given }),
    });
    metrics.decided(decision.decision, monotonic() - startedAt);
    return decision.decision === 'allow'
      ? { decision }
      : { decision, refusal: denied(caller, route, asked, decision) };
  }

  return {
    decide: (caller, asked) => judged(caller, asked, asked.arguments),
    decideAny: (caller, asked) => judged(caller, asked, 'any'),
    isAllowed: (question) => ask(question).decision === 'allow',
  };
}
