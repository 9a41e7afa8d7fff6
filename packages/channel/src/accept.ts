/** Accept (0x04) and Reject (0x07), sealed: the end of a handshake either way (docs/protocol.md sections 4.4, 4.5). */
import { concatBytes, utf8 } from '@sallyport/crypto';
import { failure, type Failure, type ShapeCause } from './causes.ts';
import {
  FRESHNESS_MS,
  MAX_BINDING_BYTES,
  MAX_EPOCH_MESSAGES,
  MAX_FRAME_BYTES,
  MAX_HEADER_BYTES,
  MAX_MESSAGES_PER_FRAME,
  MAX_UNACKNOWLEDGED,
} from './constants.ts';
import { skipExtensions } from './extensions.ts';
import { parseRefusal, encodeRefusal, type Refusal } from './refusal.ts';
import { asciiText, isPrintableAscii, lp16, lp8, Reader, u16, u32, u64 } from './wire.ts';

const MAX_SIGNATURE_BYTES = 4096;
const MAX_EXTENSION_BYTES = 1024;

/** What a session may use; never above the protocol's ceilings. */
export interface SessionLimits {
  readonly maxFrameBytes: number;
  readonly maxHeaderBytes: number;
  readonly maxMessagesPerFrame: number;
  readonly maxUnacknowledged: number;
  readonly maxEpochMessages: number;
  readonly freshnessMs: number;
}

export const DEFAULT_LIMITS: SessionLimits = Object.freeze({
  maxFrameBytes: MAX_FRAME_BYTES,
  maxHeaderBytes: MAX_HEADER_BYTES,
  maxMessagesPerFrame: MAX_MESSAGES_PER_FRAME,
  maxUnacknowledged: MAX_UNACKNOWLEDGED,
  maxEpochMessages: MAX_EPOCH_MESSAGES,
  freshnessMs: FRESHNESS_MS,
});

/** How long key-service vouches for the session key, in gateway time. */
export interface SessionLease {
  readonly notAfterMs: number;
}

/** The binding with what a third party needs to check it. */
export interface SignedBinding {
  readonly bytes: Uint8Array;
  /** Names the key in key-service's public-key directory; printable ASCII. */
  readonly keyId: string;
  readonly signature: Uint8Array;
}

export interface Accept {
  /** SK, 32 bytes. */
  readonly sessionKey: Uint8Array;
  readonly binding: SignedBinding;
  readonly limits: SessionLimits;
  readonly lease: SessionLease;
}

/** The fields before fin_a. */
export function encodeAcceptStart(accept: Accept): Uint8Array {
  const { binding, limits, lease } = accept;
  return concatBytes(
    accept.sessionKey,
    lp16(binding.bytes),
    lp8(utf8(binding.keyId)),
    lp16(binding.signature),
    u32(limits.maxFrameBytes),
    u16(limits.maxHeaderBytes),
    u16(limits.maxMessagesPerFrame),
    u16(limits.maxUnacknowledged),
    u32(limits.maxEpochMessages),
    u32(limits.freshnessMs),
    u64(lease.notAfterMs),
    lp16(new Uint8Array(0)),
  );
}

/** Total. `finishedAt` is where fin_a begins. */
export function parseAccept(
  plaintext: Uint8Array,
): { ok: true; accept: Accept; finished: Uint8Array; finishedAt: number } | Failure<ShapeCause> {
  const reader = new Reader(plaintext);
  const sessionKey = reader.bytes(32);
  const bytes = reader.lp16(MAX_BINDING_BYTES);
  const keyId = reader.lp8();
  const signature = reader.lp16(MAX_SIGNATURE_BYTES);
  const limits = {
    maxFrameBytes: reader.u32(),
    maxHeaderBytes: reader.u16(),
    maxMessagesPerFrame: reader.u16(),
    maxUnacknowledged: reader.u16(),
    maxEpochMessages: reader.u32(),
    freshnessMs: reader.u32(),
  };
  const lease = { notAfterMs: reader.u64() };
  skipExtensions(reader, MAX_EXTENSION_BYTES);
  const finishedAt = reader.offset;
  const finished = reader.bytes(32);
  if (!isPrintableAscii(keyId)) reader.fail('bad_field');
  const cause = reader.end();
  if (cause !== undefined) return failure(cause);
  // Copies: they live as long as the session, and the plaintext holds SK.
  const binding = { bytes: bytes.slice(), keyId: asciiText(keyId), signature: signature.slice() };
  return { ok: true, accept: { sessionKey, binding, limits, lease }, finished, finishedAt };
}

/** True when no limit is 0 or above the protocol's ceiling: a peer cannot talk us into more than we would ever do. */
export function areLimitsSound(limits: SessionLimits): boolean {
  const pairs: readonly (readonly [number, number])[] = [
    [limits.maxFrameBytes, DEFAULT_LIMITS.maxFrameBytes],
    [limits.maxHeaderBytes, DEFAULT_LIMITS.maxHeaderBytes],
    [limits.maxMessagesPerFrame, DEFAULT_LIMITS.maxMessagesPerFrame],
    [limits.maxUnacknowledged, DEFAULT_LIMITS.maxUnacknowledged],
    [limits.maxEpochMessages, DEFAULT_LIMITS.maxEpochMessages],
    [limits.freshnessMs, DEFAULT_LIMITS.freshnessMs],
  ];
  return pairs.every(([value, ceiling]) => Number.isSafeInteger(value) && value >= 1 && value <= ceiling);
}

/** Reject's plaintext is a refusal. */
export const encodeReject: (refusal: Refusal) => Uint8Array = encodeRefusal;
export const parseReject: (plaintext: Uint8Array) => ({ ok: true } & Refusal) | Failure<ShapeCause> =
  parseRefusal;
