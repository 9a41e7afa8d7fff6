/**
 * The key schedule (docs/protocol.md section 6.2).
 *
 * Secrecy rests on the ephemeral agreement. The session key of key-service enters as SK and gives control: without a
 * live one there is no session. PX adds the pre-shared key. Names are those of the specification.
 */
import type { KeyObject } from 'node:crypto';
import {
  aead,
  concatBytes,
  hkdfExpand,
  hkdfExtract,
  hmacSha256,
  secretKey,
  utf8,
  type AeadRow,
} from '@sallyport/crypto';
import { frameHeader } from './frame.ts';
import type { Direction, FrameType } from './constants.ts';
import { lp8, u16, u32 } from './wire.ts';

const EMPTY = new Uint8Array(0);
const ZERO_32 = new Uint8Array(32);
const SECRET_LENGTH = 32;

/** EL(S, l, c, n) = HKDF-Expand(S, u16 n ‖ lp8("sallyport1 " + l) ‖ lp8(c), n). */
export function expandLabel(
  secret: KeyObject,
  label: string,
  context: Uint8Array,
  length: number,
): Uint8Array {
  return hkdfExpand(secret, concatBytes(u16(length), lp8(utf8(`sallyport1 ${label}`)), lp8(context)), length);
}

/** A secret of the schedule that keys the next step; the raw bytes are wiped. */
export function expandToKey(secret: KeyObject, label: string, context: Uint8Array): KeyObject {
  return wipedKey(expandLabel(secret, label, context, SECRET_LENGTH));
}

function wipedKey(raw: Uint8Array): KeyObject {
  const key = secretKey(raw);
  raw.fill(0);
  return key;
}

export interface HandshakeSecrets {
  /** HS; dropped once the session stands. */
  readonly handshake: KeyObject;
  /** hs_c */
  readonly client: KeyObject;
  /** hs_s */
  readonly server: KeyObject;
}

/** `th` = TH(after clear ServerHello and channel binding). Wipes `sharedSecret`. */
export function deriveHandshakeSecrets(sharedSecret: Uint8Array, th: Uint8Array): HandshakeSecrets {
  const handshake = hkdfExtract(ZERO_32, sharedSecret);
  sharedSecret.fill(0);
  return {
    handshake,
    client: expandToKey(handshake, 'c hs', th),
    server: expandToKey(handshake, 's hs', th),
  };
}

/** ac_s; `th3` = TH(after ClientAuth). */
export function deriveAcceptSecret(handshake: KeyObject, th3: Uint8Array): KeyObject {
  return expandToKey(handshake, 's accept', th3);
}

/** SK, 32 bytes: what the gateway makes of key-service's session key for this one handshake. */
export function deriveChannelKey(sessionKey: KeyObject, sid: Uint8Array, th3: Uint8Array): Uint8Array {
  return expandLabel(sessionKey, 'channel', concatBytes(sid, th3), SECRET_LENGTH);
}

/** PX without a pre-shared key. */
export const NO_PSK_EXPORT: Uint8Array = new Uint8Array(SECRET_LENGTH);

/** D_c2s and D_s2c of one epoch. */
export interface EpochKeys {
  readonly c2s: KeyObject;
  readonly s2c: KeyObject;
}

/** The keys of an epoch, and RS: what the next epoch is resumed with. */
export interface EpochSecrets extends EpochKeys {
  readonly resumption: KeyObject;
}

export interface MasterInput {
  readonly handshake: KeyObject;
  /** SK */
  readonly channelKey: Uint8Array;
  /** PX */
  readonly pskExport: Uint8Array;
  /** TH(after Accept) */
  readonly th4: Uint8Array;
  readonly sid: Uint8Array;
}

/** Epoch 0. */
export function deriveFirstEpoch({ handshake, channelKey, pskExport, th4, sid }: MasterInput): EpochSecrets {
  const derived = expandToKey(handshake, 'derived', EMPTY);
  const input = concatBytes(channelKey, pskExport);
  const master = hkdfExtract(derived, input);
  input.fill(0);
  return deriveEpoch(master, th4, sid, 0);
}

/**
 * E_e and RS of one epoch from the secret that both hang on: MS after a handshake, MR after a resume. Neither follows from
 * the other.
 */
function deriveEpoch(master: KeyObject, th: Uint8Array, sid: Uint8Array, epoch: number): EpochSecrets {
  const secret = expandToKey(master, 'epoch', th); // E_e
  return {
    c2s: directionKey(secret, 'c2s', sid, epoch),
    s2c: directionKey(secret, 's2c', sid, epoch),
    resumption: expandToKey(master, 'resumption', th),
  };
}

export interface ResumeSecrets {
  /** HR */
  readonly resume: KeyObject;
  /** rs_c */
  readonly client: KeyObject;
  /** rs_s */
  readonly server: KeyObject;
}

/** The binder of a ResumeHello under one RS; `th` = TH(binders). */
export function binderMac(resumption: KeyObject, th: Uint8Array): Uint8Array {
  return hmacSha256(expandToKey(resumption, 'binder', EMPTY), th);
}

/** Of RS and the fresh agreement; `th` = TH(after the clear part of ResumeAnswer and the channel binding). Wipes `sharedSecret`. */
export function deriveResumeSecrets(
  resumption: KeyObject,
  sharedSecret: Uint8Array,
  th: Uint8Array,
): ResumeSecrets {
  const resume = hkdfExtract(resumption, sharedSecret);
  sharedSecret.fill(0);
  return { resume, client: expandToKey(resume, 'c rs', th), server: expandToKey(resume, 's rs', th) };
}

/** SK', 32 bytes: what the gateway makes of key-service's session key for one epoch. */
export function deriveEpochKey(sessionKey: KeyObject, sid: Uint8Array, epoch: number): Uint8Array {
  return expandLabel(sessionKey, 'epoch', concatBytes(sid, u32(epoch)), SECRET_LENGTH);
}

export interface ResumedInput {
  /** HR */
  readonly resume: KeyObject;
  /** SK' */
  readonly epochKey: Uint8Array;
  /** TH(after ResumeAnswer) */
  readonly th6: Uint8Array;
  readonly sid: Uint8Array;
  /** e' */
  readonly epoch: number;
}

/** Epoch e' and the RS that follows the one just used. */
export function deriveResumedEpoch({ resume, epochKey, th6, sid, epoch }: ResumedInput): EpochSecrets {
  const master = hkdfExtract(expandToKey(resume, 'derived', EMPTY), epochKey); // MR
  return deriveEpoch(master, th6, sid, epoch);
}

function directionKey(
  epochSecret: KeyObject,
  direction: Direction,
  sid: Uint8Array,
  epoch: number,
): KeyObject {
  return expandToKey(epochSecret, direction, concatBytes(sid, u32(epoch)));
}

/** fin_x = HMAC(EL(secret, "finished", "", 32), th). */
export function finishedMac(secret: KeyObject, th: Uint8Array): Uint8Array {
  return hmacSha256(expandToKey(secret, 'finished', EMPTY), th);
}

/** {plaintext}secret: ciphertext ‖ tag. A secret seals one part only: its IV never changes. */
export function sealPart(
  row: AeadRow,
  secret: KeyObject,
  type: FrameType,
  sid: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array {
  return aead(row).seal({ ...partKeys(row, secret), aad: frameHeader(type, sid), plaintext });
}

/** The plaintext, or undefined. */
export function openPart(
  row: AeadRow,
  secret: KeyObject,
  type: FrameType,
  sid: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  return aead(row).open({ ...partKeys(row, secret), aad: frameHeader(type, sid), sealed });
}

function partKeys(row: AeadRow, secret: KeyObject): { key: KeyObject; iv: Uint8Array } {
  return {
    key: wipedKey(expandLabel(secret, 'key', EMPTY, row.keyLength)),
    iv: expandLabel(secret, 'iv', EMPTY, row.ivLength),
  };
}
