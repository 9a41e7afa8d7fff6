export { recordPrincipalCalls } from './principal-calls.ts';
export type { RecordPrincipalCallsOptions } from './principal-calls.ts';
export { startAuditTrail } from './trail.ts';
export type { AuditTrail, AuditTrailOptions } from './trail.ts';
export {
  AUDIT_EVENTS_PATTERN,
  auditAckSubject,
  auditEventsSender,
  auditEventsSubject,
  requireServiceOf,
} from './subjects.ts';
