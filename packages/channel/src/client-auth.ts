/** ClientAuth, frame 0x03: the client's credential and session signing key, sealed (docs/protocol.md section 4.3). */
import { concatBytes } from '@sallyport/crypto';
import { failure, type Failure, type ShapeCause } from './causes.ts';
import { encodeChain, readChain } from './chain.ts';
import { METHOD, nameOf, type Method } from './constants.ts';
import { readMac } from './server-hello.ts';
import { lp16, Reader, u8 } from './wire.ts';

const MAX_CREDENTIAL_BYTES = 12 * 1024;
const MAX_PUBLIC_KEY_BYTES = 2048;
const MAX_SIGNATURE_BYTES = 4096;
const MAC_LENGTH = 32;

export type Credential =
  | { readonly method: 'certificate'; readonly chainDer: readonly Uint8Array[] }
  /** The id went in ClientHello: nothing more to say. */
  | { readonly method: 'psk' };

export interface ClientAuth {
  readonly credential: Credential;
  /** spk_c in the raw form of the chosen signature algorithm. */
  readonly publicKey: Uint8Array;
  /** sig_cred; present exactly in certificate mode. */
  readonly credentialSignature: Uint8Array | undefined;
  /** sig_c */
  readonly signature: Uint8Array;
  /** mac_c; present exactly in PSK mode. */
  readonly mac: Uint8Array | undefined;
  readonly finished: Uint8Array;
}

/** Where the fields begin in the plaintext: the transcript is cut there. */
export interface ClientAuthOffsets {
  readonly publicKey: number;
  readonly signature: number;
  readonly mac: number;
  readonly finished: number;
}

/** The credential field: u8 method ‖ lp16 data. */
export function encodeCredential(credential: Credential): Uint8Array {
  const data = credential.method === 'certificate' ? encodeChain(credential.chainDer) : new Uint8Array(0);
  return concatBytes(u8(METHOD[credential.method]), lp16(data));
}

/** Total. Which fields are present follows from the method. */
export function parseClientAuth(
  plaintext: Uint8Array,
): { ok: true; auth: ClientAuth; at: ClientAuthOffsets } | Failure<ShapeCause> {
  const reader = new Reader(plaintext);
  const credential = readCredential(reader);
  const publicKeyAt = reader.offset;
  const publicKey = reader.lp16(MAX_PUBLIC_KEY_BYTES);
  const credentialSignature = reader.lp16(MAX_SIGNATURE_BYTES);
  const signatureAt = reader.offset;
  const signature = reader.lp16(MAX_SIGNATURE_BYTES);
  const macAt = reader.offset;
  const mac = readMac(reader);
  const finishedAt = reader.offset;
  const finished = reader.bytes(MAC_LENGTH);
  const isPsk = credential.method === 'psk';
  if (isPsk === credentialSignature.length > 0 || isPsk !== (mac !== undefined)) reader.fail('bad_field');
  const cause = reader.end();
  if (cause !== undefined) return failure(cause);
  return {
    ok: true,
    auth: {
      credential,
      publicKey,
      credentialSignature: isPsk ? undefined : credentialSignature,
      signature,
      mac,
      finished,
    },
    at: { publicKey: publicKeyAt, signature: signatureAt, mac: macAt, finished: finishedAt },
  };
}

function readCredential(reader: Reader): Credential {
  const method: Method | undefined = nameOf(METHOD, reader.u8());
  const data = reader.lp16(MAX_CREDENTIAL_BYTES);
  if (method === 'certificate') {
    const inner = new Reader(data);
    const chainDer = readChain(inner);
    const cause = inner.end();
    if (cause !== undefined) reader.fail(cause);
    return { method, chainDer };
  }
  if (method === undefined || data.length > 0) reader.fail('bad_field');
  return { method: 'psk' };
}
