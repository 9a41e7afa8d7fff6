/** What events of several classes are made of. */
import type { AuditEvent, Base, Decision, Metadata, Outcome, User } from './event.ts';
import { traced } from './traces.ts';
import { check } from './values.ts';

/** What every event has: its own id, the instant, the recording service's SPIFFE id, the tenant. */
export interface EventContext {
  readonly id: string;
  readonly timeMs: number;
  readonly source: string;
  readonly tenant: string;
  /** W3C `traceparent` of what it records, when that is traced. What is not one is left out. */
  readonly traceparent?: string;
}

export interface PeerAddress {
  readonly ip: string;
  readonly port?: number;
}

/** Who did it: an authenticated principal (`user:alice`) or one of our services (`gateway`). */
export type ActorInput =
  { readonly kind: 'principal'; readonly id: string } | { readonly kind: 'service'; readonly name: string };

export function envelope<Type extends AuditEvent['type']>(context: EventContext, type: Type) {
  return {
    specversion: '1.0',
    id: check.identifier('id', context.id),
    source: check.identifier('source', context.source),
    type,
    time: new Date(check.instant('timeMs', context.timeMs)).toISOString(),
    datacontenttype: 'application/json',
    ...traced(context.traceparent),
  } as const;
}

export function base<Class extends number, Category extends number>(
  context: EventContext,
  classUid: Class,
  categoryUid: Category,
  activityId: number,
  activityName: string,
  outcome: Outcome | undefined,
  reason: string | undefined,
  correlationId?: string,
): Base<Class, Category> {
  const metadata: Metadata = {
    version: '1.6.0',
    product: { name: 'Sallyport', vendor_name: 'Sallyport' },
    tenant_uid: check.label('tenant', context.tenant),
    ...(correlationId === undefined
      ? {}
      : { correlation_uid: check.identifier('correlationId', correlationId) }),
  };
  return {
    class_uid: classUid,
    category_uid: categoryUid,
    activity_id: activityId,
    activity_name: activityName,
    type_uid: classUid * 100 + activityId,
    time: context.timeMs,
    severity_id: outcome === undefined || outcome === 'success' ? 1 : 2,
    ...(outcome === undefined
      ? {}
      : { status_id: outcome === 'success' ? 1 : outcome === 'unknown' ? 0 : 2 }),
    ...(reason === undefined ? {} : { status_code: check.label('reason', reason) }),
    metadata,
  };
}

export function user(principal: string): User {
  const uid = check.identifier('principal', principal);
  return { uid, type_id: uid.startsWith('user:') ? 1 : 99 };
}

export function session(sessionId: string) {
  return { uid: check.hex('sessionId', sessionId) };
}

export function api(operation: string, service: string) {
  return {
    operation: check.identifier('operation', operation),
    service: { name: check.label('service', service) },
  };
}

export function endpoint(peer: PeerAddress) {
  return {
    ip: check.label('peer.ip', peer.ip),
    ...(peer.port === undefined ? {} : { port: check.count('peer.port', peer.port, 0, 65_535) }),
  };
}

export function actor(input: ActorInput) {
  return input.kind === 'principal'
    ? { user: user(input.id) }
    : { app_name: check.label('actor.name', input.name) };
}

export function authorization(decision: Decision, policyRevision: string) {
  return { decision, policy: { version: check.label('policyRevision', policyRevision) } };
}
