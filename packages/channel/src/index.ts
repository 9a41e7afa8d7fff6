export { areLimitsSound, DEFAULT_LIMITS } from './accept.ts';
export type { SessionLease, SessionLimits, SignedBinding } from './accept.ts';
export { ALERT, encodeAlert, parseAlert } from './alert.ts';
export type { Alert, AlertCode } from './alert.ts';
export {
  bindingSignatureInput,
  credentialDigest,
  encodeBinding,
  parseBinding,
  SESSION_BINDING_LABEL,
  verifyBindingSignature,
} from './binding.ts';
export type { SessionBinding } from './binding.ts';
export type { Failure, HandshakeCause, MessageCause, SealCause, ShapeCause } from './causes.ts';
export type { ClientAuth, Credential } from './client-auth.ts';
export { ClientHandshake } from './client-handshake.ts';
export type { ClientFailure, Established } from './client-handshake.ts';
export { ClientResume } from './client-resume.ts';
export type { ClientResumeOptions, ResumedByClient } from './client-resume.ts';
export type { ClientCredential, ClientHandshakeOptions, VerifiedGateway } from './client-options.ts';
export type { ClientHello } from './client-hello.ts';
export {
  CHANNEL_BINDING,
  CORRELATION_LENGTH,
  EXPORTER_LABEL,
  EXPORTER_LENGTH,
  FRAME_TYPE,
  FRESHNESS_MS,
  MAX_FRAME_BYTES,
  MAX_HANDSHAKE_BYTES,
  MAX_MESSAGES_PER_FRAME,
  MAX_UNACKNOWLEDGED,
  METHOD,
  NONCE_LENGTH,
  PSK_ID_LENGTH,
  SID_LENGTH,
  WINDOW_SPAN,
} from './constants.ts';
export type { ChannelBindingType, Direction, FrameType, Kind, Method } from './constants.ts';
export { controlMessage, encodeControl, MAX_ACK_RANGES, parseControl } from './control.ts';
export type { Acknowledgement, Control, Finished } from './control.ts';
export { evidenceOf, verifyEvidence, verifyOpening } from './evidence.ts';
export type { Evidence, EvidenceCause, GatewayVoucher, VerifiedEvidence } from './evidence.ts';
export { parseFrame } from './frame.ts';
export type { Frame } from './frame.ts';
export { GatewayClock } from './gateway-clock.ts';
export { createGatewayIdentity } from './gateway-identity.ts';
export type { GatewayIdentity, GatewayIdentityInput } from './gateway-identity.ts';
export type { MessageHeader } from './header.ts';
export type { OpenedFrame, OpenedMessage } from './open-frame.ts';
export { derivePskKey, isPskClientProof, PSK_LENGTH, pskExport, pskServerProof } from './psk.ts';
export type { PskIdentity } from './psk.ts';
export { checkClientProof, checkGatewayProof, readHandshake, readPskProofRequest } from './raw-handshake.ts';
export type { HandshakeView, PskProofRequest, RawHandshake } from './raw-handshake.ts';
export { readResumeHello } from './resume-hello.ts';
export type { ResumeHello } from './resume-hello.ts';
export { encodeResumptionRecord, parseResumptionRecord, resumptionRecord } from './resumption-record.ts';
export type { ResumptionRecord } from './resumption-record.ts';
export { encodeRefusal, parseRefusal, REFUSAL } from './refusal.ts';
export type { Refusal, RefusalCode } from './refusal.ts';
export type { OutgoingMessage } from './seal-frame.ts';
export { SequenceWindow } from './sequence-window.ts';
export type { SequenceRange, SequenceVerdict } from './sequence-window.ts';
export { ServerHandshake } from './server-handshake.ts';
export type {
  AcceptInput,
  AuthenticationRequest,
  ServerFailure,
  ServerHandshakeOptions,
} from './server-options.ts';
export { ServerResume } from './server-resume.ts';
export type {
  Resumed,
  ResumeFailure,
  ResumeInput,
  ServerResumeOptions,
  VerifiedResume,
} from './server-resume.ts';
export { Session } from './session.ts';
export type { ResumptionSecret, SealedFrame } from './session.ts';
export { DEFAULT_SUITES } from './suite.ts';
export type { Suite, SuitePolicy } from './suite.ts';
export {
  encodeModelContext,
  MAX_MODEL_CONTEXT_LINES,
  MODEL_CONTEXT_DESTINATION,
  MODEL_CONTEXT_SERVING,
  MODEL_CONTEXT_TYPE,
  parseModelContextAnswer,
  parseModelContextCall,
  parseModelContextLine,
  parseModelContextServed,
  parseModelContextServing,
} from './model-context.ts';
export type {
  ModelContextAnswer,
  ModelContextCall,
  ModelContextLine,
  ModelContextPayload,
  ModelContextServed,
  ModelContextServing,
} from './model-context.ts';
