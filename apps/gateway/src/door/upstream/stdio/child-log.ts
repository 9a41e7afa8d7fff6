/** What children write beside the protocol, for people: bounded in length and number, control characters removed. */
import type { Log } from '@sallyport/service/log';

const MAX_LINE = 1_024;
const LINES_A_WINDOW = 200;
const WINDOW_MS = 10_000;
/** C0, DEL, C1, and what turns the direction of text: a terminal or a reader must not be steered by a log. */
const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu;

/** At most 200 lines in ten seconds; how many more there were is told once they are over, or by `flush`. */
export class ChildLog {
  readonly #log: Log;
  readonly #route: string;
  readonly #monotonic: () => number;
  #sinceMs: number;
  #lines = 0;
  #suppressed = 0;

  constructor(log: Log, route: string, monotonic: () => number) {
    this.#log = log;
    this.#route = route;
    this.#monotonic = monotonic;
    this.#sinceMs = monotonic();
  }

  /** A line of stderr, or one of stdout that is not the protocol. */
  line(message: string, text: string): void {
    const now = this.#monotonic();
    if (now - this.#sinceMs > WINDOW_MS) this.#next(now);
    if (this.#lines >= LINES_A_WINDOW) {
      this.#suppressed += 1;
      return;
    }
    this.#lines += 1;
    this.#log.info(message, { route: this.#route, line: printable(text) });
  }

  /** Tells what was left out. */
  flush(): void {
    this.#next(this.#monotonic());
  }

  #next(nowMs: number): void {
    if (this.#suppressed > 0)
      this.#log.warn('a server writes more than is logged', { route: this.#route, lines: this.#suppressed });
    this.#sinceMs = nowMs;
    this.#lines = 0;
    this.#suppressed = 0;
  }
}

/** One line, cut, without control characters. */
export function printable(text: string): string {
  const cut = text.slice(0, MAX_LINE).replaceAll(CONTROL, ' ').toWellFormed().trim();
  return text.length > MAX_LINE ? `${cut}…` : cut;
}

/** Lines of stderr; one that does not end is cut where it is too long. */
export class TextLines {
  readonly #decoder = new TextDecoder();
  readonly #onLine: (line: string) => void;
  #rest = '';

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  push(chunk: Uint8Array): void {
    const lines = (this.#rest + this.#decoder.decode(chunk, { stream: true })).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#tell(line);
    if (this.#rest.length <= MAX_LINE) return;
    this.#tell(this.#rest);
    this.#rest = '';
  }

  end(): void {
    this.#tell(this.#rest);
    this.#rest = '';
  }

  #tell(line: string): void {
    if (line.trim() !== '') this.#onLine(line);
  }
}
