/** Frames on their way: how many are not wholly answered yet (PROTOCOL.md "Batches gather by back-pressure"). */

export class OutstandingFrames {
  /** Sequence to its frame's count of open messages. */
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

  settle(sequence: number): void {
    const frame = this.#frameOf.get(sequence);
    if (frame === undefined) return;
    this.#frameOf.delete(sequence);
    frame.open -= 1;
    if (frame.open === 0) this.#frames -= 1;
  }

  settleThrough(sequence: number): void {
    for (const open of this.#frameOf.keys()) {
      if (open > sequence) break; // a map keeps the order of insertion, and sequences only grow
      this.settle(open);
    }
  }
}
