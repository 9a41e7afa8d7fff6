/** How far it is, for a person: redrawn on a terminal, a line every few seconds elsewhere. */
import type { Output } from '../output.ts';
import type { Tally } from './tally.ts';

const REDRAW_MS = 200;
const FIRST_LINE_MS = 1_000;
const LINE_MS = 5_000;

export type ProgressOptions = {
  readonly output: Output;
  readonly tally: Tally;
  readonly now: () => number;
  /** 0 to 1 of what is done, where the length is known. */
  readonly fraction: () => number | undefined;
};

/** Begins at once; `stop` ends it and takes the line away. Says nothing to a program that reads JSON. */
export function startProgress(options: ProgressOptions): { stop(): void } {
  const { output, now } = options;
  if (output.json) return { stop: () => undefined };
  const startedAt = now();
  const show = (): void => output.progress(progressText(options, now() - startedAt));
  // Soon, so that whoever waits knows that something happens; then now and then.
  const first = setTimeout(show, output.interactive ? REDRAW_MS : FIRST_LINE_MS);
  const timer = setInterval(show, output.interactive ? REDRAW_MS : LINE_MS);
  return {
    stop() {
      clearTimeout(first);
      clearInterval(timer);
      output.progress(undefined);
    },
  };
}

/**
 * How much of a file is done, 0 to 1: what was read of it is well ahead of what was answered. Lines are taken for as long as
 * those that were read are on average.
 */
export function fractionDone(
  done: number,
  read: { readonly bytes: number; readonly lines: number },
  totalBytes: number,
): number {
  if (read.lines === 0 || totalBytes === 0) return 0;
  return Math.min(1, (done * read.bytes) / read.lines / totalBytes);
}

function progressText({ tally, fraction }: ProgressOptions, elapsedMs: number): string {
  const { succeeded, failed, lines } = tally.counts;
  const refused = tally.refusedTotal;
  const done = fraction();
  const rate = perSecond(lines, elapsedMs);
  const parts = [
    ...(done === undefined ? [] : [`${Math.floor(done * 100)} %`]),
    `${count(lines)} done`,
    `${count(succeeded)} succeeded`,
    ...(refused === 0 ? [] : [`${count(refused)} refused`]),
    ...(failed === 0 ? [] : [`${count(failed)} failed`]),
    `${count(Math.round(rate))}/s`,
  ];
  return parts.join(' · ');
}

export function perSecond(lines: number, elapsedMs: number): number {
  return elapsedMs <= 0 ? 0 : (lines * 1000) / elapsedMs;
}

export const count = (value: number): string => value.toLocaleString('en-US');
