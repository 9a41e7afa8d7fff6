/** The records of the Model Context Protocol door: the events and the words of the channel's messages, one for each phase of a call. */
import { frameEvent, type EventContext } from '@sallyport/audit-log';
import type { AuditTrail } from '@sallyport/service/audit';
import { auditLabel } from '../domain/label.ts';
import type { CallRecords, RecordedCall } from '../door/guarded/ports.ts';
import type { Caller } from '../door/ports.ts';

/** Sessions whose place is remembered; one that comes back after that many others counts anew. */
const MAX_SESSIONS = 65_536;

/** `eventContext`: of a new event of that tenant. */
export function callRecords(
  trail: Pick<AuditTrail, 'record'>,
  eventContext: (tenant: string) => EventContext,
): CallRecords {
  const places = new Map<string, bigint>();

  const who = ({ principal, sessionId, peerAddress }: Caller) => ({
    principal: principal.id,
    sessionId,
    peer: { ip: auditLabel(peerAddress, 'unknown-source') },
  });

  return {
    decision(call, { decision, reason, policyRevision, requestDigest }) {
      const message = {
        ...messageOf(call),
        ...{ decision, requestDigest },
        reason: auditLabel(reason, decision),
        policyRevision: auditLabel(policyRevision, '0'),
      };
      const frame = { phase: 'decision' as const, ...who(call.caller), messages: [message] };
      return trail.record(frameEvent(eventContext(call.caller.principal.tenant), frame));
    },

    outcome(call, { outcome, status, durationMs }) {
      const message = { ...messageOf(call), outcome, status: auditLabel(status, 'none'), durationMs };
      const frame = { phase: 'outcome' as const, ...who(call.caller), messages: [message] };
      // What was begun may end: outcomes may use the spool's reserve.
      return trail.record(frameEvent(eventContext(call.caller.principal.tenant), frame), {
        useReserve: true,
      });
    },

    nextSeq({ sessionId }) {
      const seq = places.get(sessionId) ?? 0n;
      places.delete(sessionId);
      places.set(sessionId, seq + 1n);
      for (const oldest of places.keys()) {
        if (places.size <= MAX_SESSIONS) break;
        places.delete(oldest);
      }
      return seq;
    },
  };
}

function messageOf({ route, seq, correlation, action, target, argumentsDigest, traceparent }: RecordedCall) {
  return {
    ...{ seq, correlation, action },
    destination: route,
    ...(target === undefined && argumentsDigest === undefined
      ? {}
      : {
          operation: {
            ...(target === undefined ? {} : { target }),
            ...(argumentsDigest === undefined ? {} : { argumentsDigest }),
          },
        }),
    ...(traceparent === undefined ? {} : { traceparent }),
  };
}
