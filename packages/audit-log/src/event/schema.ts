/** The shape of every event type: what `decodeEvent` accepts. The bounds are those of the builders. */
import type { AuditEventType } from './event.ts';
import {
  MAX_DESTINATION_BYTES,
  MAX_FRAME_MESSAGES,
  MAX_IDENTIFIER_LENGTH,
  MAX_LABEL_LENGTH,
  MAX_SENTENCE_LENGTH,
  MAX_TARGET_BYTES,
} from './limits.ts';
import { integer, listOf, object, oneOf, positive, text } from './shape.ts';
import type { Shape } from './shape.ts';
import { VALUE } from './values.ts';

const label = text(MAX_LABEL_LENGTH, VALUE.visibleAscii);
const identifier = text(MAX_IDENTIFIER_LENGTH, VALUE.visibleAscii);
const sentence = text(MAX_SENTENCE_LENGTH);
const name = text(MAX_DESTINATION_BYTES);
const hex = text(64, VALUE.hex);
const seq: Shape = (value, path) =>
  typeof value === 'string' && VALUE.decimal.test(value) && BigInt(value) <= VALUE.maxU64 ? undefined : path;
const instant = integer(0, VALUE.maxTimeMs);
const count = integer(0, Number.MAX_SAFE_INTEGER);
/** Bounded, and no more: advice that is malformed must not make a record unreadable. `tracesOf` looks closer. */
const traceparent = text(MAX_LABEL_LENGTH);
const decision = oneOf('allow', 'deny');
const outcome = oneOf('success', 'failure', 'refused', 'unknown');

const user = object({ uid: identifier, type_id: oneOf(1, 99) });
const actor = object({}, { user, app_name: label });
const endpoint = object({}, { ip: label, port: integer(0, 65_535), name: label });
const session = object({ uid: hex });
const authorization = object({ decision, policy: object({ version: label }) });
const metadata = object(
  {
    version: label,
    product: object({ name: label, vendor_name: label }),
    tenant_uid: label,
  },
  { correlation_uid: identifier },
);

function data(
  classUid: number,
  categoryUid: number,
  required: Readonly<Record<string, Shape>>,
  optional: Readonly<Record<string, Shape>> = {},
): Shape {
  const shape = object(
    {
      class_uid: oneOf(classUid),
      category_uid: oneOf(categoryUid),
      activity_id: integer(0, 99),
      activity_name: label,
      type_uid: integer(classUid * 100, classUid * 100 + 99),
      time: instant,
      severity_id: integer(0, 99),
      metadata,
      ...required,
    },
    { status_id: integer(0, 99), status_code: label, message: sentence, ...optional },
  );
  return shape;
}

const operation = object({}, { target: text(MAX_TARGET_BYTES), arguments_digest: hex });

const decidedMessage = object(
  {
    seq,
    correlation: hex,
    destination: name,
    action: label,
    decision,
    reason: label,
    policy_revision: label,
    request_digest: hex,
  },
  { operation, traceparent },
);

const concludedMessage = object(
  {
    seq,
    correlation: hex,
    destination: name,
    action: label,
    outcome,
    status: label,
    duration_ms: positive,
  },
  { response_digest: hex, operation, traceparent },
);

function apiActivity(required: Readonly<Record<string, Shape>>, unmapped: Shape): Shape {
  return data(
    6003,
    6,
    {
      actor,
      api: object({ operation: identifier, service: object({ name: label }) }),
      src_endpoint: endpoint,
      unmapped,
      ...required,
    },
    {
      session,
      resources: listOf(object({ name }), 0, 1),
      count,
      start_time: instant,
      end_time: instant,
    },
  );
}

const DATA = {
  'sallyport.audit.account_change': data(3001, 3, {
    actor,
    user,
    unmapped: object({ action: label, outcome }),
  }),
  'sallyport.audit.authentication': data(
    3002,
    3,
    { auth_protocol: label, unmapped: object({ outcome }) },
    { user, session, src_endpoint: endpoint },
  ),
  'sallyport.audit.authorize_session': data(3003, 3, {
    user,
    session,
    privileges: listOf(label, 0, 64),
    unmapped: object({ action: label, outcome, authorization }),
  }),
  'sallyport.audit.entity_management': data(
    3004,
    3,
    {
      actor,
      entity: object({ type: label, uid: name }, { version: label }),
      unmapped: object({ action: label, outcome }),
    },
    { comment: sentence },
  ),
  'sallyport.audit.detection_finding': data(
    2004,
    2,
    {
      finding_info: object({ uid: identifier, title: sentence }, { desc: sentence }),
      is_alert: oneOf(true, false),
      unmapped: object(
        { finding: label },
        { about: name, gap: object({ producer: identifier, from_seq: seq, to_seq: seq }) },
      ),
    },
    { actor },
  ),
  'sallyport.audit.call': apiActivity(
    {},
    object({ kind: oneOf('call'), action: label, outcome }, { authorization }),
  ),
  'sallyport.audit.frame_decision': apiActivity(
    { session },
    object({ kind: oneOf('frame_decision'), messages: listOf(decidedMessage, 1, MAX_FRAME_MESSAGES) }),
  ),
  'sallyport.audit.frame_outcome': apiActivity(
    { session },
    object({ kind: oneOf('frame_outcome'), messages: listOf(concludedMessage, 1, MAX_FRAME_MESSAGES) }),
  ),
  'sallyport.audit.frames_rejected': apiActivity(
    { count, start_time: instant, end_time: instant },
    object({ kind: oneOf('frames_rejected'), cause: label }),
  ),
} satisfies Record<AuditEventType, Shape>;

const shapes = new Map<unknown, Shape>(Object.entries(DATA));

const envelope = object(
  {
    specversion: oneOf('1.0'),
    id: identifier,
    source: identifier,
    type: oneOf(...Object.keys(DATA)),
    time: text(24),
    datacontenttype: oneOf('application/json'),
  },
  { traceparent },
);

/** Fits an AuditEvent. */
export const eventShape: Shape = (value, path) => {
  const misfit = envelope(value, path);
  if (misfit !== undefined) return misfit;
  const { type, time, data: detail } = value as { type: unknown; time: string; data: unknown };
  const dataMisfit = shapes.get(type)?.(detail, `${path}.data`);
  if (dataMisfit !== undefined) return dataMisfit;
  // The envelope and the event must tell the same time: rows use one, other readers the other.
  const {
    time: timeMs,
    class_uid,
    activity_id,
    type_uid,
  } = detail as Record<'time' | 'class_uid' | 'activity_id' | 'type_uid', number>;
  if (new Date(timeMs).toISOString() !== time) return `${path}.time`;
  return type_uid === class_uid * 100 + activity_id ? undefined : `${path}.data.type_uid`;
};
