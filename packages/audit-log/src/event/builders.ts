/**
 * Builders of audit events. Pure: the time and every id are parameters.
 *
 * Each throws `AuditLogError` `invalid_event`, naming the attribute, when a value is out of its bounds: such a value
 * is a defect of the caller, who must have bounded what came from outside (the channel's parser does).
 */
import type { AuditEvent, Decision, Outcome } from './event.ts';
import { boundedTarget } from './operation.ts';
import { actor, api, authorization, base, endpoint, envelope, session, user } from './parts.ts';
import type { ActorInput, EventContext, PeerAddress } from './parts.ts';
import { check } from './values.ts';

export interface AuthenticationInput {
  readonly activity: 'logon' | 'logoff';
  readonly method: 'certificate' | 'psk' | 'oauth';
  /** Absent when nobody proved to be anyone: a claimed name is not an identity. */
  readonly principal?: string;
  readonly outcome: Outcome;
  readonly reason: string;
  readonly sessionId?: string;
  readonly peer?: PeerAddress;
}

export function authenticationEvent(context: EventContext, input: AuthenticationInput): AuditEvent {
  const activityId = input.activity === 'logon' ? 1 : 2; // OCSF 3002
  return {
    ...envelope(context, 'sallyport.audit.authentication'),
    data: {
      ...base(context, 3002, 3, activityId, input.activity, input.outcome, input.reason),
      ...(input.principal === undefined ? {} : { user: user(input.principal) }),
      auth_protocol: input.method,
      ...(input.sessionId === undefined ? {} : { session: session(input.sessionId) }),
      ...(input.peer === undefined ? {} : { src_endpoint: endpoint(input.peer) }),
      unmapped: { outcome: input.outcome },
    },
  };
}

export interface AuthorizeSessionInput {
  readonly principal: string;
  readonly sessionId: string;
  readonly action: string;
  readonly decision: Decision;
  readonly reason: string;
  readonly policyRevision: string;
  /** Roles the decision rested on, at most 64. */
  readonly privileges: readonly string[];
}

export function authorizeSessionEvent(context: EventContext, input: AuthorizeSessionInput): AuditEvent {
  const outcome = input.decision === 'allow' ? 'success' : 'refused';
  check.count('privileges', input.privileges.length, 0, 64);
  return {
    ...envelope(context, 'sallyport.audit.authorize_session'),
    data: {
      ...base(context, 3003, 3, 1, 'assign_privileges', outcome, input.reason),
      user: user(input.principal),
      session: session(input.sessionId),
      privileges: input.privileges.map((privilege) => check.label('privileges', privilege)),
      unmapped: {
        action: check.label('action', input.action),
        outcome,
        authorization: authorization(input.decision, input.policyRevision),
      },
    },
  };
}

const ACCOUNT_ACTIVITY = { create: 1, enable: 2, disable: 5, delete: 6, lock: 9, unlock: 12 } as const; // OCSF 3001

export interface AccountChangeInput {
  readonly activity: keyof typeof ACCOUNT_ACTIVITY;
  readonly actor: ActorInput;
  /** The principal whose account or credential changed. */
  readonly account: string;
  readonly action: string;
  readonly outcome: Outcome;
  readonly reason: string;
}

export function accountChangeEvent(context: EventContext, input: AccountChangeInput): AuditEvent {
  const activityId = ACCOUNT_ACTIVITY[input.activity];
  return {
    ...envelope(context, 'sallyport.audit.account_change'),
    data: {
      ...base(context, 3001, 3, activityId, input.activity, input.outcome, input.reason),
      actor: actor(input.actor),
      user: user(input.account),
      unmapped: { action: check.label('action', input.action), outcome: input.outcome },
    },
  };
}

// OCSF 3004
const ENTITY_ACTIVITY = {
  create: 1,
  read: 2,
  update: 3,
  delete: 4,
  enable: 8,
  disable: 9,
  activate: 10,
  deactivate: 11,
} as const;

export interface EntityManagementInput {
  readonly activity: keyof typeof ENTITY_ACTIVITY;
  readonly actor: ActorInput;
  readonly entity: {
    readonly type: 'role' | 'binding' | 'key' | 'policy' | 'session' | 'credential' | 'checkpoint' | 'tool';
    readonly id: string;
    readonly version?: string;
  };
  readonly action: string;
  readonly outcome: Outcome;
  readonly reason: string;
  readonly comment?: string;
}

/** A role, binding, key, policy bundle, session or credential was made, changed or removed. */
export function entityManagementEvent(context: EventContext, input: EntityManagementInput): AuditEvent {
  const { entity } = input;
  return {
    ...envelope(context, 'sallyport.audit.entity_management'),
    data: {
      ...base(context, 3004, 3, ENTITY_ACTIVITY[input.activity], input.activity, input.outcome, input.reason),
      actor: actor(input.actor),
      entity: {
        type: check.label('entity.type', entity.type),
        uid: check.text('entity.id', entity.id, 255),
        ...(entity.version === undefined ? {} : { version: check.label('entity.version', entity.version) }),
      },
      ...(input.comment === undefined ? {} : { comment: check.sentence('comment', input.comment) }),
      unmapped: { action: check.label('action', input.action), outcome: input.outcome },
    },
  };
}

const API_ACTIVITY = { create: 1, read: 2, update: 3, delete: 4, other: 99 } as const; // OCSF 6003

export interface ApiActivityInput {
  readonly activity: keyof typeof API_ACTIVITY;
  readonly actor: ActorInput;
  /** The method: "policy.v1.PolicyService/PutRole". */
  readonly operation: string;
  /** The name of the service that was called: "policy-service". */
  readonly service: string;
  /** The action that policy decided: "policy.write". */
  readonly action: string;
  readonly resource?: string;
  readonly decision?: { readonly decision: Decision; readonly policyRevision: string };
  readonly outcome: Outcome;
  readonly reason: string;
  readonly peer: PeerAddress;
  readonly requestId?: string;
}

/** A call of a service's method. */
export function apiActivityEvent(context: EventContext, input: ApiActivityInput): AuditEvent {
  return {
    ...envelope(context, 'sallyport.audit.call'),
    data: {
      ...base(
        context,
        6003,
        6,
        API_ACTIVITY[input.activity],
        input.activity,
        input.outcome,
        input.reason,
        input.requestId,
      ),
      actor: actor(input.actor),
      api: api(input.operation, input.service),
      src_endpoint: endpoint(input.peer),
      ...(input.resource === undefined
        ? {}
        : { resources: [{ name: check.text('resource', input.resource, 255) }] }),
      unmapped: {
        kind: 'call',
        action: check.label('action', input.action),
        outcome: input.outcome,
        ...(input.decision === undefined
          ? {}
          : { authorization: authorization(input.decision.decision, input.decision.policyRevision) }),
      },
    },
  };
}

export interface FindingInput {
  /** What kind of finding, for machines: "log_inconsistent". */
  readonly finding: string;
  readonly findingId: string;
  readonly title: string;
  readonly description?: string;
  readonly severity: 'informational' | 'low' | 'medium' | 'high' | 'critical';
  readonly isAlert: boolean;
  readonly actor?: ActorInput;
  /** What it was found at, `kind:id`; too long a one is cut as a target is. */
  readonly about?: string;
  readonly gap?: { readonly producer: string; readonly fromSeq: bigint; readonly toSeq: bigint };
}

const SEVERITY = { informational: 1, low: 2, medium: 3, high: 4, critical: 5 } as const;

export function detectionFindingEvent(context: EventContext, input: FindingInput): AuditEvent {
  const gap = input.gap;
  return {
    ...envelope(context, 'sallyport.audit.detection_finding'),
    data: {
      ...base(context, 2004, 2, 1, 'create', undefined, input.finding),
      severity_id: SEVERITY[input.severity],
      finding_info: {
        uid: check.identifier('findingId', input.findingId),
        title: check.sentence('title', input.title),
        ...(input.description === undefined
          ? {}
          : { desc: check.sentence('description', input.description) }),
      },
      is_alert: input.isAlert,
      ...(input.actor === undefined ? {} : { actor: actor(input.actor) }),
      unmapped: {
        finding: check.label('finding', input.finding),
        ...(input.about === undefined ? {} : { about: boundedTarget(input.about) }),
        ...(gap === undefined
          ? {}
          : {
              gap: {
                producer: check.identifier('gap.producer', gap.producer),
                from_seq: check.sequence('gap.fromSeq', gap.fromSeq),
                to_seq: check.sequence('gap.toSeq', gap.toSeq),
              },
            }),
      },
    },
  };
}

/** `finding` of a range of a producer's sequence that is lost. The verifier accepts such a gap; nothing else does. */
export const SEQUENCE_GAP_FINDING = 'sequence_gap';

/** The finding that audit-service records when a producer's floor has passed what was never received. */
export function sequenceGapEvent(
  context: EventContext,
  gap: { readonly producer: string; readonly fromSeq: bigint; readonly toSeq: bigint },
): AuditEvent {
  return detectionFindingEvent(context, {
    finding: SEQUENCE_GAP_FINDING,
    findingId: context.id,
    title: `Events ${gap.fromSeq} to ${gap.toSeq} of ${gap.producer} are lost`,
    description: 'The producer can no longer send them and they were never received.',
    severity: 'high',
    isAlert: true,
    gap,
  });
}
