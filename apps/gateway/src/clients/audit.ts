/** The gateway's records as OCSF events in its own spool. */
import {
  authorizeSessionEvent,
  frameEvent,
  rejectedFramesEvent,
  type EventContext,
  type MessageDecision,
  type MessageOutcome,
} from '@sallyport/audit-log';
import { randomHex } from '@sallyport/crypto';
import type { AuditTrail } from '@sallyport/service/audit';
import type { LiveSession } from '../app/live-session.ts';
import { auditLabel } from '../domain/label.ts';
import type { Opening } from '../app/open-session.ts';
import type { ResumeEntry } from '../app/resume-session.ts';
import type { RejectionEntry } from '../app/rejections.ts';
import type { CallRecords } from '../door/guarded/ports.ts';
import { callRecords } from './call-records.ts';

export type GatewayRecords = {
  decisions(live: LiveSession, messages: readonly MessageDecision[]): Promise<void>;
  outcomes(live: LiveSession, messages: readonly MessageOutcome[]): Promise<void>;
  opening(opening: Opening): Promise<void>;
  resume(resume: ResumeEntry): Promise<void>;
  rejection(entry: RejectionEntry): Promise<void>;
  /** Of the Model Context Protocol door. */
  readonly calls: CallRecords;
};

/** Of those who are nobody yet. */
const NO_TENANT = 'default';
const EVENT_ID_BYTES = 16;

export function gatewayRecords(
  trail: Pick<AuditTrail, 'record'>,
  source: string,
  now: () => number,
): GatewayRecords {
  const context = (tenant: string): EventContext => ({
    id: randomHex(EVENT_ID_BYTES),
    timeMs: Math.trunc(now()),
    source,
    tenant,
  });
  const who = (live: LiveSession) => ({
    principal: live.principal.id,
    sessionId: live.id,
    peer: { ip: auditLabel(live.peerAddress, 'unknown-source') },
  });
  return {
    decisions: (live, messages) =>
      trail.record(frameEvent(context(live.principal.tenant), { phase: 'decision', ...who(live), messages })),
    // What was begun may end: outcomes may use the spool's reserve.
    outcomes: (live, messages) =>
      trail.record(frameEvent(context(live.principal.tenant), { phase: 'outcome', ...who(live), messages }), {
        useReserve: true,
      }),
    opening: ({ sessionId, principal, tenant, decision }) =>
      trail.record(
        authorizeSessionEvent(context(tenant), {
          principal,
          sessionId,
          action: 'session.open',
          decision: decision.decision,
          reason: auditLabel(decision.reasons[0] ?? '', decision.decision),
          policyRevision: String(decision.policyRevision),
          privileges: decision.roles.slice(0, 64).map((role) => auditLabel(role, 'none')),
        }),
      ),
    resume: ({ sessionId, principal, tenant, decision, cause, policyRevision }) =>
      trail.record(
        authorizeSessionEvent(context(tenant), {
          principal,
          sessionId,
          action: 'session.resume',
          decision,
          reason: auditLabel(cause, decision),
          policyRevision,
          privileges: [],
        }),
      ),
    rejection: ({ peerAddress, cause, count, fromMs, toMs }) =>
      trail.record(
        rejectedFramesEvent(context(NO_TENANT), {
          peer: { ip: auditLabel(peerAddress, 'unknown-source') },
          cause,
          count,
          interval: { fromMs: Math.trunc(fromMs), toMs: Math.trunc(toMs) },
        }),
      ),
    calls: callRecords(trail, context),
  };
}
