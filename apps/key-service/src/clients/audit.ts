/** Key events as OCSF Entity Management (class 3004) in the audit spool. */
import { entityManagementEvent } from '@sallyport/audit-log';
import type { AuditTrail } from '@sallyport/service/audit';
import type { RecordEvent } from '../app/ports.ts';
import type { KeyEvent, KeySubject } from '../domain/key-event.ts';

const ACTIVITY = { created: 'create', deactivated: 'deactivate', destroyed: 'delete' } as const;

/** `serviceId`: SPIFFE id of this service. */
export function auditRecorder(trail: Pick<AuditTrail, 'record'>, serviceId: string): RecordEvent {
  return (event) => {
    const context = {
      id: event.id,
      timeMs: event.timeMs,
      source: serviceId,
      tenant: event.subject.tenant,
    };
    return trail.record(
      entityManagementEvent(context, {
        activity: ACTIVITY[event.change],
        actor: event.actor,
        entity: entityOf(event.subject),
        action: actionOf(event),
        outcome: 'success',
        reason: event.cause,
      }),
      // What it tells of is committed already: a full spool refuses what comes next, not the trace of this.
      { useReserve: true },
    );
  };
}

function entityOf(subject: KeySubject) {
  switch (subject.type) {
    case 'key':
      return { type: 'key', id: subject.name, version: String(subject.version) } as const;
    case 'session-key':
      return { type: 'key', id: `session/${subject.sessionId}` } as const;
    case 'data-key':
      return { type: 'key', id: `${subject.name}/data/${subject.dataKeyId}` } as const;
  }
}

/** `key.created`, `session_key.destroyed`, … */
function actionOf(event: KeyEvent): string {
  return `${event.subject.type.replaceAll('-', '_')}.${event.change}`;
}
