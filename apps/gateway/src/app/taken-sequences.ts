/**
 * Sequences of one session that this gateway refused, or asks the guard about, without the guard knowing them.
 *
 * A frame that is refused because the guard cannot decide consumes nothing there. Its client hears that nothing happened
 * and may ask for the same anew; a copy of the frame, sent again when the guard is back, must not make that untrue. So
 * whatever was refused here stays refused, and what is being asked about is not asked about twice. In another epoch, at
 * this gateway or another, the copy does not open.
 *
 * A carrier keeps order and a client never uses a sequence twice, so one number remembers all that was refused.
 */
type Sequenced = { readonly sequence: number };

/** Half of the guard's window: beyond the whole of it nothing of the session would be taken any more. */
const MAX_SPENT = 512;

export class TakenSequences {
  readonly #asking = new Set<number>();
  #refusedThrough = 0;
  /** Undefined before the first: a session that was resumed goes on with its sequences. */
  #decidedThrough: number | undefined;

  /** False: a copy. Otherwise `decided` or `refused` has to follow. */
  take(messages: readonly Sequenced[]): boolean {
    for (const { sequence } of messages)
      if (sequence <= this.#refusedThrough || this.#asking.has(sequence)) return false;
    for (const { sequence } of messages) this.#asking.add(sequence);
    this.#decidedThrough ??= (messages[0]?.sequence ?? 1) - 1;
    return true;
  }

  /** The guard has seen them, and knows them again. */
  decided(messages: readonly Sequenced[]): void {
    for (const { sequence } of messages) {
      this.#asking.delete(sequence);
      this.#decidedThrough = Math.max(this.#decidedThrough ?? 0, sequence);
    }
  }

  /** Their client was told that nothing happened. */
  refused(messages: readonly Sequenced[]): void {
    for (const { sequence } of messages) {
      this.#asking.delete(sequence);
      this.#refusedThrough = Math.max(this.#refusedThrough, sequence);
    }
  }

  /** So many were refused since the guard last decided that its window might be left behind. */
  get areSpent(): boolean {
    return this.#refusedThrough - (this.#decidedThrough ?? 0) >= MAX_SPENT;
  }
}
