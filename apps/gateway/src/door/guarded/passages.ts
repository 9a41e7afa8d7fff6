/** One message on its way through a route: its decision and its outcome, in the record. */
import { hash } from 'node:crypto';
import { randomHex } from '@sallyport/crypto';
import { argumentsDigest, type Message } from '@sallyport/model-context';
import type { Call } from '../ports.ts';
import type { Asked } from './asked.ts';
import type { CallDecision, CallOutcome, GuardedPorts, RecordedCall } from './ports.ts';

export type Passage = {
  /** Told to the server, which finds its call in the record by it. */
  readonly correlation: string;
  /** Durable when it resolves; rejects with `SallyportError`, and nothing may be done then. */
  decided(decision: Omit<CallDecision, 'requestDigest'>): Promise<void>;
  /** The first one counts. False: it could not be recorded, which is in the log. Never rejects. */
  concluded(outcome: CallOutcome['outcome'], status: string): Promise<boolean>;
  /** What it comes to when the client goes away before anything else was said. */
  endsWithClient(signal: AbortSignal, outcome: CallOutcome['outcome'], status: string): void;
};

export type Passages = (call: Call, asked: Asked, requestDigest: string) => Passage;

const CORRELATION_BYTES = 16;

/** Each passage takes the next place in its caller's session; nothing is written before `decided`. */
export function createPassages({
  route,
  records,
  metrics,
  monotonic,
  onProblem,
}: Pick<GuardedPorts, 'route' | 'records' | 'metrics' | 'monotonic' | 'onProblem'>): Passages {
  return ({ caller, traceparent }, asked, requestDigest) => {
    const startedAt = monotonic();
    const call: RecordedCall = {
      caller,
      route,
      correlation: randomHex(CORRELATION_BYTES),
      action: asked.action,
      seq: records.nextSeq(caller),
      ...(asked.target === undefined ? {} : { target: asked.target }),
      ...(asked.arguments === undefined ? {} : { argumentsDigest: argumentsDigest(asked.arguments) }),
      ...(traceparent === undefined ? {} : { traceparent }),
    };
    let conclusion: Promise<boolean> | undefined;
    let forget: (() => void) | undefined;

    function concluded(outcome: CallOutcome['outcome'], status: string): Promise<boolean> {
      forget?.();
      return (conclusion ??= record(outcome, status));
    }

    async function record(outcome: CallOutcome['outcome'], status: string): Promise<boolean> {
      const durationMs = Math.max(0, monotonic() - startedAt);
      metrics.concluded(outcome, durationMs);
      try {
        await records.outcome(call, { outcome, status, durationMs });
        return true;
      } catch (error) {
        onProblem('an outcome could not be recorded', { route, action: call.action, error });
        return false;
      }
    }

    return {
      correlation: call.correlation,
      decided: (decision) => records.decision(call, { ...decision, requestDigest }),
      concluded,
      endsWithClient(signal, outcome, status) {
        const onAbort = (): void => void concluded(outcome, status);
        if (signal.aborted) return onAbort();
        signal.addEventListener('abort', onAbort, { once: true });
        forget = () => signal.removeEventListener('abort', onAbort);
      },
    };
  };
}

/** SHA-256 of the message as it is spelled here, lower-case hex. */
export const digestOfMessage = (message: Message): string => hash('sha256', JSON.stringify(message), 'hex');

/** GET and DELETE have no body. */
export const NO_BODY_DIGEST = hash('sha256', '', 'hex');
