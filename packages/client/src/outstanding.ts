/** Messages on their way, by frame: how many frames are not wholly answered yet (docs/protocol.md section 8.3). */
import type { SequenceRange } from '@sallyport/channel';

export class OutstandingFrames {
  /** Sequence to its frame's count of open messages. In the order of insertion, and sequences only grow. */
  readonly #frameOf = new Map<number, { open: number }>();
  #frames = 0;

  get count(): number {
    return this.#frames;
  }

  add(firstSequence: number, messages: number): void {
    if (messages === 0) return;
    const frame = { open: messages };
    for (let index = 0; index < messages; index += 1) this.#frameOf.set(firstSequence + index, frame);
    this.#frames += 1;
  }

  /** False when it was not open. */
  settle(sequence: number): boolean {
    const frame = this.#frameOf.get(sequence);
    if (frame === undefined) return false;
    this.#frameOf.delete(sequence);
    frame.open -= 1;
    if (frame.open === 0) this.#frames -= 1;
    return true;
  }

  /** Settles everything up to `through` but for the ranges that have not come, and gives what was open. */
  settleThrough(through: number, missing: readonly SequenceRange[]): readonly number[] {
    const settled: number[] = [];
    for (const sequence of this.#frameOf.keys()) {
      if (sequence > through) break;
      const hasCome = !missing.some(({ first, count }) => sequence >= first && sequence < first + count);
      if (hasCome && this.settle(sequence)) settled.push(sequence);
    }
    return settled;
  }
}
