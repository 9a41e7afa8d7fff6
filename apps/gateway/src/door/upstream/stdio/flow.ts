/** Back-pressure: a child is read only while what it said is taken. Its streams share one pipe, all of one principal. */
import { UpstreamFailure } from '../../ports.ts';
import type { Child } from './child.ts';
import type { Outlet } from './outlet.ts';

/** Bytes that nobody took, at which the child is not read any more, and is again. */
const HIGH_BYTES = 1024 * 1024;
const LOW_BYTES = 256 * 1024;
/** Of a client that reads nothing while others wait behind it. */
const STALL_MS = 30_000;

/** `look` after each change. A stream that held up the others for 30 s is given to `giveUp` with its failure. */
export class Flow {
  readonly #child: Pick<Child, 'pause' | 'resume'>;
  readonly #streams: () => readonly Outlet[];
  readonly #giveUp: (outlet: Outlet, failure: UpstreamFailure) => void;
  #isPaused = false;
  #stall: NodeJS.Timeout | undefined;

  constructor(
    child: Pick<Child, 'pause' | 'resume'>,
    streams: () => readonly Outlet[],
    giveUp: (outlet: Outlet, failure: UpstreamFailure) => void,
  ) {
    this.#child = child;
    this.#streams = streams;
    this.#giveUp = giveUp;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** After something was put or taken. */
  look(): void {
    const bytes = this.#streams().reduce((sum, stream) => sum + stream.bytes, 0);
    if (!this.#isPaused && bytes > HIGH_BYTES) {
      this.#isPaused = true;
      this.#child.pause();
      this.#stall = setTimeout(() => this.#relieve(), STALL_MS);
    } else if (this.#isPaused && bytes < LOW_BYTES) {
      this.stop();
      this.#child.resume();
    }
  }

  stop(): void {
    this.#isPaused = false;
    clearTimeout(this.#stall);
  }

  /** Who holds up the most is given up. */
  #relieve(): void {
    const fullest = this.#streams().reduce<Outlet | undefined>(
      (most, stream) => (stream.bytes > (most?.bytes ?? -1) ? stream : most),
      undefined,
    );
    this.#stall = setTimeout(() => this.#relieve(), STALL_MS);
    if (fullest !== undefined)
      this.#giveUp(
        fullest,
        new UpstreamFailure('too_large', 'the client does not read what the server says'),
      );
  }
}
