/**
 * Authenticated encryption: one table of algorithms; code receives a row of it, never a name.
 *
 * Ciphertext always carries its 16-byte tag at the end (RFC 5116 section 5.1). Nonces are 96 bits; other lengths make
 * GCM hash the nonce and are refused.
 */
import {
  createCipheriv,
  createDecipheriv,
  type CipherGCMTypes,
  type DecipherGCM,
  type KeyObject,
} from 'node:crypto';
import { bytesOf } from './bytes.ts';

export type AeadName = 'AES-256-GCM';

export interface AeadRow {
  readonly name: AeadName;
  /** Number in the IANA AEAD registry (RFC 5116 section 6); the wire format uses it. */
  readonly id: number;
  readonly keyLength: number;
  readonly ivLength: number;
  readonly tagLength: number;
  readonly cipher: CipherGCMTypes;
}

export const AES_256_GCM: AeadRow = Object.freeze({
  name: 'AES-256-GCM',
  id: 2, // AEAD_AES_256_GCM
  keyLength: 32,
  ivLength: 12,
  tagLength: 16,
  cipher: 'aes-256-gcm',
});

/** Every algorithm that may be used, the preferred one first. */
export const AEAD_TABLE: readonly AeadRow[] = Object.freeze([AES_256_GCM]);

/** The row of this name, or undefined: an unknown algorithm is refused by the caller. */
export function aeadRow(name: string): AeadRow | undefined {
  return AEAD_TABLE.find((row) => row.name === name);
}

/** The row of this wire number, or undefined. */
export function aeadRowById(id: number): AeadRow | undefined {
  return AEAD_TABLE.find((row) => row.id === id);
}

export interface SealInput {
  readonly key: KeyObject;
  readonly iv: Uint8Array;
  readonly aad: Uint8Array;
  readonly plaintext: Uint8Array;
}

export interface OpenInput {
  readonly key: KeyObject;
  readonly iv: Uint8Array;
  readonly aad: Uint8Array;
  /** ciphertext ‖ tag */
  readonly sealed: Uint8Array;
}

export interface Aead {
  /** ciphertext ‖ tag. Throws RangeError on a key or IV of the wrong length: those are the caller's mistakes. */
  seal(input: SealInput): Uint8Array;
  /** The same into memory of the caller: `out` has room for exactly ciphertext ‖ tag. RangeError also when it has not. */
  sealInto(input: SealInput, out: Uint8Array): void;
  /** The plaintext in memory of its own, or undefined on any failure: one opaque outcome. */
  open(input: OpenInput): Uint8Array | undefined;
}

const instances = new WeakMap<AeadRow, Aead>();

/** The two operations of one row. */
export function aead(row: AeadRow): Aead {
  const known = instances.get(row);
  if (known !== undefined) return known;
  const made: Aead = {
    seal(input) {
      const sealed = new Uint8Array(input.plaintext.length + row.tagLength);
      sealInto(row, input, sealed);
      return sealed;
    },
    sealInto: (input, out) => sealInto(row, input, out),
    open: (input) => open(row, input),
  };
  instances.set(row, made);
  return made;
}

// The platform refuses a key of the wrong length for its cipher (RangeError); asking a KeyObject for its size costs a
// third of making it.
function sealInto(row: AeadRow, { key, iv, aad, plaintext }: SealInput, out: Uint8Array): void {
  if (iv.length !== row.ivLength) throw new RangeError(`${row.name} takes an IV of ${row.ivLength} bytes`);
  if (out.length !== plaintext.length + row.tagLength)
    throw new RangeError(`${row.name} makes ${plaintext.length + row.tagLength} bytes of these`);
  // The platform accepts tags of 4 bytes unless told otherwise.
  const cipher = createCipheriv(row.cipher, key, iv, { authTagLength: row.tagLength });
  cipher.setAAD(aad);
  out.set(cipher.update(plaintext));
  cipher.final();
  out.set(cipher.getAuthTag(), plaintext.length);
}

function open(row: AeadRow, { key, iv, aad, sealed }: OpenInput): Uint8Array | undefined {
  const length = sealed.length - row.tagLength;
  if (length < 0 || iv.length !== row.ivLength) return undefined;
  const decipher = decipherOf(row, key, iv);
  if (decipher === undefined) return undefined;
  decipher.setAAD(aad);
  decipher.setAuthTag(sealed.subarray(length));
  const plaintext = decipher.update(sealed.subarray(0, length));
  try {
    decipher.final();
  } catch {
    plaintext.fill(0); // unauthenticated plaintext must not survive
    return undefined;
  }
  return bytesOf(plaintext);
}

function decipherOf(row: AeadRow, key: KeyObject, iv: Uint8Array): DecipherGCM | undefined {
  try {
    return createDecipheriv(row.cipher, key, iv, { authTagLength: row.tagLength });
  } catch {
    return undefined; // a key of another length
  }
}
