import type { TranslatePorts } from './ports.ts';

/** Resolves after a while, at once when the signal ends; never rejects. */
export const pause = async (
  ports: Pick<TranslatePorts, 'schedule'>,
  delayMs: number,
  signal?: AbortSignal,
): Promise<void> => {
  if (signal?.aborted === true) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      timer[Symbol.dispose]();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = ports.schedule(delayMs, done);
    signal?.addEventListener('abort', done, { once: true });
  });
};
