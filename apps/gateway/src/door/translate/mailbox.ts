/** What one side leaves for the other: a queue with one reader, that a signal or a failure ends. */

export type Mailbox<T> = {
  /** Never waits. False: it is full or closed and nothing was left. */
  put(item: T): boolean;
  /** Resolves when the reader has kept up, at once while there is none or the box is closed. */
  room(): Promise<void>;
  /** The next item; undefined after `close`. Rejects with what it was failed with, or with `cancelled` when the signal ends. */
  take(signal?: AbortSignal): Promise<T | undefined>;
  close(): void;
  fail(error: unknown): void;
  readonly size: number;
};

/** `capacity` items are kept; `room` waits above `comfortable`. */
export function mailbox<T>(options: {
  readonly capacity: number;
  readonly comfortable: number;
  readonly cancelled: () => unknown;
}): Mailbox<T> {
  const items: T[] = [];
  let end: { readonly error?: unknown } | undefined;
  let reader: (() => void) | undefined;
  let writers: (() => void)[] = [];

  const wakeWriters = (): void => {
    if (items.length > options.comfortable && end === undefined) return;
    const woken = writers;
    writers = [];
    for (const wake of woken) wake();
  };
  const finish = (with_: { readonly error?: unknown }): void => {
    end ??= with_;
    wakeWriters();
    reader?.();
  };

  return {
    get size() {
      return items.length;
    },
    put(item) {
      if (end !== undefined || items.length >= options.capacity) return false;
      items.push(item);
      reader?.();
      return true;
    },
    async room() {
      if (items.length <= options.comfortable || end !== undefined) return;
      await new Promise<void>((resolve) => writers.push(resolve));
    },
    async take(signal) {
      for (;;) {
        if (signal?.aborted === true) throw options.cancelled();
        const item = items.shift();
        if (item !== undefined) {
          wakeWriters();
          return item;
        }
        if (end !== undefined) {
          if ('error' in end) throw end.error;
          return undefined;
        }
        await new Promise<void>((resolve) => {
          const wake = (): void => {
            reader = undefined;
            signal?.removeEventListener('abort', wake);
            resolve();
          };
          reader = wake;
          signal?.addEventListener('abort', wake, { once: true });
        });
      }
    },
    close: () => finish({}),
    fail: (error) => finish({ error }),
  };
}
