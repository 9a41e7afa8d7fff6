/** Lines that wait to be asked for, in order and bounded. */
import { MAX_MODEL_CONTEXT_LINES } from '@sallyport/channel';
import { UpstreamFailure } from '../ports.ts';

export type Mail = {
  /** Throws `UpstreamFailure`: `busy` when too much waits, `broke_off` when it is closed. */
  put(line: string): void;
  /** What waits; when nothing does, what comes within `waitMs`, else nothing. Undefined: closed, or asked by another meanwhile. */
  take(waitMs: number): Promise<readonly string[] | undefined>;
  close(): void;
};

/** In one answer, so that it fits into a message of the channel. */
const MAX_TAKEN_BYTES = 512 * 1024;

/** `maxBytes`: of all lines that wait, in UTF-16 units. One line by itself always fits. */
export function createMail(maxBytes: number): Mail {
  const waiting: string[] = [];
  let bytes = 0;
  let isClosed = false;
  let wake: ((isMine: boolean) => void) | undefined;

  function taken(): readonly string[] {
    const lines: string[] = [];
    let size = 0;
    while (lines.length < MAX_MODEL_CONTEXT_LINES) {
      const [next] = waiting;
      if (next === undefined || (lines.length > 0 && size + next.length > MAX_TAKEN_BYTES)) break;
      waiting.shift();
      lines.push(next);
      size += next.length;
    }
    bytes -= size;
    return lines;
  }

  return {
    put(line) {
      if (isClosed) throw new UpstreamFailure('broke_off', 'the server is no longer attached');
      // A line on its own always fits: it was bounded when it came.
      if (bytes > 0 && bytes + line.length > maxBytes)
        throw new UpstreamFailure('busy', 'the server does not take what is sent to it');
      waiting.push(line);
      bytes += line.length;
      wake?.(true);
    },
    async take(waitMs) {
      wake?.(false);
      if (waiting.length === 0 && !isClosed) {
        const { promise, resolve } = Promise.withResolvers<boolean>();
        wake = resolve;
        const timer = setTimeout(() => resolve(true), waitMs);
        const isMine = await promise;
        clearTimeout(timer);
        if (!isMine) return undefined;
        wake = undefined;
      }
      return isClosed ? undefined : taken();
    },
    close() {
      isClosed = true;
      wake?.(true);
    },
  };
}
