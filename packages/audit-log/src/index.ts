export { makeDurableFolder } from './durable-folder.ts';
export { AuditLogError } from './errors.ts';
export type { AuditLogProblem } from './errors.ts';

export {
  accountChangeEvent,
  apiActivityEvent,
  authenticationEvent,
  authorizeSessionEvent,
  detectionFindingEvent,
  entityManagementEvent,
  SEQUENCE_GAP_FINDING,
  sequenceGapEvent,
} from './event/builders.ts';
export type {
  AccountChangeInput,
  ApiActivityInput,
  AuthenticationInput,
  AuthorizeSessionInput,
  EntityManagementInput,
  FindingInput,
} from './event/builders.ts';
export type { ActorInput, EventContext, PeerAddress } from './event/parts.ts';
export { frameEvent, rejectedFramesEvent } from './event/frames.ts';
export type {
  FrameDecisionInput,
  FrameOutcomeInput,
  MessageDecision,
  MessageOutcome,
  RejectedFramesInput,
} from './event/frames.ts';
export { boundedTarget } from './event/operation.ts';
export type { Operation } from './event/operation.ts';
export { decodeEvent, encodeEvent } from './event/codec.ts';
export type { DecodedEvent } from './event/codec.ts';
export { OCSF_CLASS } from './event/event.ts';
export type { AuditEvent, AuditEventType, Decision, Outcome } from './event/event.ts';
export {
  MAX_DESTINATION_BYTES,
  MAX_EVENT_BYTES,
  MAX_FRAME_MESSAGES,
  MAX_TARGET_BYTES,
} from './event/limits.ts';
export { RECORD_COLUMNS } from './event/record.ts';
export type { AuditRecord } from './event/record.ts';
export { recordsOf, recordsOfBody } from './event/records.ts';
export { mayBeTraced, tracesOf } from './event/traces.ts';

export { openSpool } from './spool/spool.ts';
export type { SpoolOptions } from './spool/spool.ts';
export type { AppendOptions, Spool, SpoolFile, SpoolFs, SpoolRange } from './spool/types.ts';
export { startShipper } from './ship/shipper.ts';
export type { Shipper, ShipperOptions, ShipperProblem } from './ship/shipper.ts';
export type { AuditTransport, ShipperClock, SpoolBatch } from './ship/types.ts';
export { openLog, rebuildLog } from './log/builder.ts';
export type { LogBuilder } from './log/builder.ts';
export { formatCheckpoint, parseCheckpoint, verifyCheckpoint } from './log/checkpoint.ts';
export type { CheckpointVerification } from './log/checkpoint.ts';
export { entryOf, entryOfDigest, parseEntry } from './log/entry.ts';
export type { EntryFields } from './log/entry.ts';
export { formatVerifierKey, parseNote, parseVerifierKey, signNote, verifyNote } from './log/note.ts';
export type { NoteVerification, SignedNote, VerifierKey } from './log/note.ts';
export { formatProof, parseProof, verifyProof } from './log/proof.ts';
export type { LogProof, ProofVerification } from './log/proof.ts';
export { signCheckpoint } from './log/sign.ts';
export type { SignCheckpointOptions, SigningFence } from './log/sign.ts';
export { fileTileStore, memoryTileStore } from './log/stores.ts';
export { claimedSize, readTileAt } from './log/narrower-tile.ts';
export { CHECKPOINT_PATH, parseTilePath, TILE_WIDTH, tilePath } from './log/tile-path.ts';
export { TileReader } from './log/tile-reader.ts';
export type { Checkpoint, NoteSigner, TileStore } from './log/types.ts';
export { verifyLog } from './verify/verify-log.ts';
export type { VerifyOptions } from './verify/verify-log.ts';
export type {
  FindingKind,
  LogLeaf,
  LogSource,
  ProducerRange,
  VerifyFinding,
  VerifyReport,
} from './verify/types.ts';
