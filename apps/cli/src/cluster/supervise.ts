/** Keeps something running: what ends unasked is started again, after a pause that grows while it keeps ending. */
import { setTimeout as delay } from 'node:timers/promises';

export type Supervised = {
  /** Of the present run; undefined between two. */
  pid(): number | undefined;
  /** Ends it for good. Resolves when it is gone. */
  stop(): Promise<void>;
};

export type Run = {
  readonly pid: number | undefined;
  /** Resolves with why, in words, when it is gone. */
  readonly ended: Promise<string>;
  stop(): Promise<void>;
};

export type SuperviseOptions = {
  readonly start: () => Promise<Run>;
  /** Told of an end that nobody asked for. `undefined`: it will not be started again. */
  readonly onDown: (why: string, pauseMs: number | undefined) => void;
  /** Whether such an end is worth another start. Default: always. */
  readonly isWorthwhile?: () => boolean;
  readonly pausesMs?: readonly number[];
  /** After running for so long the next end is treated as the first: somebody else ended it, it did not fail at its start. */
  readonly settledMs?: number;
};

const PAUSES_MS = [250, 500, 1_000, 2_000];
const SETTLED_MS = 4_000;

/** Resolves when the first run has started; rejects with what kept it from starting. */
export async function supervise(options: SuperviseOptions): Promise<Supervised> {
  const { start, onDown, isWorthwhile = () => true, pausesMs = PAUSES_MS, settledMs = SETTLED_MS } = options;
  const stopping = new AbortController();
  let current: Run | undefined = await start();

  async function keep(): Promise<void> {
    let failures = 0;
    for (;;) {
      const startedAt = performance.now();
      let why: string;
      try {
        current ??= await start();
        // `stop` came while it was starting: it knows of no run.
        if (stopping.signal.aborted) await current.stop();
        why = await current.ended;
      } catch (error) {
        why = (error as Error).message;
      }
      current = undefined;
      if (stopping.signal.aborted) return;
      failures = performance.now() - startedAt > settledMs ? 0 : failures;
      const pauseMs = pausesMs[Math.min(failures, pausesMs.length - 1)] ?? 0;
      failures += 1;
      const isAgain = isWorthwhile();
      onDown(why, isAgain ? pauseMs : undefined);
      if (!isAgain) return;
      await delay(pauseMs, undefined, { signal: stopping.signal }).catch(() => undefined);
      if (stopping.signal.aborted) return;
    }
  }
  const kept = keep();

  return {
    pid: () => current?.pid,
    async stop() {
      stopping.abort();
      await current?.stop();
      await kept;
    },
  };
}
