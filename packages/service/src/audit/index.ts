export { AUDIT_EVENTS_SUBJECT, auditAckSubject } from './bus-transport.ts';
export { recordPrincipalCalls } from './principal-calls.ts';
export type { RecordPrincipalCallsOptions } from './principal-calls.ts';
export { startAuditTrail } from './trail.ts';
export type { AuditTrail, AuditTrailOptions } from './trail.ts';
