/**
 * What a gateway replica needs to resume a session that another one opened: identity, limits and RS, and never a traffic
 * key. Whoever reads a record opens nothing that was recorded, and without the client's signing key and the gateway's
 * certificate resumes nothing (ADR 0062). It is stored sealed all the same.
 */
import { concatBytes, Secret, secretKey, utf8 } from '@sallyport/crypto';
import type { KeyObject } from 'node:crypto';
import { areLimitsSound, type SessionLease, type SessionLimits, type SignedBinding } from './accept.ts';
import { parseBinding, type SessionBinding } from './binding.ts';
import { failure, type Failure, type ShapeCause } from './causes.ts';
import { MAX_BINDING_BYTES, SID_LENGTH } from './constants.ts';
import type { Session } from './session.ts';
import { DEFAULT_SUITES, suiteOf, type Suite } from './suite.ts';
import { asciiText, isPrintableAscii, lp16, lp8, Reader, u16, u32, u64, u8 } from './wire.ts';

const LAYOUT = 1;
const MAX_SIGNATURE_BYTES = 4096;
const SECRET_LENGTH = 32;

export interface ResumptionRecord {
  /** 16 bytes. */
  readonly sid: Uint8Array;
  /** The last epoch that was taken on. */
  readonly epoch: number;
  readonly suite: Suite;
  /** RS of that epoch. */
  readonly secret: KeyObject;
  /** spk_c is in it. */
  readonly binding: SessionBinding;
  readonly signedBinding: SignedBinding;
  readonly limits: SessionLimits;
  readonly lease: SessionLease;
}

/** The record of a session as it is now; a gateway writes it after Accept and after each attach. */
export function resumptionRecord(session: Session): ResumptionRecord {
  const { sid, epoch, suite, binding, signedBinding, limits, lease } = session;
  const [newest] = session.resumptionSecrets;
  if (newest === undefined) throw new Error('a session has a resumption secret');
  return { sid, epoch, suite, secret: newest.secret, binding, signedBinding, limits, lease };
}

/** The caller seals the bytes and wipes them. */
export function encodeResumptionRecord(record: ResumptionRecord): Secret {
  const { suite, signedBinding, limits } = record;
  const raw = record.secret.export();
  try {
    return new Secret(
      concatBytes(
        u8(LAYOUT),
        record.sid,
        u32(record.epoch),
        u16(suite.kex.id),
        u16(suite.aead.id),
        u16(suite.signature.id),
        raw,
        lp16(signedBinding.bytes),
        lp8(utf8(signedBinding.keyId)),
        lp16(signedBinding.signature),
        u32(limits.maxFrameBytes),
        u16(limits.maxHeaderBytes),
        u16(limits.maxMessagesPerFrame),
        u16(limits.maxUnacknowledged),
        u32(limits.maxEpochMessages),
        u32(limits.freshnessMs),
        u64(record.lease.notAfterMs),
      ),
    );
  } finally {
    raw.fill(0);
  }
}

/** Total. What it gives is consistent in itself: session id, suite, client key and limits are. Keeps nothing of `bytes`. */
export function parseResumptionRecord(
  bytes: Uint8Array,
): ({ ok: true } & ResumptionRecord) | Failure<ShapeCause> {
  const reader = new Reader(bytes);
  if (reader.u8() !== LAYOUT) reader.fail('unknown_version');
  const sid = reader.bytes(SID_LENGTH).slice();
  const epoch = reader.u32();
  const chosen = { kex: reader.u16(), aead: reader.u16(), signature: reader.u16() };
  const raw = reader.bytes(SECRET_LENGTH);
  const bindingBytes = reader.lp16(MAX_BINDING_BYTES).slice();
  const keyId = reader.lp8();
  const signature = reader.lp16(MAX_SIGNATURE_BYTES).slice();
  const limits = {
    maxFrameBytes: reader.u32(),
    maxHeaderBytes: reader.u16(),
    maxMessagesPerFrame: reader.u16(),
    maxUnacknowledged: reader.u16(),
    maxEpochMessages: reader.u32(),
    freshnessMs: reader.u32(),
  };
  const lease = { notAfterMs: reader.u64() };
  if (!isPrintableAscii(keyId) || !areLimitsSound(limits)) reader.fail('bad_field');
  const cause = reader.end();
  if (cause !== undefined) return failure(cause);
  const suite = suiteOf(DEFAULT_SUITES, chosen);
  const binding = parseBinding(bindingBytes);
  if (!binding.ok) return binding;
  const isConsistent =
    suite?.signature.publicKeyFromRaw(binding.clientPublicKey) !== undefined &&
    binding.signatureAlgorithm === suite.signature.id &&
    Buffer.from(binding.sid).equals(sid);
  if (suite === undefined || !isConsistent) return failure('bad_field');
  return {
    ok: true,
    sid,
    epoch,
    suite,
    secret: secretKey(raw),
    binding,
    signedBinding: { bytes: bindingBytes, keyId: asciiText(keyId), signature },
    limits,
    lease,
  };
}
