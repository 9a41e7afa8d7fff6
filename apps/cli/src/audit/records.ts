/** Audit records as the service sends them, as people and programs read them, and as the verifier compares them. */
import { timestampMs } from '@bufbuild/protobuf/wkt';
import type { AuditRecord } from '@sallyport/audit-log';
import { toHex } from '@sallyport/crypto';
import { auditv1 } from '@sallyport/proto';
import { oneLine, timeText } from '../format.ts';

function phaseOf(phase: auditv1.Phase): AuditRecord['phase'] {
  if (phase === auditv1.Phase.DECISION) return 'decision';
  return phase === auditv1.Phase.OUTCOME ? 'outcome' : 'event';
}

/** What `--json` prints: only what the record has. */
export function recordJson(record: auditv1.Record): Record<string, unknown> {
  const all: Record<string, unknown> = {
    time: timeText(record.time),
    phase: phaseOf(record.phase),
    principal: record.principal,
    action: record.action,
    destination: record.destination,
    target: record.target,
    argumentsDigest: toHex(record.argumentsDigest),
    decision: record.decision,
    outcome: record.outcome,
    reason: record.reason,
    policyRevision: record.policyRevision,
    tenant: record.tenant,
    classUid: record.classUid,
    activity: record.activity,
    sessionId: toHex(record.sessionId),
    correlation: toHex(record.correlation),
    seq: record.seq,
    leafIndex: record.leafIndex,
    item: record.item,
    outcomeLeafIndex: record.outcomeLeafIndex,
    producer: record.producer,
    producerSeq: record.producerSeq,
    event: record.eventJson === '' ? undefined : JSON.parse(record.eventJson),
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== '' && value !== undefined));
}

/** One line for people. */
export function recordLine(record: auditv1.Record): string {
  const verdict = [record.decision, record.outcome].filter((text) => text !== '').join(' → ');
  const cells = [
    timeText(record.time) ?? '',
    (record.principal === '' ? '-' : record.principal).padEnd(16),
    `${record.action === '' ? record.activity : record.action} ${subjectOf(record)}`.trim().padEnd(28),
    verdict.padEnd(16),
    record.reason,
    record.policyRevision === '' ? '' : `policy ${record.policyRevision}`,
    `leaf ${record.leafIndex}`,
  ];
  return cells.filter((cell) => cell.trim() !== '').join('  ');
}

/** Where to, and what for inside it: `files › read_file`. Names come from outside: one line, no control characters. */
function subjectOf({ destination, target }: auditv1.Record): string {
  return [destination, target]
    .filter((text) => text !== '')
    .map(oneLine)
    .join(' › ');
}

/** The row as the verifier compares it with what the event says. */
export function recordRow(record: auditv1.Record): AuditRecord {
  return {
    item: record.item,
    timeMs: record.time === undefined ? 0 : timestampMs(record.time),
    phase: phaseOf(record.phase),
    classUid: record.classUid,
    activity: record.activity,
    tenant: record.tenant,
    principal: record.principal,
    action: record.action,
    destination: record.destination,
    target: record.target,
    argumentsDigest: toHex(record.argumentsDigest),
    decision: record.decision as AuditRecord['decision'],
    reason: record.reason,
    policyRevision: record.policyRevision,
    outcome: record.outcome as AuditRecord['outcome'],
    sessionId: toHex(record.sessionId),
    correlation: toHex(record.correlation),
    seq: record.seq,
  };
}
