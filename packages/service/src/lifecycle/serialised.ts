/**
 * One run at a time of a job that works off what it finds. Who calls while one is under way shares the next: the run
 * may have read before the caller committed.
 */
export function serialised(job: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  let queued: Promise<void> | undefined;

  function start(): Promise<void> {
    running = job().finally(() => {
      running = undefined;
    });
    return running;
  }

  return () => {
    if (running === undefined && queued === undefined) return start();
    queued ??= Promise.resolve(running)
      .catch(() => undefined)
      .then(() => {
        queued = undefined;
        return start();
      });
    return queued;
  };
}
