/**
 * The audit event: an OCSF 1.x event as the data of a CloudEvents 1.0 envelope (structured mode, JSON).
 *
 * What OCSF has an attribute for is written there; what it has none for is under `unmapped`, OCSF's own place for it.
 * Principals are written `kind:id`. Digests, correlations and session ids are lower-case hexadecimal.
 */

/** OCSF class_uid of each event in use. */
export const OCSF_CLASS = {
  accountChange: 3001,
  authentication: 3002,
  authorizeSession: 3003,
  entityManagement: 3004,
  detectionFinding: 2004,
  apiActivity: 6003,
} as const;

export type Decision = 'allow' | 'deny';
/** `refused`: stopped by us. `failure`: the effect was tried and failed. `unknown`: nobody can tell. */
export type Outcome = 'success' | 'failure' | 'refused' | 'unknown';

export interface Product {
  readonly name: 'Sallyport';
  readonly vendor_name: 'Sallyport';
}

export interface Metadata {
  readonly version: '1.6.0';
  readonly product: Product;
  readonly tenant_uid: string;
  readonly correlation_uid?: string;
}

/** OCSF base event, as far as it is used. `status_id`: 0 unknown, 1 success, 2 failure. */
export interface Base<Class extends number, Category extends number> {
  readonly class_uid: Class;
  readonly category_uid: Category;
  readonly activity_id: number;
  readonly activity_name: string;
  /** class_uid × 100 + activity_id. */
  readonly type_uid: number;
  /** Milliseconds since the Unix epoch; the envelope's `time` is the same instant. */
  readonly time: number;
  /** 1 informational, 2 low, 3 medium, 4 high, 5 critical. */
  readonly severity_id: number;
  readonly status_id?: number;
  /** The machine-readable reason. */
  readonly status_code?: string;
  readonly message?: string;
  readonly metadata: Metadata;
}

export interface User {
  /** `user:alice`, `workload:batch`, `device:door-7`. */
  readonly uid: string;
  /** 1 user, 99 other. */
  readonly type_id: number;
}

export interface Actor {
  readonly user?: User;
  readonly app_name?: string;
}

export interface Endpoint {
  readonly ip?: string;
  readonly port?: number;
  readonly name?: string;
}

export interface Authorization {
  readonly decision: Decision;
  readonly policy: { readonly version: string };
}

export interface SessionRef {
  readonly uid: string;
}

export interface AuthenticationData extends Base<3002, 3> {
  readonly user?: User;
  readonly auth_protocol: string;
  readonly session?: SessionRef;
  readonly src_endpoint?: Endpoint;
  readonly unmapped: { readonly outcome: Outcome };
}

export interface AuthorizeSessionData extends Base<3003, 3> {
  readonly user: User;
  readonly session: SessionRef;
  readonly privileges: readonly string[];
  readonly unmapped: {
    readonly action: string;
    readonly outcome: Outcome;
    readonly authorization: Authorization;
  };
}

export interface AccountChangeData extends Base<3001, 3> {
  readonly actor: Actor;
  readonly user: User;
  readonly unmapped: { readonly action: string; readonly outcome: Outcome };
}

export interface ManagedEntity {
  readonly type: string;
  readonly uid: string;
  readonly version?: string;
}

export interface EntityManagementData extends Base<3004, 3> {
  readonly actor: Actor;
  readonly entity: ManagedEntity;
  readonly comment?: string;
  readonly unmapped: { readonly action: string; readonly outcome: Outcome };
}

/** A call of a service's method. */
export interface CallDetail {
  readonly kind: 'call';
  readonly action: string;
  readonly outcome: Outcome;
  readonly authorization?: Authorization;
}

/** What a message asks for inside its destination. */
export interface OperationRef {
  /** Name of a tool or prompt, URI of a resource: at most 255 bytes, a longer one cut and followed by its digest. */
  readonly target?: string;
  /** SHA-256 of the arguments in their canonical form (RFC 8785), hexadecimal. The arguments are nowhere in the log. */
  readonly arguments_digest?: string;
}

/** A message before it is forwarded. */
export interface DecidedMessage {
  /** Decimal: a session sequence is 64 bits wide. */
  readonly seq: string;
  readonly correlation: string;
  readonly destination: string;
  readonly action: string;
  readonly decision: Decision;
  readonly reason: string;
  readonly policy_revision: string;
  readonly request_digest: string;
  readonly operation?: OperationRef;
  /** W3C trace context of the message, when it is traced. Nobody signed it: advice for whoever looks for its trace. */
  readonly traceparent?: string;
}

/** What came of it, before the response leaves. */
export interface ConcludedMessage {
  readonly seq: string;
  readonly correlation: string;
  readonly destination: string;
  readonly action: string;
  readonly outcome: Outcome;
  /** Of the route: "200", "timeout"; or the reason of a refusal. */
  readonly status: string;
  readonly response_digest?: string;
  readonly duration_ms: number;
  readonly operation?: OperationRef;
  /** As of a decision. */
  readonly traceparent?: string;
}

export interface FrameDecisionDetail {
  readonly kind: 'frame_decision';
  readonly messages: readonly DecidedMessage[];
}

export interface FrameOutcomeDetail {
  readonly kind: 'frame_outcome';
  readonly messages: readonly ConcludedMessage[];
}

/** Frames refused before authentication: how many, from where, why. Nobody is accused by name. */
export interface RejectedFramesDetail {
  readonly kind: 'frames_rejected';
  readonly cause: string;
}

export interface ApiActivityData extends Base<6003, 6> {
  readonly actor: Actor;
  readonly api: { readonly operation: string; readonly service: { readonly name: string } };
  readonly src_endpoint: Endpoint;
  readonly session?: SessionRef;
  readonly resources?: readonly { readonly name: string }[];
  readonly count?: number;
  readonly start_time?: number;
  readonly end_time?: number;
  readonly unmapped: CallDetail | FrameDecisionDetail | FrameOutcomeDetail | RejectedFramesDetail;
}

/** Sequence numbers of a producer that will never arrive. Both ends included; decimal. */
export interface SequenceGap {
  readonly producer: string;
  readonly from_seq: string;
  readonly to_seq: string;
}

export interface DetectionFindingData extends Base<2004, 2> {
  readonly finding_info: { readonly uid: string; readonly title: string; readonly desc?: string };
  readonly is_alert: boolean;
  readonly actor?: Actor;
  readonly unmapped: {
    readonly finding: string;
    /** What it was found at, `kind:id`, where it is no gap. */
    readonly about?: string;
    readonly gap?: SequenceGap;
  };
}

export type AuditData =
  | AccountChangeData
  | AuthenticationData
  | AuthorizeSessionData
  | EntityManagementData
  | DetectionFindingData
  | ApiActivityData;

/** CloudEvents 1.0 `type` of each. */
export type AuditEventType =
  | 'sallyport.audit.account_change'
  | 'sallyport.audit.authentication'
  | 'sallyport.audit.authorize_session'
  | 'sallyport.audit.entity_management'
  | 'sallyport.audit.detection_finding'
  | 'sallyport.audit.call'
  | 'sallyport.audit.frame_decision'
  | 'sallyport.audit.frame_outcome'
  | 'sallyport.audit.frames_rejected';

interface Envelope<Type extends AuditEventType, Data extends AuditData> {
  readonly specversion: '1.0';
  readonly id: string;
  /** SPIFFE id of the service that recorded it. */
  readonly source: string;
  readonly type: Type;
  /** RFC 3339, UTC, milliseconds. */
  readonly time: string;
  readonly datacontenttype: 'application/json';
  /** CloudEvents' distributed tracing extension; of an event that is about one thing. */
  readonly traceparent?: string;
  readonly data: Data;
}

type ApiActivity<Detail extends ApiActivityData['unmapped']> = ApiActivityData & {
  readonly unmapped: Detail;
};

export type AuditEvent =
  | Envelope<'sallyport.audit.account_change', AccountChangeData>
  | Envelope<'sallyport.audit.authentication', AuthenticationData>
  | Envelope<'sallyport.audit.authorize_session', AuthorizeSessionData>
  | Envelope<'sallyport.audit.entity_management', EntityManagementData>
  | Envelope<'sallyport.audit.detection_finding', DetectionFindingData>
  | Envelope<'sallyport.audit.call', ApiActivity<CallDetail>>
  | Envelope<'sallyport.audit.frame_decision', ApiActivity<FrameDecisionDetail>>
  | Envelope<'sallyport.audit.frame_outcome', ApiActivity<FrameOutcomeDetail>>
  | Envelope<'sallyport.audit.frames_rejected', ApiActivity<RejectedFramesDetail>>;
