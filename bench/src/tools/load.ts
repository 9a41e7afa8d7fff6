/** Calls under way, as many as asked for, for as long as asked for. */
import type { Caller } from './callers.ts';

export type Load = { readonly calls: number; readonly seconds: number; readonly latenciesMs: number[] };

const PAYLOAD_CHARS = 200;

/** Rejects when a call fails: a figure of fewer callers would be another figure. */
export async function load(callers: readonly Caller[], inFlight: number, ms: number): Promise<Load> {
  const text = 'x'.repeat(PAYLOAD_CHARS);
  const latenciesMs: number[] = [];
  const startedAt = performance.now();
  const end = startedAt + ms;
  let isOver = false;
  const worker = async (caller: Caller): Promise<void> => {
    while (!isOver && performance.now() < end) latenciesMs.push(await caller.call(text));
  };
  const workers = Array.from({ length: inFlight }, (_, index) =>
    worker(callers[index % callers.length] as Caller),
  );
  try {
    await Promise.all(workers);
  } finally {
    isOver = true;
    await Promise.allSettled(workers);
  }
  return { calls: latenciesMs.length, seconds: (performance.now() - startedAt) / 1000, latenciesMs };
}
