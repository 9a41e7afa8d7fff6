/** Between protobuf messages and the use cases: the last place that knows both. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampMs, type Timestamp } from '@bufbuild/protobuf/wkt';
import { boundedTarget } from '@sallyport/audit-log';
import { fromHex, fromUtf8, toHex } from '@sallyport/crypto';
import { auditv1 } from '@sallyport/proto';
import { invalidArgument } from '@sallyport/service/errors';
import type { ExportedLeaf } from '../app/export-leaves.ts';
import type { RecordQuery, RecordWithEvent } from '../app/query-records.ts';
import type { RecordFilter, StoredRecord } from '../domain/leaf.ts';

const MAX_FILTER_LENGTH = 255;
const MAX_ID_BYTES = 32;

function text(field: string, value: string): string | undefined {
  if (value.length > MAX_FILTER_LENGTH) {
    throw invalidArgument(`${field} has at most ${MAX_FILTER_LENGTH} characters.`, { field });
  }
  return value === '' ? undefined : value;
}

function id(field: string, value: Uint8Array): string | undefined {
  if (value.length > MAX_ID_BYTES)
    throw invalidArgument(`${field} has at most ${MAX_ID_BYTES} bytes.`, { field });
  return value.length === 0 ? undefined : toHex(value);
}

function instant(field: string, value: Timestamp | undefined): number | undefined {
  if (value === undefined) return undefined;
  const ms = timestampMs(value);
  if (!Number.isSafeInteger(ms)) throw invalidArgument(`${field} is out of range.`, { field });
  return ms;
}

/** Only what was asked for: absent and empty are the same, and make the same page token. */
function filterOf(asked: { readonly [K in keyof RecordFilter]: RecordFilter[K] | undefined }): RecordFilter {
  const named = Object.entries(asked).filter(([, value]) => value !== undefined);
  return { joinOutcomes: false, ...Object.fromEntries(named) };
}

export function recordQuery(request: auditv1.QueryRecordsRequest): RecordQuery {
  return {
    filter: filterOf({
      sinceMs: instant('since', request.since),
      untilMs: instant('until', request.until),
      principal: text('principal', request.principal),
      action: text('action', request.action),
      outcome: text('outcome', request.outcome),
      destination: text('destination', request.destination),
      target: request.target === '' ? undefined : boundedTarget(request.target),
      decision: text('decision', request.decision),
      sessionId: id('session_id', request.sessionId),
      correlation: id('correlation', request.correlation),
      joinOutcomes: request.joinOutcomes,
    }),
    includeEvent: request.includeEvent,
    pageSize: request.pageSize,
    pageToken: request.pageToken,
  };
}

export function tailFilter(request: auditv1.TailRecordsRequest): RecordFilter {
  return filterOf({
    principal: text('principal', request.principal),
    destination: text('destination', request.destination),
    action: text('action', request.action),
    target: request.target === '' ? undefined : boundedTarget(request.target),
    joinOutcomes: false,
  });
}

/** A leaf index or a bound of leaves. */
export function leafNumber(field: string, value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw invalidArgument(`${field} is out of range.`, { field });
  return Number(value);
}

const PHASES: Readonly<Record<string, auditv1.Phase>> = {
  event: auditv1.Phase.EVENT,
  decision: auditv1.Phase.DECISION,
  outcome: auditv1.Phase.OUTCOME,
};

type RecordInit = MessageInitShape<typeof auditv1.RecordSchema>;

/** Stored values may be anything after somebody changed them: they are shown as well as the wire can, never refused. */
function storedMessage(
  record: StoredRecord,
  leafIndex: number,
  producer: string,
  producerSeq: bigint,
): RecordInit {
  return {
    leafIndex: BigInt.asUintN(64, BigInt(leafIndex)),
    item: record.item >>> 0,
    time: timestampOf(record.timeMs),
    phase: PHASES[record.phase] ?? auditv1.Phase.UNSPECIFIED,
    classUid: record.classUid >>> 0,
    activity: record.activity,
    producer,
    producerSeq: BigInt.asUintN(64, producerSeq),
    tenant: record.tenant,
    principal: record.principal,
    action: record.action,
    destination: record.destination,
    target: record.target,
    argumentsDigest: fromHex(record.argumentsDigest) ?? new Uint8Array(),
    decision: record.decision,
    reason: record.reason,
    policyRevision: record.policyRevision,
    outcome: record.outcome,
    sessionId: fromHex(record.sessionId) ?? new Uint8Array(),
    correlation: fromHex(record.correlation) ?? new Uint8Array(),
    seq: record.seq,
  };
}

function timestampOf(ms: number): MessageInitShape<typeof auditv1.RecordSchema>['time'] {
  const seconds = Math.floor(ms / 1000);
  return { seconds: BigInt(seconds), nanos: (ms - seconds * 1000) * 1_000_000 };
}

export function recordMessage(record: RecordWithEvent): RecordInit {
  const { body, outcomeLeafIndex } = record;
  return {
    ...storedMessage(record, record.leafIndex, record.producer, record.producerSeq),
    ...(body === undefined ? {} : { eventJson: eventJson(body) }),
    ...(outcomeLeafIndex === undefined ? {} : { outcomeLeafIndex: BigInt(outcomeLeafIndex) }),
  };
}

/** A body that is no JSON is not passed for it; the leaf has its bytes. */
function eventJson(body: Uint8Array): string {
  const json = fromUtf8(body);
  if (json === undefined) return '';
  try {
    JSON.parse(json);
    return json;
  } catch {
    return '';
  }
}

export function leafMessage(leaf: ExportedLeaf): MessageInitShape<typeof auditv1.LeafSchema> {
  return {
    leafIndex: BigInt(leaf.index),
    producer: leaf.producer,
    producerSeq: BigInt.asUintN(64, leaf.seq),
    body: leaf.body,
    leafHash: leaf.leafHash,
    records: leaf.records.map((record) => storedMessage(record, leaf.index, leaf.producer, leaf.seq)),
  };
}

/** A note as text. Bytes that are no text are shown as U+FFFD, which verifies as little as they do. */
export function noteText(note: Uint8Array): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(note);
}
