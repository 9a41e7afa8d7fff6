/** Events of sessions and credentials as OCSF events in the audit spool. */
import {
  authenticationEvent,
  entityManagementEvent,
  rejectedFramesEvent,
  type AuditEvent,
} from '@sallyport/audit-log';
import type { AuditTrail } from '@sallyport/service/audit';
import type { RecordEvent, RecordFailures } from '../app/ports.ts';
import type { HandshakeCause } from '../domain/handshake-cause.ts';
import type { AuthEvent, PasswordChanged, PskChanged, SessionEnded, TokenIssued } from '../domain/events.ts';
import { UNKNOWN_SOURCE } from '../domain/source.ts';

export type Recorder = Pick<AuditTrail, 'record'>;

/** `serviceId`: SPIFFE id of this service. */
export function eventRecorder(trail: Recorder, serviceId: string): RecordEvent {
  // What it tells of is committed already: a full spool refuses what comes next, not the trace of this.
  return (event) => trail.record(auditEvent(event, serviceId), { useReserve: true });
}

/** Counts of failed attempts at `what`: from where, why, how many. Nobody is accused by name. */
export function failureRecorder<Cause extends string = HandshakeCause>(
  trail: Recorder,
  options: { readonly serviceId: string; readonly tenant: string; readonly newId: () => string },
  what: 'handshake' | 'sign_in' = 'handshake',
): RecordFailures<Cause> {
  return ({ source, cause, count, fromMs, toMs }) =>
    trail.record(
      rejectedFramesEvent(
        { id: options.newId(), timeMs: toMs, source: options.serviceId, tenant: options.tenant },
        { peer: { ip: source }, cause: `${what}:${cause}`, count, interval: { fromMs, toMs } },
      ),
    );
}

export function auditEvent(event: AuthEvent, serviceId: string): AuditEvent {
  const context = { id: event.id, timeMs: event.timeMs, source: serviceId, tenant: event.tenant };
  switch (event.kind) {
    case 'session_opened':
      return authenticationEvent(context, {
        activity: 'logon',
        method: event.method,
        principal: event.principal,
        outcome: 'success',
        reason: 'authenticated',
        sessionId: event.sessionId,
        ...(event.sourceAddress === UNKNOWN_SOURCE ? {} : { peer: { ip: event.sourceAddress } }),
      });
    case 'session_ended':
      return event.how === 'revoked' ? revoked(context, event) : loggedOff(context, event);
    case 'token_issued':
      return tokenIssued(context, event);
    case 'password_set':
    case 'password_deleted':
      return passwordChanged(context, event);
    case 'psk_created':
    case 'psk_revoked':
      return pskChanged(context, event);
  }
}

type Context = Parameters<typeof authenticationEvent>[0];

function loggedOff(context: Context, event: SessionEnded): AuditEvent {
  return authenticationEvent(context, {
    activity: 'logoff',
    method: event.method,
    principal: event.principal,
    outcome: 'success',
    reason: event.cause,
    sessionId: event.sessionId,
  });
}

function revoked(context: Context, event: SessionEnded): AuditEvent {
  return entityManagementEvent(context, {
    activity: 'delete',
    actor: event.actor,
    entity: { type: 'session', id: event.sessionId },
    action: 'session.revoked',
    outcome: 'success',
    reason: 'revoked',
    comment: `of ${event.principal}: ${event.cause}`,
  });
}

function pskChanged(context: Context, event: PskChanged): AuditEvent {
  const isNew = event.kind === 'psk_created';
  return entityManagementEvent(context, {
    activity: isNew ? 'create' : 'disable',
    actor: event.actor,
    entity: { type: 'credential', id: `psk/${event.pskId}` },
    action: isNew ? 'psk.created' : 'psk.revoked',
    outcome: 'success',
    reason: isNew ? 'created' : 'revoked',
    comment: `of ${event.principal}${event.label === '' ? '' : `: ${event.label}`}`,
  });
}

function tokenIssued(context: Context, event: TokenIssued): AuditEvent {
  return entityManagementEvent(context, {
    activity: 'create',
    actor: event.actor,
    entity: { type: 'credential', id: `token/${event.tokenId}` },
    action: 'token.issued',
    outcome: 'success',
    reason: event.isBound ? 'bound' : 'bearer',
    comment: clipped(
      `of ${event.principal}, session ${event.sessionId}, to ${event.clientId}, for ${event.audience.join(' ')}`,
    ),
  });
}

function passwordChanged(context: Context, event: PasswordChanged): AuditEvent {
  const isSet = event.kind === 'password_set';
  return entityManagementEvent(context, {
    activity: isSet ? 'create' : 'delete',
    actor: event.actor,
    entity: { type: 'credential', id: `password/${event.principal}` },
    action: isSet ? 'password.set' : 'password.deleted',
    outcome: 'success',
    reason: isSet ? 'set' : 'deleted',
  });
}

/** As long as a sentence of the log may be. */
const MAX_COMMENT = 480;

function clipped(text: string): string {
  return text.length <= MAX_COMMENT ? text : `${text.slice(0, MAX_COMMENT)}…`;
}
