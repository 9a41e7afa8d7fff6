/**
 * DPoP proofs seen before (RFC 9449 section 11.1), in this process. Forgotten when the process ends: a proof that was
 * certainly made before this guard is `stale`, because an earlier process may have seen it.
 *
 * Memory: 16 bytes of each proof's hash, some 100 bytes with its place in a set; at most 2^20 of them and 2^18 of one key.
 * A guard that is full refuses: forgetting is the one mistake to avoid.
 */
import { hash, randomBytes } from 'node:crypto';
import type { Clock } from '@sallyport/service/clock';
import { busy } from '@sallyport/service/errors';
import { HISTORY_BYTES, type ProofGuard } from '../door/ports.ts';

export type MemoryProofGuardOptions = {
  readonly clock: Pick<Clock, 'now'>;
  /** Proofs kept at once. Default 2^20. */
  readonly maxProofs?: number;
  /** Of one key. Default 2^18. */
  readonly maxProofsPerKey?: number;
};

const MAX_PROOFS = 2 ** 20;
const MAX_PROOFS_PER_KEY = 2 ** 18;
/** Proofs are forgotten by spans of their ends. */
const SPAN_MS = 5_000;
const HASH_BYTES = 16;

type Span = { readonly proofs: Set<string>; readonly perKey: Map<string, number> };

export function memoryProofGuard(options: MemoryProofGuardOptions): ProofGuard {
  const { clock, maxProofs = MAX_PROOFS, maxProofsPerKey = MAX_PROOFS_PER_KEY } = options;
  const sinceMs = clock.now();
  const history = randomBytes(HISTORY_BYTES).toString('base64url');
  const spans = new Map<number, Span>();
  const ofKey = new Map<string, number>();
  let count = 0;
  let nowMs = sinceMs;

  function forget(at: number, { proofs, perKey }: Span): void {
    spans.delete(at);
    count -= proofs.size;
    for (const [key, number] of perKey) {
      const left = (ofKey.get(key) ?? 0) - number;
      if (left > 0) ofKey.set(key, left);
      else ofKey.delete(key);
    }
  }

  return {
    async claim({ thumbprint, tokenId, issuedAtMs, notAfterMs, madeIn }) {
      if (issuedAtMs < sinceMs && (await madeIn?.())?.has(history) !== true) return 'stale';
      // A clock set back keeps what it has.
      nowMs = Math.max(nowMs, clock.now());
      if (notAfterMs < nowMs) return 'stale';
      for (const [at, span] of spans) if ((at + 1) * SPAN_MS <= nowMs) forget(at, span);
      const proof = proofHash(thumbprint, tokenId).toString('latin1');
      for (const { proofs } of spans.values()) if (proofs.has(proof)) return 'seen';
      const own = ofKey.get(thumbprint) ?? 0;
      if (count >= maxProofs || own >= maxProofsPerKey) throw busy('too many proofs are remembered');
      const at = Math.floor(notAfterMs / SPAN_MS);
      let span = spans.get(at);
      if (span === undefined) spans.set(at, (span = { proofs: new Set(), perKey: new Map() }));
      span.proofs.add(proof);
      span.perKey.set(thumbprint, (span.perKey.get(thumbprint) ?? 0) + 1);
      ofKey.set(thumbprint, own + 1);
      count += 1;
      return 'new';
    },
    histories: () => [history],
  };
}

/** `jti` is unique for its key only. */
export function proofHash(thumbprint: string, tokenId: string): Buffer {
  return hash('sha256', `${thumbprint}\0${tokenId}`, 'buffer').subarray(0, HASH_BYTES);
}
