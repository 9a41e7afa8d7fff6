/** The query rows of an event: pure, so that a verifier can derive them again and compare. */
import { decodeEvent } from './codec.ts';
import type { DecodedEvent } from './codec.ts';
import type { Actor, AuditEvent, Authorization, Base, OperationRef } from './event.ts';
import type { AuditRecord } from './record.ts';

/** Rows of an event, by `item`: one for each message of a frame, else one. */
export function recordsOf(event: AuditEvent): AuditRecord[] {
  const common = commonRow(event.data);
  switch (event.type) {
    case 'sallyport.audit.authentication':
      return [
        {
          ...common,
          principal: event.data.user?.uid ?? '',
          action: 'session.authenticate',
          outcome: event.data.unmapped.outcome,
          sessionId: event.data.session?.uid ?? '',
        },
      ];
    case 'sallyport.audit.authorize_session':
      return [
        {
          ...common,
          ...authorizationColumns(event.data.unmapped.authorization),
          principal: event.data.user.uid,
          action: event.data.unmapped.action,
          outcome: event.data.unmapped.outcome,
          sessionId: event.data.session.uid,
        },
      ];
    case 'sallyport.audit.account_change':
      return [
        {
          ...common,
          principal: actorName(event.data.actor),
          action: event.data.unmapped.action,
          destination: event.data.user.uid,
          outcome: event.data.unmapped.outcome,
        },
      ];
    case 'sallyport.audit.entity_management':
      return [
        {
          ...common,
          principal: actorName(event.data.actor),
          action: event.data.unmapped.action,
          destination: `${event.data.entity.type}:${event.data.entity.uid}`,
          outcome: event.data.unmapped.outcome,
        },
      ];
    case 'sallyport.audit.detection_finding':
      return [
        {
          ...common,
          principal: event.data.actor === undefined ? '' : actorName(event.data.actor),
          action: event.data.unmapped.finding,
          destination: event.data.unmapped.gap?.producer ?? event.data.unmapped.about ?? '',
        },
      ];
    case 'sallyport.audit.call':
      return [
        {
          ...common,
          ...(event.data.unmapped.authorization === undefined
            ? {}
            : authorizationColumns(event.data.unmapped.authorization)),
          principal: actorName(event.data.actor),
          action: event.data.unmapped.action,
          destination: event.data.resources?.[0]?.name ?? '',
          outcome: event.data.unmapped.outcome,
        },
      ];
    case 'sallyport.audit.frame_decision':
      return event.data.unmapped.messages.map((message, item) => ({
        ...common,
        item,
        phase: 'decision',
        principal: actorName(event.data.actor),
        action: message.action,
        destination: message.destination,
        ...operationColumns(message.operation),
        decision: message.decision,
        // What was denied goes nowhere: its decision is all that will ever be said of it.
        ...(message.decision === 'deny' ? { outcome: 'refused' } : {}),
        reason: message.reason,
        policyRevision: message.policy_revision,
        sessionId: event.data.session?.uid ?? '',
        correlation: message.correlation,
        seq: BigInt(message.seq),
      }));
    case 'sallyport.audit.frame_outcome':
      return event.data.unmapped.messages.map((message, item) => ({
        ...common,
        item,
        phase: 'outcome',
        principal: actorName(event.data.actor),
        action: message.action,
        destination: message.destination,
        ...operationColumns(message.operation),
        reason: message.status,
        outcome: message.outcome,
        sessionId: event.data.session?.uid ?? '',
        correlation: message.correlation,
        seq: BigInt(message.seq),
      }));
    case 'sallyport.audit.frames_rejected':
      return [{ ...common, action: event.data.api.operation, outcome: 'refused' }];
  }
}

/**
 * Rows of a body as it was received. Total: a body that is no audit event has one row that says so, because a leaf
 * without a row would be invisible.
 */
export function recordsOfBody(body: Uint8Array): AuditRecord[] {
  return recordsOfDecoded(decodeEvent(body));
}

/** The same, of a body that is decoded already. */
export function recordsOfDecoded(decoded: DecodedEvent): AuditRecord[] {
  return decoded.ok ? recordsOf(decoded.event) : [{ ...EMPTY_ROW, activity: 'undecodable' }];
}

const EMPTY_ROW: AuditRecord = {
  item: 0,
  timeMs: 0,
  phase: 'event',
  classUid: 0,
  activity: '',
  tenant: '',
  principal: '',
  action: '',
  destination: '',
  target: '',
  argumentsDigest: '',
  decision: '',
  reason: '',
  policyRevision: '',
  outcome: '',
  sessionId: '',
  correlation: '',
  seq: 0n,
};

function commonRow(data: Base<number, number>): AuditRecord {
  return {
    ...EMPTY_ROW,
    timeMs: data.time,
    classUid: data.class_uid,
    activity: data.activity_name,
    tenant: data.metadata.tenant_uid,
    reason: data.status_code ?? '',
  };
}

function authorizationColumns(authorization: Authorization) {
  return { decision: authorization.decision, policyRevision: authorization.policy.version };
}

function operationColumns(operation: OperationRef | undefined) {
  return { target: operation?.target ?? '', argumentsDigest: operation?.arguments_digest ?? '' };
}

/** Principals have a colon in their name ("user:alice"); our services do not ("gateway"). */
function actorName(actor: Actor): string {
  return actor.user?.uid ?? actor.app_name ?? '';
}
