/**
 * The ledger of one session: which requests were taken on, and how they ended, so that each takes effect at most once
 * (PROTOCOL.md "Resend").
 *
 * A claim is kept 5 to 10 minutes after it was made or concluded. A resend that was first sent longer ago than the
 * shortest of these and has no claim is `unknown`: it may have run and been forgotten.
 */
import { constantTimeEqual } from '@sallyport/crypto';
import type { RecordClaim, RecordVerdict } from '../app/ports.ts';

type Request = NonNullable<RecordClaim['request']>;

type Claim = {
  readonly digest: Uint8Array;
  state: 'running' | 'done';
  response?: { readonly bytes: Uint8Array; readonly keptUntilMs: number } | undefined;
};

const RETENTION_MS = 5 * 60_000;
/** Twice the messages of an epoch would not fit anyway; a client that gets here is told to wait. */
const MAX_CLAIMS = 262_144;
const RESPONSE_MS = 120_000;
const MAX_RESPONSE_BYTES = 64 * 1024;
const MAX_KEPT_BYTES = 1024 * 1024;

export class Claims {
  #young = new Map<string, Claim>();
  #old = new Map<string, Claim>();
  #turnedAtMs: number | undefined;
  /** Claims with a response, oldest first. */
  readonly #kept = new Set<Claim>();
  #keptBytes = 0;

  /** Forgets what is old enough; what still runs is never forgotten. */
  turn(nowMs: number): void {
    this.#turnedAtMs ??= nowMs;
    if (nowMs - this.#turnedAtMs < RETENTION_MS) return;
    const running = [...this.#old].filter(([, claim]) => claim.state === 'running');
    for (const claim of this.#old.values()) if (claim.state === 'done') this.#drop(claim);
    this.#old = this.#young;
    this.#young = new Map(running);
    this.#turnedAtMs = nowMs;
  }

  claim(request: Request, nowMs: number): RecordVerdict {
    const { correlation, digest, firstSentAtMs } = request;
    const known = this.#find(correlation);
    if (known !== undefined) {
      if (!constantTimeEqual(known.digest, digest)) return 'correlation_reuse';
      return known.state;
    }
    if (firstSentAtMs !== undefined && firstSentAtMs < nowMs - RETENTION_MS) return 'unknown';
    if (this.#young.size + this.#old.size >= MAX_CLAIMS) return 'busy';
    this.#young.set(correlation, { digest, state: 'running' });
    return 'new';
  }

  conclude(correlation: string, response: Uint8Array | undefined, nowMs: number): void {
    const claim = this.#find(correlation);
    if (claim === undefined || claim.state === 'done') return;
    claim.state = 'done';
    // Counted from its end: an old claim that ends now is young again.
    if (this.#old.delete(correlation)) this.#young.set(correlation, claim);
    if (response === undefined || response.length > MAX_RESPONSE_BYTES) return;
    claim.response = { bytes: response, keptUntilMs: nowMs + RESPONSE_MS };
    this.#kept.add(claim);
    this.#keptBytes += response.length;
    for (const oldest of this.#kept) {
      const isOver = (oldest.response?.keptUntilMs ?? 0) < nowMs || this.#keptBytes > MAX_KEPT_BYTES;
      if (!isOver) break;
      this.#drop(oldest);
    }
  }

  /** Takes back a claim that had no effect. */
  release(correlation: string): void {
    if (this.#find(correlation)?.state !== 'running') return;
    this.#young.delete(correlation);
    this.#old.delete(correlation);
  }

  response(correlation: string, nowMs: number): Uint8Array | undefined {
    const response = this.#find(correlation)?.response;
    return response !== undefined && nowMs <= response.keptUntilMs ? response.bytes : undefined;
  }

  #find(correlation: string): Claim | undefined {
    return this.#young.get(correlation) ?? this.#old.get(correlation);
  }

  #drop(claim: Claim): void {
    if (!this.#kept.delete(claim)) return;
    this.#keptBytes -= claim.response?.bytes.length ?? 0;
    claim.response = undefined;
  }
}
