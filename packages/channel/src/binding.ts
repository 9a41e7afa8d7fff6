/**
 * The session binding: auth-service's word that this session, with this transcript and this signing key, belongs to
 * this principal (docs/protocol.md section 5). Signed by a key of key-service under the label "session binding".
 *
 * It holds the hash of the whole handshake up to ClientAuth, so a gateway that shows the client one handshake and
 * auth-service another gets a binding that the client refuses.
 */
import type { KeyObject } from 'node:crypto';
import { concatBytes, ED25519, sha256, signatureInput, utf8, type SignatureRow } from '@sallyport/crypto';
import { failure, type Failure, type ShapeCause } from './causes.ts';
import { METHOD, nameOf, SID_LENGTH, type Method } from './constants.ts';
import { asciiText, isPrintableAscii, lp16, lp8, Reader, u16, u64, u8 } from './wire.ts';

export const SESSION_BINDING_LABEL = 'session binding';
const BINDING_VERSION = 1;
const MAX_PUBLIC_KEY_BYTES = 2048;

export interface SessionBinding {
  /** 16 bytes. */
  readonly sid: Uint8Array;
  /** TH(after 3), 32 bytes. */
  readonly transcriptHash: Uint8Array;
  readonly tenant: string;
  /** Such as `user:alice`. */
  readonly principal: string;
  readonly method: Method;
  /** How sure auth-service is of the principal: 1 (something the client has) to 3; 0 is not used. */
  readonly assurance: number;
  /** Wire number of the client's signature algorithm. */
  readonly signatureAlgorithm: number;
  /** spk_c in raw form. */
  readonly clientPublicKey: Uint8Array;
  readonly trustDomain: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** 32 bytes: see `credentialDigest`. */
  readonly credentialDigest: Uint8Array;
}

/** Throws RangeError on a value that does not fit its field. */
export function encodeBinding(binding: SessionBinding): Uint8Array {
  return concatBytes(
    u8(BINDING_VERSION),
    exactly(binding.sid, SID_LENGTH),
    exactly(binding.transcriptHash, 32),
    lp8(name(binding.tenant)),
    lp8(name(binding.principal)),
    u8(METHOD[binding.method]),
    u8(binding.assurance),
    u16(binding.signatureAlgorithm),
    lp16(binding.clientPublicKey),
    lp8(name(binding.trustDomain)),
    u64(binding.notBeforeMs),
    u64(binding.notAfterMs),
    exactly(binding.credentialDigest, 32),
  );
}

/** Total. */
export function parseBinding(bytes: Uint8Array): ({ ok: true } & SessionBinding) | Failure<ShapeCause> {
  const reader = new Reader(bytes);
  if (reader.u8() !== BINDING_VERSION) reader.fail('unknown_version');
  const sid = reader.bytes(SID_LENGTH);
  const transcriptHash = reader.bytes(32);
  const tenant = readName(reader);
  const principal = readName(reader);
  const method = nameOf(METHOD, reader.u8());
  const assurance = reader.u8();
  const signatureAlgorithm = reader.u16();
  const clientPublicKey = reader.lp16(MAX_PUBLIC_KEY_BYTES);
  const trustDomain = readName(reader);
  const notBeforeMs = reader.u64();
  const notAfterMs = reader.u64();
  const credentialDigest = reader.bytes(32);
  if (method === undefined || assurance < 1 || assurance > 3 || notAfterMs < notBeforeMs)
    reader.fail('bad_field');
  const cause = reader.end();
  if (cause !== undefined || method === undefined) return failure(cause ?? 'bad_field');
  return {
    ok: true,
    sid,
    transcriptHash,
    tenant,
    principal,
    method,
    assurance,
    signatureAlgorithm,
    clientPublicKey,
    trustDomain,
    notBeforeMs,
    notAfterMs,
    credentialDigest,
  };
}

/** The exact bytes that key-service signs for a binding. */
export function bindingSignatureInput(bindingBytes: Uint8Array): Uint8Array {
  return signatureInput(SESSION_BINDING_LABEL, bindingBytes);
}

/** True when the signature is by the holder of `publicKey`, an acceptable key of the row's algorithm. */
export function verifyBindingSignature(
  publicKey: KeyObject,
  bindingBytes: Uint8Array,
  signature: Uint8Array,
  row: SignatureRow = ED25519,
): boolean {
  return row.isAcceptable(publicKey) && row.verify(publicKey, bindingSignatureInput(bindingBytes), signature);
}

/** What a binding says of the credential: SHA-256 of the leaf certificate (DER), or of the pre-shared key's id. */
export function credentialDigest(leafDerOrPskId: Uint8Array): Uint8Array {
  return sha256(leafDerOrPskId);
}

function exactly(bytes: Uint8Array, length: number): Uint8Array {
  if (bytes.length !== length) throw new RangeError(`${length} bytes expected, not ${bytes.length}`);
  return bytes;
}

function name(text: string): Uint8Array {
  const bytes = utf8(text);
  if (bytes.length === 0 || !isPrintableAscii(bytes))
    throw new RangeError('a name is 1 to 255 bytes of printable ASCII');
  return bytes;
}

function readName(reader: Reader): string {
  const bytes = reader.lp8();
  if (bytes.length === 0 || !isPrintableAscii(bytes)) reader.fail('bad_field');
  return asciiText(bytes);
}
