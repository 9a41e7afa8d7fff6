/**
 * What Encrypt and GenerateDataKey hand out, byte by byte (integers big-endian):
 *
 *     item      version u8 = 1 | form u8 = 1 | aead u16 | key version u32 | nonce 12 | ciphertext ‖ tag 16
 *     data key  version u8 = 1 | form u8 = 2 | aead u16 | data key id 16  | nonce 12 | ciphertext 32 ‖ tag 16
 *
 * `aead` is the number of RFC 5116 section 6. Everything before the nonce is the header and is authenticated. The
 * parser is total: it bounds the length, knows every field and leaves no byte over.
 */
import { AES_256_GCM, aeadRowById, concatBytes, type AeadRow } from '@sallyport/crypto';
import { MAX_PLAINTEXT_BYTES, SYMMETRIC_KEY_BYTES } from './limits.ts';

const LAYOUT_VERSION = 1;
const FORM = { item: 1, dataKey: 2 } as const;
const ITEM_HEADER_BYTES = 8;
const DATA_KEY_HEADER_BYTES = 20;
export const DATA_KEY_ID_BYTES = 16;

interface Parts {
  readonly aead: AeadRow;
  /** Authenticated as it was received. */
  readonly header: Uint8Array;
  readonly nonce: Uint8Array;
  /** ciphertext ‖ tag */
  readonly sealed: Uint8Array;
}

export interface Item extends Parts {
  readonly kind: 'item';
  readonly keyVersion: number;
}

export interface WrappedDataKey extends Parts {
  readonly kind: 'data-key';
  readonly dataKeyId: Uint8Array;
}

export type Ciphertext = Item | WrappedDataKey;

/** Header of an item under version `keyVersion` (1 to 2^32 - 1) of its key. */
export function itemHeader(keyVersion: number): Uint8Array {
  const header = new Uint8Array(ITEM_HEADER_BYTES);
  const view = new DataView(header.buffer);
  view.setUint8(0, LAYOUT_VERSION);
  view.setUint8(1, FORM.item);
  view.setUint16(2, AES_256_GCM.id);
  view.setUint32(4, keyVersion);
  return header;
}

/** Header of a wrapped data key with this id of 16 bytes. */
export function dataKeyHeader(dataKeyId: Uint8Array): Uint8Array {
  const header = new Uint8Array(DATA_KEY_HEADER_BYTES);
  const view = new DataView(header.buffer);
  view.setUint8(0, LAYOUT_VERSION);
  view.setUint8(1, FORM.dataKey);
  view.setUint16(2, AES_256_GCM.id);
  header.set(dataKeyId, 4);
  return header;
}

export function encodeCiphertext(parts: Pick<Parts, 'header' | 'nonce' | 'sealed'>): Uint8Array {
  return concatBytes(parts.header, parts.nonce, parts.sealed);
}

/** The parts, as views into `bytes`, or undefined for anything that is not exactly one ciphertext. Never throws. */
export function parseCiphertext(bytes: Uint8Array): Ciphertext | undefined {
  if (bytes.length < ITEM_HEADER_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint8(0) !== LAYOUT_VERSION) return undefined;
  const aead = aeadRowById(view.getUint16(2));
  if (aead === undefined) return undefined;
  switch (view.getUint8(1)) {
    case FORM.item: {
      const parts = split(bytes, ITEM_HEADER_BYTES, aead, 0, MAX_PLAINTEXT_BYTES);
      const keyVersion = view.getUint32(4);
      return parts === undefined || keyVersion === 0 ? undefined : { kind: 'item', keyVersion, ...parts };
    }
    case FORM.dataKey: {
      const parts = split(bytes, DATA_KEY_HEADER_BYTES, aead, SYMMETRIC_KEY_BYTES, SYMMETRIC_KEY_BYTES);
      return parts && { kind: 'data-key', dataKeyId: bytes.subarray(4, DATA_KEY_HEADER_BYTES), ...parts };
    }
    default:
      return undefined;
  }
}

function split(
  bytes: Uint8Array,
  headerBytes: number,
  aead: AeadRow,
  minPlaintext: number,
  maxPlaintext: number,
): Parts | undefined {
  const body = headerBytes + aead.ivLength;
  const plaintextBytes = bytes.length - body - aead.tagLength;
  if (plaintextBytes < minPlaintext || plaintextBytes > maxPlaintext) return undefined;
  return {
    aead,
    header: bytes.subarray(0, headerBytes),
    nonce: bytes.subarray(headerBytes, body),
    sealed: bytes.subarray(body),
  };
}
