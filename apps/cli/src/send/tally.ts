/** What became of each line, counted; memory stays bounded whatever the file's length. */
import type { ChannelError, Response } from '@sallyport/client';

export type Outcome =
  | { readonly kind: 'succeeded'; readonly line: number; readonly response: Response }
  /** The gateway said no. */
  | { readonly kind: 'refused'; readonly line: number; readonly error: ChannelError }
  /** No answer. `error.mayHaveTakenEffect` tells whether it left. */
  | { readonly kind: 'failed'; readonly line: number; readonly error: ChannelError }
  /** Not a message: nothing was sent. */
  | { readonly kind: 'invalid'; readonly line: number; readonly problem: string };

export type Counts = {
  /** Lines that held something. */
  readonly lines: number;
  /** Of these, those that left for the gateway. */
  readonly sent: number;
  readonly succeeded: number;
  /** By the gateway's code. */
  readonly refused: Readonly<Record<string, number>>;
  /** No answer, or never sent. Together with the two above: all lines. */
  readonly failed: number;
  /** Of the failed: they never left, and certainly took no effect. */
  readonly notSent: number;
  /** Of refused and failed: nobody knows whether they took effect. */
  readonly unknownOutcome: number;
};

const MAX_KEPT_LINES = 10_000;
const MAX_RANGES = 20;

export class Tally {
  #lines = 0;
  #sent = 0;
  #succeeded = 0;
  #failed = 0;
  #unknown = 0;
  readonly #refused = new Map<string, number>();
  readonly #unknownLines: number[] = [];

  add(outcome: Outcome): void {
    this.#lines += 1;
    if (outcome.kind === 'succeeded') {
      this.#sent += 1;
      this.#succeeded += 1;
    } else if (outcome.kind === 'refused') {
      this.#sent += 1;
      this.#refused.set(outcome.error.code, (this.#refused.get(outcome.error.code) ?? 0) + 1);
    } else {
      this.#failed += 1;
      if (outcome.kind === 'failed' && outcome.error.mayHaveTakenEffect) this.#sent += 1;
    }
    if (!isUnknown(outcome)) return;
    this.#unknown += 1;
    if (this.#unknownLines.length < MAX_KEPT_LINES) this.#unknownLines.push(outcome.line);
  }

  get counts(): Counts {
    return {
      lines: this.#lines,
      sent: this.#sent,
      succeeded: this.#succeeded,
      refused: Object.fromEntries(this.#refused),
      failed: this.#failed,
      notSent: this.#lines - this.#sent,
      unknownOutcome: this.#unknown,
    };
  }

  get refusedTotal(): number {
    return this.#refused.values().reduce((sum, count) => sum + count, 0);
  }

  /** Lines whose outcome nobody knows, such as "12, 40-66"; empty when there are none. */
  get unknownLines(): string {
    const ranges = rangesOf(this.#unknownLines.toSorted((a, b) => a - b));
    const shown = ranges
      .slice(0, MAX_RANGES)
      .map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`));
    const isCut = ranges.length > MAX_RANGES || this.#unknown > this.#unknownLines.length;
    return shown.join(', ') + (isCut ? ', …' : '');
  }
}

function isUnknown(outcome: Outcome): boolean {
  if (outcome.kind === 'refused') return outcome.error.code === 'outcome_unknown';
  return outcome.kind === 'failed' && outcome.error.mayHaveTakenEffect;
}

function rangesOf(sorted: readonly number[]): readonly (readonly [number, number])[] {
  const ranges: [number, number][] = [];
  for (const line of sorted) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] === line - 1) last[1] = line;
    else ranges.push([line, line]);
  }
  return ranges;
}
