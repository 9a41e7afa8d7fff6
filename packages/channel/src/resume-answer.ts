/** ResumeAnswer, frame 0x06: the gateway's share in clear and its proof, sealed (docs/protocol.md section 4.7). */
import { concatBytes } from '@sallyport/crypto';
import { failure, type Failure, type ShapeCause } from './causes.ts';
import { HELLO_NONCE_LENGTH } from './constants.ts';
import { skipExtensions } from './extensions.ts';
import { readServerAuthStart, type ServerAuth } from './server-hello.ts';
import { lp16, Reader, u32, u64, u8 } from './wire.ts';

const MAX_EXTENSION_BYTES = 1024;
const MAX_SIGNATURE_BYTES = 4096;
const KEY_LENGTH = 32;
const MAC_LENGTH = 32;

export interface ResumeAnswerClear {
  readonly share: Uint8Array;
  readonly channelBinding: number;
  readonly nonce: Uint8Array;
  /** The gateway's clock, milliseconds since the Unix epoch: gateway time from now on. */
  readonly timeMs: number;
  /** e' */
  readonly epoch: number;
  /** Which of the binders was under the gateway's RS; from 0. */
  readonly binder: number;
}

export function encodeResumeAnswerClear(answer: ResumeAnswerClear): Uint8Array {
  return concatBytes(
    lp16(answer.share),
    u8(answer.channelBinding),
    answer.nonce,
    u64(answer.timeMs),
    u32(answer.epoch),
    u8(answer.binder),
    lp16(new Uint8Array(0)),
  );
}

/** Total. `length` is where the clear part ends in `body`; what follows is the sealed part. */
export function parseResumeAnswerClear(
  body: Uint8Array,
): ({ ok: true; length: number } & ResumeAnswerClear) | Failure<ShapeCause> {
  const reader = new Reader(body);
  const answer = {
    ok: true as const,
    share: reader.lp16(),
    channelBinding: reader.u8(),
    nonce: reader.bytes(HELLO_NONCE_LENGTH),
    timeMs: reader.u64(),
    epoch: reader.u32(),
    binder: reader.u8(),
  };
  skipExtensions(reader, MAX_EXTENSION_BYTES);
  return reader.cause === undefined ? { ...answer, length: reader.offset } : failure(reader.cause);
}

/** What stands between sig_s and fin_s. */
export interface ResumeGrant {
  /** SK', 32 bytes. */
  readonly epochKey: Uint8Array;
  /** The highest sequence of the client that a gateway accepted. */
  readonly receivedThrough: number;
  /** Until when key-service vouches for the session key, in gateway time. */
  readonly leaseNotAfterMs: number;
}

export function encodeResumeGrant(grant: ResumeGrant): Uint8Array {
  return concatBytes(grant.epochKey, u64(grant.receivedThrough), u64(grant.leaseNotAfterMs));
}

export interface ResumeAnswerSealed {
  readonly auth: Omit<ServerAuth, 'mac' | 'finished'>;
  readonly grant: ResumeGrant;
  /** fin_s */
  readonly finished: Uint8Array;
  /** Where the fields begin in the plaintext. */
  readonly at: { readonly signature: number; readonly grant: number; readonly finished: number };
}

/** Total; of the whole plaintext. */
export function parseResumeAnswerSealed(
  plaintext: Uint8Array,
): ({ ok: true } & ResumeAnswerSealed) | Failure<ShapeCause> {
  const reader = new Reader(plaintext);
  const start = readServerAuthStart(reader);
  const signatureAt = reader.offset;
  const signature = reader.lp16(MAX_SIGNATURE_BYTES);
  const grantAt = reader.offset;
  const grant = {
    epochKey: reader.bytes(KEY_LENGTH),
    receivedThrough: reader.u64(),
    leaseNotAfterMs: reader.u64(),
  };
  const finishedAt = reader.offset;
  const finished = reader.bytes(MAC_LENGTH);
  const cause = reader.end();
  if (cause !== undefined) return failure(cause);
  return {
    ok: true,
    auth: { ...start, signature },
    grant,
    finished,
    at: { signature: signatureAt, grant: grantAt, finished: finishedAt },
  };
}
