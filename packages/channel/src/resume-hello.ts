/** ResumeHello, frame 0x05: a client takes its session to a gateway again (docs/protocol.md section 4.6). */
import { concatBytes } from '@sallyport/crypto';
import { failure, type Failure, type HandshakeCause, type ShapeCause } from './causes.ts';
import { FRAME_TYPE, HELLO_NONCE_LENGTH, SID_LENGTH } from './constants.ts';
import { skipExtensions } from './extensions.ts';
import { parseFrame } from './frame.ts';
import { lp16, lp8, Reader, u16, u64, u8 } from './wire.ts';

const MAX_BINDINGS = 8;
const MAX_BINDERS = 4;
const MAC_LENGTH = 32;
const MAX_EXTENSION_BYTES = 1024;
const MAX_SIGNATURE_BYTES = 4096;

export interface ResumeHello {
  /** Repeated from the frame's header, because the transcript covers bodies only. */
  readonly sid: Uint8Array;
  /** The session's key exchange; no other is taken. */
  readonly kex: number;
  readonly share: Uint8Array;
  readonly channelBindings: readonly number[];
  readonly nonce: Uint8Array;
  /** The highest sequence that the client accepted from a gateway. */
  readonly receivedThrough: number;
  /** sig_c */
  readonly signature: Uint8Array;
  /** One for each RS that the gateway may have, the newest first. */
  readonly binders: readonly Uint8Array[];
}

/** Where the fields begin in the body: the transcript is cut there. */
export interface ResumeHelloOffsets {
  readonly signature: number;
  readonly binders: number;
}

/** The fields before sig_c. */
export function encodeResumeHelloStart(hello: Omit<ResumeHello, 'signature' | 'binders'>): Uint8Array {
  return concatBytes(
    hello.sid,
    u16(hello.kex),
    lp16(hello.share),
    lp8(Uint8Array.from(hello.channelBindings)),
    hello.nonce,
    u64(hello.receivedThrough),
    lp16(new Uint8Array(0)),
  );
}

export function encodeBinders(binders: readonly Uint8Array[]): Uint8Array {
  return concatBytes(u8(binders.length), ...binders);
}

/** Total; of a frame's body. */
export function parseResumeHello(
  body: Uint8Array,
): { ok: true; hello: ResumeHello; at: ResumeHelloOffsets } | Failure<ShapeCause> {
  const reader = new Reader(body);
  const sid = reader.bytes(SID_LENGTH);
  const kex = reader.u16();
  const share = reader.lp16();
  const channelBindings = [...reader.lp8()];
  const nonce = reader.bytes(HELLO_NONCE_LENGTH);
  const receivedThrough = reader.u64();
  skipExtensions(reader, MAX_EXTENSION_BYTES);
  const signatureAt = reader.offset;
  const signature = reader.lp16(MAX_SIGNATURE_BYTES);
  const bindersAt = reader.offset;
  const count = reader.u8();
  if (reader.cause === undefined && (count < 1 || count > MAX_BINDERS)) reader.fail('bad_count');
  const binders: Uint8Array[] = [];
  for (let at = 0; at < count && reader.cause === undefined; at += 1) binders.push(reader.bytes(MAC_LENGTH));
  if (reader.cause === undefined && !isSet(channelBindings)) reader.fail('bad_count');
  const cause = reader.end();
  if (cause !== undefined) return failure(cause);
  return {
    ok: true,
    hello: { sid, kex, share, channelBindings, nonce, receivedThrough, signature, binders },
    at: { signature: signatureAt, binders: bindersAt },
  };
}

/**
 * Of a whole frame, for whoever looks up the record before it is verified: the session that it names. Nothing of it is
 * verified. Total. Views of the input.
 */
export function readResumeHello(
  frame: Uint8Array,
):
  | { ok: true; hello: ResumeHello; at: ResumeHelloOffsets; body: Uint8Array; sid: Uint8Array }
  | Failure<HandshakeCause> {
  const parsed = parseFrame(frame);
  if (!parsed.ok) return parsed;
  if (parsed.type !== FRAME_TYPE.resumeHello) return failure('unexpected_type');
  const read = parseResumeHello(parsed.body);
  if (!read.ok) return read;
  if (!Buffer.from(parsed.sid).equals(read.hello.sid)) return failure('wrong_session');
  return { ...read, body: parsed.body, sid: parsed.sid };
}

function isSet(values: readonly number[]): boolean {
  return values.length >= 1 && values.length <= MAX_BINDINGS && new Set(values).size === values.length;
}
