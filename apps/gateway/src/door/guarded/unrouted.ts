/** What the federated door refuses by itself, since it leads to no server, in the record: as a refusal at a server is. */
import { isResponse, type Message } from '@sallyport/model-context';
import { UpstreamFailure, type Call, type MessageCall } from '../ports.ts';
import { askedOf, askedOfServer, END, LISTEN, RESPONSE, type Asked } from './asked.ts';
import { createPassages, digestOfMessage, NO_BODY_DIGEST } from './passages.ts';
import { notRecorded } from './refusals.ts';
import type { GuardedPorts } from './ports.ts';

/** `call` without a message is a GET (`listen`) or a DELETE (`end`). Rejects with `UpstreamFailure` when it cannot be recorded. */
export type Unrouted = (
  call: Call | MessageCall,
  what: 'send' | 'listen' | 'end',
  reason: string,
) => Promise<void>;

/** Resolves when the refusal is durable; rejects with `UpstreamFailure` (`busy`) when it cannot be recorded. */
export function recordUnrouted(
  ports: Pick<GuardedPorts, 'route' | 'records' | 'metrics' | 'monotonic' | 'onProblem' | 'policyRevision'>,
): Unrouted {
  const { route, metrics, policyRevision } = ports;
  const passages = createPassages(ports);
  return async (call, what, reason) => {
    const message = what === 'send' && 'message' in call ? call.message : undefined;
    const digest =
      message === undefined
        ? NO_BODY_DIGEST
        : ((call as MessageCall).requestDigest ?? digestOfMessage(message));
    const passage = passages(call, askedBy(route, what, message), digest);
    try {
      await passage.decided({ decision: 'deny', reason, policyRevision: policyRevision() });
    } catch (error) {
      metrics.refused(notRecorded(error).reason);
      throw new UpstreamFailure('busy', 'a refusal could not be recorded', { cause: error });
    }
    metrics.refused(reason);
  };
}

function askedBy(route: string, what: 'send' | 'listen' | 'end', message: Message | undefined): Asked {
  if (message === undefined) return askedOfServer(route, what === 'end' ? END : LISTEN);
  if (isResponse(message)) return askedOfServer(route, RESPONSE);
  return askedOf(route, message);
}
