/**
 * Session records as they lie in the shared store: sealed under a data key that only key-service can open for a gateway,
 * one for each process and hour, so that opening a session costs no call. Layout: u8 1 | u16 length ‖ wrapped data key |
 * iv 12 | ciphertext ‖ tag.
 */
import { AES_256_GCM, aead, concatBytes, randomBytes, Secret, utf8 } from '@sallyport/crypto';
import type { keyv1 } from '@sallyport/proto';
import type { ServiceCalls } from '@sallyport/service/grpc';
import { dataKeys } from './data-keys.ts';

export type SessionRecords = {
  /** Takes ownership of `record` and wipes it. Rejects when there is no data key to be had. */
  seal(sessionId: string, record: Secret): Promise<Uint8Array>;
  /** Undefined for what was not sealed for this session by a gateway of ours. Rejects when key-service is away. */
  open(sessionId: string, sealed: Uint8Array): Promise<Secret | undefined>;
};

const DATA_KEY_NAME = 'gateway/session-record';
const DATA_KEY_AAD = utf8('sallyport1 session record');
const LAYOUT = 1;
const HEADER_BYTES = 3;

export function sessionRecords(
  keys: Pick<ServiceCalls<typeof keyv1.KeyService>, 'generateDataKey' | 'decrypt'>,
  monotonicMs: () => number,
): SessionRecords {
  const row = aead(AES_256_GCM);
  const own = dataKeys(keys, { name: DATA_KEY_NAME, aad: DATA_KEY_AAD }, monotonicMs);

  return {
    async seal(sessionId, record) {
      try {
        const { key, wrapped } = await own.sealing();
        const header = new Uint8Array(HEADER_BYTES);
        header[0] = LAYOUT;
        new DataView(header.buffer).setUint16(1, wrapped.length);
        const iv = randomBytes(AES_256_GCM.ivLength);
        const sealed = record.use((plaintext) => row.seal({ key, iv, aad: aadOf(sessionId), plaintext }));
        return concatBytes(header, wrapped, iv, sealed);
      } finally {
        record.wipe();
      }
    },

    async open(sessionId, bytes) {
      if (bytes.length < HEADER_BYTES || bytes[0] !== LAYOUT) return undefined;
      const wrappedEnd =
        HEADER_BYTES + new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint16(1);
      const ivEnd = wrappedEnd + AES_256_GCM.ivLength;
      if (bytes.length < ivEnd) return undefined;
      const key = await own.opening(bytes.slice(HEADER_BYTES, wrappedEnd));
      if (key === undefined) return undefined;
      const iv = bytes.subarray(wrappedEnd, ivEnd);
      const plaintext = row.open({ key, iv, aad: aadOf(sessionId), sealed: bytes.subarray(ivEnd) });
      return plaintext === undefined ? undefined : new Secret(plaintext);
    },
  };
}

function aadOf(sessionId: string): Uint8Array {
  return utf8(`sallyport1 session record\0${sessionId}`);
}
