/**
 * Session records as they lie in the shared store: sealed under a data key that only key-service can open for a gateway,
 * one for each process and hour, so that opening a session costs no call. Layout: u8 1 | u16 length ‖ wrapped data key |
 * iv 12 | ciphertext ‖ tag.
 */
import type { KeyObject } from 'node:crypto';
import {
  AES_256_GCM,
  aead,
  concatBytes,
  randomBytes,
  Secret,
  secretKey,
  toHex,
  utf8,
} from '@sallyport/crypto';
import type { keyv1 } from '@sallyport/proto';
import { SallyportError } from '@sallyport/service/errors';
import type { ServiceCalls } from '@sallyport/service/grpc';

export type SessionRecords = {
  /** Takes ownership of `record` and wipes it. Rejects when there is no data key to be had. */
  seal(sessionId: string, record: Secret): Promise<Uint8Array>;
  /** Undefined for what was not sealed for this session by a gateway of ours. Rejects when key-service is away. */
  open(sessionId: string, sealed: Uint8Array): Promise<Secret | undefined>;
};

/** Domain key of key-service that is the gateway's own. */
const DATA_KEY_NAME = 'gateway/session-record';
const DATA_KEY_AAD = utf8('sallyport1 session record');
const LAYOUT = 1;
const HEADER_BYTES = 3;
const DATA_KEY_LIFE_MS = 3_600_000;
/** Far below what random nonces allow under one key (NIST SP 800-38D section 8.3). */
const MAX_SEALS = 2 ** 20;
/** Data keys of other gateways that stay open here. */
const MAX_OPENED = 256;

type DataKey = {
  readonly wrapped: Uint8Array;
  readonly key: KeyObject;
  readonly notAfterMs: number;
  seals: number;
};

export function sessionRecords(
  keys: Pick<ServiceCalls<typeof keyv1.KeyService>, 'generateDataKey' | 'decrypt'>,
  monotonicMs: () => number,
): SessionRecords {
  const row = aead(AES_256_GCM);
  let current: Promise<DataKey> | undefined;
  const opened = new Map<string, Promise<KeyObject>>();

  async function generate(): Promise<DataKey> {
    const answer = await keys.generateDataKey({ key: DATA_KEY_NAME, aad: DATA_KEY_AAD });
    const { wrapped } = answer;
    if (wrapped.length > 0xffff) throw new RangeError('a wrapped data key has at most 65,535 bytes');
    return { wrapped, key: keyOf(answer.plaintext), notAfterMs: monotonicMs() + DATA_KEY_LIFE_MS, seals: 0 };
  }

  /** One call for all who wait; who failed asks anew. */
  async function dataKey(): Promise<DataKey> {
    const known = await (current ??= generate().catch((error: unknown) => {
      current = undefined;
      throw error;
    }));
    if (monotonicMs() < known.notAfterMs && known.seals < MAX_SEALS) return known;
    current = undefined;
    return dataKey();
  }

  async function unwrap(wrapped: Uint8Array): Promise<KeyObject> {
    const items = [{ ciphertext: wrapped, aad: DATA_KEY_AAD }];
    const { plaintexts } = await keys.decrypt({ key: DATA_KEY_NAME, items });
    return keyOf(plaintexts[0] ?? new Uint8Array());
  }

  function opening(wrapped: Uint8Array): Promise<KeyObject> {
    const name = toHex(wrapped);
    const known = opened.get(name);
    if (known !== undefined) return known;
    const asked = unwrap(wrapped);
    opened.set(name, asked);
    asked.catch(() => opened.delete(name));
    for (const oldest of opened.keys()) {
      if (opened.size <= MAX_OPENED) break;
      opened.delete(oldest);
    }
    return asked;
  }

  return {
    async seal(sessionId, record) {
      try {
        const own = await dataKey();
        own.seals += 1;
        const header = new Uint8Array(HEADER_BYTES);
        header[0] = LAYOUT;
        new DataView(header.buffer).setUint16(1, own.wrapped.length);
        const iv = randomBytes(AES_256_GCM.ivLength);
        const sealed = record.use((plaintext) =>
          row.seal({ key: own.key, iv, aad: aadOf(sessionId), plaintext }),
        );
        return concatBytes(header, own.wrapped, iv, sealed);
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
      let key: KeyObject;
      try {
        key = await opening(bytes.slice(HEADER_BYTES, wrappedEnd));
      } catch (error) {
        const isOurs = !(error instanceof SallyportError && NOT_OURS.has(error.reason));
        if (isOurs) throw error;
        return undefined;
      }
      const iv = bytes.subarray(wrappedEnd, ivEnd);
      const plaintext = row.open({ key, iv, aad: aadOf(sessionId), sealed: bytes.subarray(ivEnd) });
      return plaintext === undefined ? undefined : new Secret(plaintext);
    },
  };
}

/** What key-service says of bytes that it did not wrap, or whose key is gone. */
const NOT_OURS: ReadonlySet<string> = new Set(['decryption_failed', 'key_unusable', 'invalid_argument']);

/** Keeps nothing of `raw`. */
function keyOf(raw: Uint8Array): KeyObject {
  if (raw.length !== AES_256_GCM.keyLength) throw new RangeError('a data key has 32 bytes');
  const key = secretKey(raw);
  raw.fill(0);
  return key;
}

function aadOf(sessionId: string): Uint8Array {
  return utf8(`sallyport1 session record\0${sessionId}`);
}
