/** ServerHello, frame 0x02: the choice in clear and the gateway's proof, sealed (docs/protocol.md section 4.2). */
import { concatBytes } from '@sallyport/crypto';
import { encodeChain, readChain } from './chain.ts';
import { failure, type Failure, type ShapeCause } from './causes.ts';
import { HELLO_NONCE_LENGTH, SID_LENGTH } from './constants.ts';
import { skipExtensions } from './extensions.ts';
import { lp16, lp8, Reader, u16, u64, u8 } from './wire.ts';

const MAX_EXTENSION_BYTES = 1024;
const MAX_PUBLIC_KEY_BYTES = 2048;
const MAX_SIGNATURE_BYTES = 4096;
const MAC_LENGTH = 32;

export interface ServerHelloClear {
  readonly version: number;
  readonly kex: number;
  readonly share: Uint8Array;
  readonly aead: number;
  readonly signature: number;
  readonly channelBinding: number;
  readonly nonce: Uint8Array;
  /** The gateway's clock, milliseconds since the Unix epoch: the client's first sight of gateway time. */
  readonly timeMs: number;
  /** Repeated from the frame's header, because the transcript covers bodies only. */
  readonly sid: Uint8Array;
}

export function encodeServerHelloClear(hello: ServerHelloClear): Uint8Array {
  return concatBytes(
    u8(hello.version),
    u16(hello.kex),
    lp16(hello.share),
    u16(hello.aead),
    u16(hello.signature),
    u8(hello.channelBinding),
    hello.nonce,
    u64(hello.timeMs),
    hello.sid,
    lp16(new Uint8Array(0)),
  );
}

/** Total. `length` is where the clear part ends in `body`; what follows is the sealed part. */
export function parseServerHelloClear(
  body: Uint8Array,
): ({ ok: true; length: number } & ServerHelloClear) | Failure<ShapeCause> {
  const reader = new Reader(body);
  const hello = {
    ok: true as const,
    version: reader.u8(),
    kex: reader.u16(),
    share: reader.lp16(),
    aead: reader.u16(),
    signature: reader.u16(),
    channelBinding: reader.u8(),
    nonce: reader.bytes(HELLO_NONCE_LENGTH),
    timeMs: reader.u64(),
    sid: reader.bytes(SID_LENGTH),
  };
  skipExtensions(reader, MAX_EXTENSION_BYTES);
  return reader.cause === undefined ? { ...hello, length: reader.offset } : failure(reader.cause);
}

export interface ServerAuth {
  readonly chainDer: readonly Uint8Array[];
  /** spk_s in the raw form of the chosen signature algorithm. */
  readonly publicKey: Uint8Array;
  readonly delegation: Delegation;
  readonly signature: Uint8Array;
  /** mac_s; present exactly in PSK mode. */
  readonly mac: Uint8Array | undefined;
  readonly finished: Uint8Array;
}

/** dlg_s: the gateway's certificate vouches for its signing key until a time. */
export interface Delegation {
  readonly notAfterMs: number;
  readonly signature: Uint8Array;
}

/** The fields before sig_s. */
export function encodeServerAuthStart(
  auth: Pick<ServerAuth, 'chainDer' | 'publicKey' | 'delegation'>,
): Uint8Array {
  return concatBytes(
    encodeChain(auth.chainDer),
    lp16(auth.publicKey),
    u64(auth.delegation.notAfterMs),
    lp16(auth.delegation.signature),
  );
}

/** mac_s or mac_c as a field. */
export function encodeMac(mac: Uint8Array | undefined): Uint8Array {
  return lp8(mac ?? new Uint8Array(0));
}

/** Where the fields begin in the plaintext that holds them: the transcript is cut there. */
export interface ServerAuthOffsets {
  readonly signature: number;
  readonly mac: number;
  readonly finished: number;
}

/** Total; of the whole plaintext. */
export function parseServerAuth(
  plaintext: Uint8Array,
): { ok: true; auth: ServerAuth; at: ServerAuthOffsets } | Failure<ShapeCause> {
  const reader = new Reader(plaintext);
  const start = readServerAuthStart(reader);
  const signatureAt = reader.offset;
  const signature = reader.lp16(MAX_SIGNATURE_BYTES);
  const macAt = reader.offset;
  const mac = readMac(reader);
  const finishedAt = reader.offset;
  const finished = reader.bytes(MAC_LENGTH);
  const cause = reader.end();
  if (cause !== undefined) return failure(cause);
  return {
    ok: true,
    auth: { ...start, signature, mac, finished },
    at: { signature: signatureAt, mac: macAt, finished: finishedAt },
  };
}

/** Total; of the plaintext up to mac_s, which is all that exists when the proof is computed. */
export function parseServerAuthPrefix(
  prefix: Uint8Array,
): { ok: true; auth: Omit<ServerAuth, 'mac' | 'finished'>; signatureAt: number } | Failure<ShapeCause> {
  const reader = new Reader(prefix);
  const start = readServerAuthStart(reader);
  const signatureAt = reader.offset;
  const signature = reader.lp16(MAX_SIGNATURE_BYTES);
  const cause = reader.end();
  return cause === undefined ? { ok: true, auth: { ...start, signature }, signatureAt } : failure(cause);
}

/** The fields before sig_s. */
export function readServerAuthStart(
  reader: Reader,
): Pick<ServerAuth, 'chainDer' | 'publicKey' | 'delegation'> {
  return {
    chainDer: readChain(reader),
    publicKey: reader.lp16(MAX_PUBLIC_KEY_BYTES),
    delegation: { notAfterMs: reader.u64(), signature: reader.lp16(MAX_SIGNATURE_BYTES) },
  };
}

/** An optional 32-byte MAC behind a one-byte length. */
export function readMac(reader: Reader): Uint8Array | undefined {
  const mac = reader.lp8();
  if (mac.length === 0) return undefined;
  if (mac.length !== MAC_LENGTH) reader.fail('bad_field');
  return mac;
}
