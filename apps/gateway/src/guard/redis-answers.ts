/**
 * Answers as Redis keeps them: those concluded together in one sealed blob, under a key that comes from the session key,
 * so that Redis has nothing to read and any gateway that resumes the session can (PROTOCOL.md "Resend").
 */
import type { KeyObject } from 'node:crypto';
import { AES_256_GCM, aead, concatBytes, randomBytes, utf8 } from '@sallyport/crypto';
import type { ConcludedRequest } from '../app/ports.ts';
import { MAX_RESPONSE_BYTES } from './redis-script-limits.ts';
import type { PackedConclusion } from './redis-wire.ts';

export const BLOB_ID_BYTES = 8;
const LABEL = utf8('sallyport kept answers\0');
const row = aead(AES_256_GCM);

export type PackedBatch = {
  readonly blobId: Buffer;
  /** Empty when no answer is kept. */
  readonly sealed: Buffer;
  readonly conclusions: readonly PackedConclusion[];
};

/** In order, in batches whose answers fit into one blob. Answers above 64 KiB are not kept. */
export function packAnswers(
  results: readonly ConcludedRequest[],
  sessionId: string,
  key: KeyObject,
): PackedBatch[] {
  const batches: PackedBatch[] = [];
  let conclusions: PackedConclusion[] = [];
  let parts: Uint8Array[] = [];
  let size = 0;
  const flush = (): void => {
    if (conclusions.length === 0) return;
    const blobId = Buffer.from(randomBytes(BLOB_ID_BYTES));
    batches.push({ blobId, sealed: seal(parts, sessionId, blobId, key), conclusions });
    [conclusions, parts, size] = [[], [], 0];
  };
  for (const { correlation, state, response } of results) {
    const isKept = state === 'done' && response !== undefined && response.length <= MAX_RESPONSE_BYTES;
    const length = isKept ? response.length : 0;
    if (size + length > MAX_RESPONSE_BYTES) flush();
    conclusions.push({ correlation, isDone: state === 'done', offset: size, length });
    if (isKept) parts.push(response);
    size += length;
  }
  flush();
  return batches;
}

/** Undefined for what was not sealed for this session under this key. */
export function openAnswer(
  kept: {
    readonly blobId: Uint8Array;
    readonly offset: number;
    readonly length: number;
    readonly sealed: Uint8Array;
  },
  sessionId: string,
  key: KeyObject,
): Uint8Array | undefined {
  const { blobId, offset, length, sealed } = kept;
  const iv = sealed.subarray(0, AES_256_GCM.ivLength);
  const body = sealed.subarray(AES_256_GCM.ivLength);
  const plaintext = row.open({ key, iv, aad: aadOf(sessionId, blobId), sealed: body });
  if (plaintext === undefined || offset + length > plaintext.length) return undefined;
  return plaintext.subarray(offset, offset + length);
}

function seal(parts: Uint8Array[], sessionId: string, blobId: Uint8Array, key: KeyObject): Buffer {
  if (parts.length === 0) return Buffer.alloc(0);
  const iv = randomBytes(AES_256_GCM.ivLength);
  const plaintext = concatBytes(...parts);
  return Buffer.concat([iv, row.seal({ key, iv, aad: aadOf(sessionId, blobId), plaintext })]);
}

function aadOf(sessionId: string, blobId: Uint8Array): Uint8Array {
  return concatBytes(LABEL, utf8(sessionId), blobId);
}
