/** Lines of bytes from chunks, the line end left out; nothing is held but the line that has not ended. */
import { UpstreamFailure } from '../../ports.ts';

const NEWLINE = 0x0a;
const RETURN = 0x0d;

/** `maxBytes`: of one line, its end not counted. */
export class Lines {
  readonly #maxBytes: number;
  #parts: Uint8Array[] = [];
  #length = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Throws `UpstreamFailure` (`too_large`) for a line over the bound, ended or not; no more may be pushed then. */
  *push(chunk: Uint8Array): Generator<Uint8Array> {
    for (let at = 0; at < chunk.length;) {
      const end = chunk.indexOf(NEWLINE, at);
      const part = chunk.subarray(at, end === -1 ? chunk.length : end);
      this.#length += part.length;
      if (this.#length > this.#maxBytes)
        throw new UpstreamFailure(
          'too_large',
          `the server wrote a line of more than ${this.#maxBytes} bytes`,
        );
      if (end === -1) {
        // A copy: the chunk's memory is the stream's.
        this.#parts.push(Uint8Array.from(part));
        return;
      }
      at = end + 1;
      const line = this.#parts.length === 0 ? part : Buffer.concat([...this.#parts, part], this.#length);
      this.#parts = [];
      this.#length = 0;
      yield line.at(-1) === RETURN ? line.subarray(0, -1) : line;
    }
  }
}
