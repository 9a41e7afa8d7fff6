/**
 * A change of policy as an OCSF Entity Management event: before under `entity`, after under `entity_result`, each with
 * its content as `data` (OCSF 1.6, Managed Entity).
 *
 * The event's id comes from the stored change, so that one recorded twice, after a crash in between, is seen as one.
 */
import {
  boundedTarget,
  entityManagementEvent,
  type AuditEvent,
  type EntityManagementInput,
} from '@sallyport/audit-log';
import type { Actor, LoggedChange, RecordChange } from '../app/ports.ts';
import type { Binding } from '../domain/binding.ts';
import type { Change, ToolChange } from '../domain/policy-state.ts';
import type { Role } from '../domain/role.ts';
import { toolKey } from '../domain/tool.ts';

export type AuditSink = {
  record(event: AuditEvent, options: { readonly useReserve: boolean }): Promise<void>;
};

type Described = {
  readonly activity: EntityManagementInput['activity'];
  readonly type: 'role' | 'binding' | 'policy' | 'tool';
  readonly id: string;
  readonly action: string;
  readonly before: object | undefined;
  readonly after: object | undefined;
};

export function changeRecorder(sink: AuditSink, serviceId: string, tenant: string): RecordChange {
  // The change is stored already: a full spool refuses the next one, not the trace of this one.
  return (change) => sink.record(changeEvent(change, serviceId, tenant), { useReserve: true });
}

/** Throws `AuditLogError` for values out of bounds, which no valid change has. */
export function changeEvent(logged: LoggedChange, serviceId: string, tenant: string): AuditEvent {
  const described = describe(logged.change);
  const version = logged.revision.toString();
  const event = entityManagementEvent(
    {
      id: `policy-change-${version}-${logged.position}-${logged.atMs}`,
      timeMs: logged.atMs,
      source: serviceId,
      tenant,
    },
    {
      activity: described.activity,
      actor: actorOf(logged.actor),
      entity: { type: described.type, id: described.id, version },
      action: described.action,
      outcome: 'success',
      reason: logged.change.kind,
    },
  );
  if (event.type !== 'sallyport.audit.entity_management') return event;
  const { entity, metadata } = event.data;
  const data = {
    ...event.data,
    entity: { ...entity, ...(described.before === undefined ? {} : { data: described.before }) },
    ...(described.after === undefined ? {} : { entity_result: { ...entity, data: described.after } }),
    metadata: {
      ...metadata,
      ...(logged.actor.kind === 'principal' ? { correlation_uid: logged.actor.correlationId } : {}),
    },
  };
  return { ...event, data };
}

function actorOf(actor: Actor): EntityManagementInput['actor'] {
  return actor.kind === 'principal'
    ? { kind: 'principal', id: actor.id }
    : { kind: 'service', name: 'policy-service' };
}

function describe(change: Change): Described {
  switch (change.kind) {
    case 'role-put':
      return {
        activity: change.before === undefined ? 'create' : 'update',
        type: 'role',
        id: change.after.name,
        action: 'policy.write',
        before: change.before === undefined ? undefined : roleData(change.before),
        after: roleData(change.after),
      };
    case 'role-deleted':
      return {
        activity: 'delete',
        type: 'role',
        id: change.before.name,
        action: 'policy.write',
        before: roleData(change.before),
        after: undefined,
      };
    case 'binding-put':
      return bindingChange('create', change.after, undefined, change.after);
    case 'binding-deleted':
      return bindingChange('delete', change.before, change.before, undefined);
    case 'content-replaced':
      return policyChange('built-in', 'policy.install', { digest: change.before }, { digest: change.after });
    case 'bundle-key-replaced':
      return policyChange('bundle-key', 'policy.sign', { key: change.before }, { key: change.after });
    case 'tool-found':
      return toolChange(change, 'create', undefined, {
        digest: change.digest,
        pinned: change.isPinned,
        seen_by: change.seenBy,
      });
    case 'tool-approved':
      return toolChange(change, 'activate', { pinned: change.before }, { pinned: change.after });
    case 'tool-rejected':
      return toolChange(change, 'deactivate', { digest: change.digest, pinned: change.wasPinned }, undefined);
  }
}

/** Digests only: a definition is a stranger's text, and up to 64 KiB of it. */
function toolChange(
  change: ToolChange,
  activity: Described['activity'],
  before: object | undefined,
  after: object | undefined,
): Described {
  const action = change.kind === 'tool-found' ? 'tools.observe' : 'tools.write';
  return { activity, type: 'tool', id: boundedTarget(toolKey(change)), action, before, after };
}

function policyChange(id: string, action: string, before: object, after: object): Described {
  return { activity: 'update', type: 'policy', id, action, before, after };
}

function bindingChange(
  activity: 'create' | 'delete',
  { principal, role }: Binding,
  before: Binding | undefined,
  after: Binding | undefined,
): Described {
  return { activity, type: 'binding', id: `${principal} ${role}`, action: 'policy.write', before, after };
}

function roleData(role: Role): object {
  return { inherits: role.inherits, permissions: role.permissions, description: role.description };
}
