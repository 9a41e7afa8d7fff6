/** Work that nobody asks for, done again and again. One run at a time; a failed one is logged and tried at the next turn. */
import type { Log } from '../log/index.ts';

export interface UpkeepTask {
  readonly name: string;
  readonly run: () => Promise<unknown>;
}

/**
 * Runs the tasks one after the other: now, for what an earlier process did not live to do, and then every `intervalMs`.
 * Disposing waits for the run under way.
 */
export function startUpkeep(tasks: readonly UpkeepTask[], intervalMs: number, log: Log): AsyncDisposable {
  let running: Promise<void> | undefined;

  async function turn(): Promise<void> {
    for (const { name, run } of tasks) {
      try {
        await run();
      } catch (error) {
        log.warn('upkeep failed and will be tried again', { task: name, error });
      }
    }
  }

  const begin = () => {
    running ??= turn().finally(() => {
      running = undefined;
    });
  };
  begin();
  const timer = setInterval(begin, intervalMs);
  timer.unref();

  return {
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer);
      await running;
    },
  };
}
