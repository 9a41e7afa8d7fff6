/**
 * The ledger of one session: which requests were taken on, and how they ended, so that each takes effect at most once
 * (PROTOCOL.md "Resend").
 *
 * A claim is kept 5 to 10 minutes after it was made or concluded, and in any case until 65,536 others were made: 128 times
 * what a client may have unacknowledged. A resend without a claim that was first sent before what was forgotten is
 * `unknown`: it may have run.
 */
import { FRESHNESS_MS } from '@sallyport/channel';
import { constantTimeEqual } from '@sallyport/crypto';
import type { RecordClaim, RecordVerdict } from '../app/ports.ts';

type Request = NonNullable<RecordClaim['request']>;

type Claim = {
  readonly digest: Uint8Array;
  state: 'running' | 'done';
  response?: { readonly bytes: Uint8Array; readonly keptUntilMs: number } | undefined;
};

const RETENTION_MS = 5 * 60_000;
/** A generation that is full is followed by the next before its time. */
const MAX_GENERATION = 65_536;
/** Only so many running at once would come to this; a client that gets here is told to wait. */
const MAX_CLAIMS = 4 * MAX_GENERATION;
const RESPONSE_MS = 120_000;
const MAX_RESPONSE_BYTES = 64 * 1024;
const MAX_KEPT_BYTES = 1024 * 1024;

export class Claims {
  #young = new Map<string, Claim>();
  #old = new Map<string, Claim>();
  #turnedAtMs: number | undefined;
  /** Claims made before this may be gone. */
  #forgottenBeforeMs = -Infinity;
  /** Claims with a response, oldest first. */
  readonly #kept = new Set<Claim>();
  #keptBytes = 0;

  /** Forgets what is old enough; what still runs is never forgotten. */
  turn(nowMs: number): void {
    this.#turnedAtMs ??= nowMs;
    if (nowMs - this.#turnedAtMs < RETENTION_MS && this.#young.size < MAX_GENERATION) return;
    const running = [...this.#old].filter(([, claim]) => claim.state === 'running');
    for (const claim of this.#old.values()) if (claim.state === 'done') this.#drop(claim);
    this.#old = this.#young;
    this.#young = new Map(running);
    this.#forgottenBeforeMs = this.#turnedAtMs;
    this.#turnedAtMs = nowMs;
  }

  claim(request: Request, nowMs: number): RecordVerdict {
    const { correlation, digest, firstSentAtMs } = request;
    const known = this.#find(correlation);
    if (known !== undefined) {
      if (!constantTimeEqual(known.digest, digest)) return 'correlation_reuse';
      return known.state;
    }
    if (firstSentAtMs !== undefined && firstSentAtMs < this.#knownFromMs(nowMs)) return 'unknown';
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

  /** What was first sent from here on has its claim, if it ever came: a message's time may be ahead by the freshness. */
  #knownFromMs(nowMs: number): number {
    return Math.max(nowMs - RETENTION_MS, this.#forgottenBeforeMs) + FRESHNESS_MS;
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
