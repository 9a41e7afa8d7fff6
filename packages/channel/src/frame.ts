/** The outermost layout: ver u8 | type u8 | sid 16 | body (docs/protocol.md section 3). */
import { concatBytes } from '@sallyport/crypto';
import { failure, type Failure, type ShapeCause } from './causes.ts';
import {
  FRAME_HEADER_LENGTH,
  FRAME_TYPE,
  MAX_FRAME_BYTES,
  MAX_HANDSHAKE_BYTES,
  nameOf,
  PROTOCOL_VERSION,
  type FrameType,
} from './constants.ts';

export interface Frame {
  readonly ok: true;
  readonly type: FrameType;
  /** View of the input, 16 bytes; all zero in ClientHello. */
  readonly sid: Uint8Array;
  /** View of the input. */
  readonly body: Uint8Array;
}

/**
 * Splits a frame, for routing: version, type and size are checked, the body is not. Total: any input gives a value.
 * Views only; the caller leaves the buffer alone while they are in use.
 */
export function parseFrame(bytes: Uint8Array): Frame | Failure<ShapeCause> {
  if (bytes.length > MAX_FRAME_BYTES) return failure('oversized');
  if (bytes.length < FRAME_HEADER_LENGTH) return failure('truncated');
  if (bytes[0] !== PROTOCOL_VERSION) return failure('unknown_version');
  const type = frameType(bytes[1] ?? 0);
  if (type === undefined) return failure('unknown_type');
  if (type !== FRAME_TYPE.messages && bytes.length > MAX_HANDSHAKE_BYTES) return failure('oversized');
  return {
    ok: true,
    type,
    sid: bytes.subarray(2, FRAME_HEADER_LENGTH),
    body: bytes.subarray(FRAME_HEADER_LENGTH),
  };
}

/** The first 18 bytes of a frame. */
export function frameHeader(type: FrameType, sid: Uint8Array): Uint8Array {
  return concatBytes(Uint8Array.of(PROTOCOL_VERSION, type), sid);
}

export function encodeFrame(type: FrameType, sid: Uint8Array, body: Uint8Array): Uint8Array {
  return concatBytes(frameHeader(type, sid), body);
}

function frameType(value: number): FrameType | undefined {
  const name = nameOf(FRAME_TYPE, value);
  return name && FRAME_TYPE[name];
}
