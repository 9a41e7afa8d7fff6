/**
 * Where audit events and their acknowledgements travel. The producer's service is a token of both subjects, so that the
 * broker's permissions prove who sends, and let nobody hear an acknowledgement that is another's.
 */
import { sha256, toHex, utf8 } from '@sallyport/crypto';
import { isServiceName, parseSpiffeId, type ServiceName } from '../identity/spiffe.ts';

/** Every service's events; what audit-service consumes. */
export const AUDIT_EVENTS_PATTERN = 'audit.events.*';

/** Where `service` sends its events, and nobody else may. */
export function auditEventsSubject(service: ServiceName): string {
  return `audit.events.${service}`;
}

/** The service that a subject of events belongs to. `undefined` for any other subject. */
export function auditEventsSender(subject: string): ServiceName | undefined {
  const [audit, events, service = '', ...rest] = subject.split('.');
  return audit === 'audit' && events === 'events' && rest.length === 0 && isServiceName(service)
    ? service
    : undefined;
}

/** Acknowledgements to `service`, of all its instances. */
export function auditAckPattern(service: ServiceName): string {
  return `audit.ack.${service}.*`;
}

/** Where audit-service acknowledges to one producer. Throws `TypeError` when it is not one of a service. */
export function auditAckSubject(producer: string): string {
  const instance = toHex(sha256(utf8(producer)).subarray(0, 8));
  return auditAckPattern(requireServiceOf(producer)).replace('*', instance);
}

/** `gateway` of `spiffe://<trust domain>/svc/gateway#<instance>`. Throws `TypeError`. */
export function requireServiceOf(producer: string): ServiceName {
  const id = parseSpiffeId(producer.split('#', 1)[0] ?? '');
  if (id?.kind === 'svc' && isServiceName(id.name)) return id.name;
  throw new TypeError(`"${producer}" is not a producer of audit events`);
}
