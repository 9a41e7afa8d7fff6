/** What was sent and not yet acknowledged: at most 512 messages (docs/protocol.md section 8.3). */

export class SendWindow {
  readonly #limit: number;
  readonly #open = new Set<number>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  get unacknowledged(): number {
    return this.#open.size;
  }

  /** How many more messages may be sent before an acknowledgement. */
  get free(): number {
    return this.#limit - this.#open.size;
  }

  add(sequence: number): void {
    this.#open.add(sequence);
  }

  /** One message, as a response or a refusal does. */
  acknowledge(sequence: number): void {
    this.#open.delete(sequence);
  }

  /** All messages up to and including `sequence`, as an ack does. */
  acknowledgeThrough(sequence: number): void {
    for (const open of this.#open) {
      if (open > sequence) break; // a set keeps the order of insertion, and sequences only grow
      this.#open.delete(open);
    }
  }
}
