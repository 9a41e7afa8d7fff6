/**
 * Which sequences of one direction may still be accepted (docs/protocol.md section 8.2): H−1023 … H+1024 around the
 * highest accepted H, each once. The in-memory replay guard uses it for what clients send, the client for what the
 * gateway sends.
 */
import { WINDOW_SPAN } from './constants.ts';

export type SequenceVerdict = 'fresh' | 'duplicate' | 'stale' | 'too_far_ahead';

/** `first` and the `count` sequences from it on. */
export interface SequenceRange {
  readonly first: number;
  readonly count: number;
}

export class SequenceWindow {
  /** One bit for each of the last 1024 sequences, at sequence mod 1024. */
  readonly #seen = new Uint32Array(WINDOW_SPAN / 32);
  #highest = 0;
  #lost = 0;

  /** Sequence 0 does not exist, and what lies before the first sequence is not missing. */
  constructor() {
    this.#seen.fill(0xffff_ffff);
  }

  /** H; 0 before the first acceptance. */
  get highest(): number {
    return this.#highest;
  }

  /** Sequences that fell out of the window without having been accepted: lost for good. */
  get lost(): number {
    return this.#lost;
  }

  /** Changes nothing. `sequence` is a safe integer. */
  verdict(sequence: number): SequenceVerdict {
    if (sequence > this.#highest) return sequence - this.#highest <= WINDOW_SPAN ? 'fresh' : 'too_far_ahead';
    if (sequence <= this.#highest - WINDOW_SPAN || sequence < 1) return 'stale';
    return this.#isSeen(sequence) ? 'duplicate' : 'fresh';
  }

  /** Takes a sequence whose verdict is fresh. Throws RangeError otherwise: accepting twice is the one unforgivable act. */
  accept(sequence: number): void {
    const verdict = this.verdict(sequence);
    if (verdict !== 'fresh') throw new RangeError(`sequence ${sequence} is ${verdict}`);
    for (let skipped = this.#highest + 1; skipped <= sequence; skipped += 1) {
      if (!this.#isSeen(skipped)) this.#lost += 1; // the bit still belongs to skipped − 1024
      this.#mark(skipped, false);
    }
    this.#highest = Math.max(this.#highest, sequence);
    this.#mark(sequence, true);
  }

  /**
   * Closes everything up to `sequence`, or up to H where that is higher: what has not come by then is lost. On attach,
   * docs/protocol.md section 8.6.
   */
  closeThrough(sequence: number): void {
    const through = Math.max(sequence, this.#highest);
    const oldest = Math.max(1, this.#highest - WINDOW_SPAN + 1);
    for (let open = oldest; open <= this.#highest; open += 1) if (!this.#isSeen(open)) this.#lost += 1;
    this.#lost += through - this.#highest;
    this.#highest = through;
    this.#seen.fill(0xffff_ffff);
  }

  /** What is missing below H and may still come, oldest first; at most `limit` ranges. */
  missing(limit: number): SequenceRange[] {
    const ranges: SequenceRange[] = [];
    const oldest = Math.max(1, this.#highest - WINDOW_SPAN + 1);
    for (let sequence = oldest; sequence < this.#highest; sequence += 1) {
      if (this.#isSeen(sequence)) continue;
      const first = sequence;
      while (sequence + 1 < this.#highest && !this.#isSeen(sequence + 1)) sequence += 1;
      if (ranges.length === limit) break;
      ranges.push({ first, count: sequence - first + 1 });
    }
    return ranges;
  }

  #isSeen(sequence: number): boolean {
    const bit = sequence % WINDOW_SPAN;
    return (((this.#seen[bit >>> 5] ?? 0) >>> (bit & 31)) & 1) === 1;
  }

  #mark(sequence: number, isSeen: boolean): void {
    const bit = sequence % WINDOW_SPAN;
    const word = this.#seen[bit >>> 5] ?? 0;
    const mask = 1 << (bit & 31);
    this.#seen[bit >>> 5] = isSeen ? word | mask : word & ~mask;
  }
}
